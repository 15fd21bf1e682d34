package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// cutAfter gives b's rows up to so many bytes, after which its store is lost.
func cutAfter(b destination.Batch, bytes int64) destination.Batch {
	open := b.Open
	b.Open = func(ctx context.Context) (io.ReadCloser, error) {
		r, err := open(ctx)
		return io.NopCloser(io.MultiReader(io.LimitReader(r, bytes), broken{errors.New("the store is lost")})), err
	}
	return b
}

// TestPiecesThatAreThere: a table that does not know the blocks that it has had is asked for each piece.
func TestPiecesThatAreThere(t *testing.T) {
	const n, bytes = 30_000, 1 << 20
	server := servertest.ClickHouse(t)
	for name, create := range map[string]string{
		"merge tree":    forgetful,
		"log":           logLike,
		"integer ids":   "CREATE TABLE events (__row_id Int64, n Int64, s String) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 0",
		"file and ids":  "CREATE TABLE events (__row_id LowCardinality(String), __batch_file Nullable(String), n Int64, s String) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 0",
		"file alone":    "CREATE TABLE events (__row_id Int8, __rescued String, __batch_file String, n Int64, s String) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 0",
		"other ids too": "CREATE TABLE events (__row_id FixedString(26), __batch_file String, n Int64, s String) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 0",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _, table := faulty(t, server, native, create)
			d.pieceBytes = 300_000
			b := manyRows(n)
			if did, err := d.Load(t.Context(), table, cutAfter(b, bytes)); err == nil {
				t.Fatalf("got %+v, want an error", did)
			}
			wantAnswer(t, d, "SELECT count() > 0 AND count() < 30000 FROM events", "1")
			for _, already := range []bool{false, true} {
				if did, err := d.Load(t.Context(), table, b); err != nil || did.Rows != n || did.Already != already {
					t.Errorf("got %+v, %v, want %d rows", did, err, n)
				}
				wantAnswer(t, d, "SELECT count(), uniqExact(n), max(n) FROM events", fmt.Sprintf("%d|%d|%d", n, n, n-1))
			}
		})
	}
}

// named makes a batch of two rows with ids of the client's own.
func named(id string, n int, other string, m int) destination.Batch {
	b := destinationtest.Batch(newIDs(), `{"n":0}`, `{"n":0}`)
	b.Open = func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(fmt.Sprintf(`{"__row_id":%q,"n":%d}`+"\n"+`{"__row_id":%q,"n":%d}`+"\n", id, n, other, m))), nil
	}
	return b
}

// TestIDsOfOtherBatches: a batch is not taken for loaded as its first row's id is there from another one.
func TestIDsOfOtherBatches(t *testing.T) {
	server := servertest.ClickHouse(t)
	const noWindow = " ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 0"
	for name, create := range map[string]string{"batch file": "CREATE TABLE events (__row_id String, __batch_file String, n Int64)" + noWindow, "ids alone": "CREATE TABLE events (__row_id String, n Int64)" + noWindow} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _, table := faulty(t, server, native, create)
			mustLoad := func(b destination.Batch, rows int64) {
				t.Helper()
				if did, err := d.Load(t.Context(), table, b); err != nil || did.Rows != rows || did.Already {
					t.Errorf("got %+v, %v, want %d rows that were not there", did, err, rows)
				}
			}
			mustLoad(named("42", 1, "43", 2), 2)
			b := named("42", 3, "44", 4)
			if did, err := d.Load(t.Context(), table, cutAfter(b, 10)); err == nil {
				t.Fatalf("got %+v, want an error", did)
			}
			mustLoad(b, 2)
			wantAnswer(t, d, "SELECT count(), uniqExact(n) FROM events", "4|4")
		})
	}
}

// aged gives b another id, of that long ago.
func aged(b destination.Batch, ago time.Duration) destination.Batch {
	b.ID = ulid.MustNew(ulid.Timestamp(time.Now().Add(-ago)), ulid.DefaultEntropy()).String()
	return b
}

// TestBatchThatWasForgotten: a batch that comes again after so many others that the table has forgotten its pieces is there once.
func TestBatchThatWasForgotten(t *testing.T) {
	const n, bytes = 3000, 100_000
	server := servertest.ClickHouse(t)
	for name, lost := range map[string]func(t *testing.T, d *Destination, table schema.Table, b destination.Batch) error{
		"in the middle": func(t *testing.T, d *Destination, table schema.Table, b destination.Batch) error {
			_, err := d.Load(t.Context(), table, cutAfter(b, bytes))
			return err
		},
		"its entry": func(t *testing.T, d *Destination, table schema.Table, b destination.Batch) error {
			if err := d.makeLedger(t.Context()); err != nil {
				return err
			}
			mustExec(t, d, "ALTER TABLE "+ledgerTable+" ADD CONSTRAINT full CHECK state != 'loaded'")
			_, err := d.Load(t.Context(), table, b)
			mustExec(t, d, "ALTER TABLE "+ledgerTable+" DROP CONSTRAINT full")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _, table := faulty(t, server, native, "CREATE TABLE events (__row_id String, n Int64, s String) ENGINE = MergeTree ORDER BY __row_id SETTINGS non_replicated_deduplication_window = 1")
			d.pieceBytes = 30_000
			b := aged(manyRows(n), time.Hour)
			if err := lost(t, d, table, b); err == nil {
				t.Fatal("want an error")
			}
			wantAnswer(t, d, "SELECT count() > 0 FROM events", "1")
			for i := range 2 {
				if did, err := d.Load(t.Context(), table, numbered(n+i, 1)); err != nil || did.Rows != 1 {
					t.Fatalf("got %+v, %v, want a row", did, err)
				}
			}
			if did, err := d.Load(t.Context(), table, b); err != nil || did.Rows != n {
				t.Errorf("got %+v, %v, want %d rows", did, err, n)
			}
			wantAnswer(t, d, "SELECT count(), uniqExact(n) FROM events", fmt.Sprintf("%d|%d", n+2, n+2))
		})
	}
}

func TestIsOld(t *testing.T) {
	b := manyRows(1)
	for _, tt := range []struct {
		id   string
		want bool
	}{{b.ID, false}, {aged(b, time.Hour).ID, true}, {aged(b, -time.Hour).ID, true}, {strings.ToLower(b.ID), false}, {"x", true}} {
		if got := isOld(tt.id); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.id, got, tt.want)
		}
	}
}

// TestManyPartitions: a batch may have rows of more days than a server takes by default at a time.
func TestManyPartitions(t *testing.T) {
	each(t, func(t *testing.T, _ servertest.ClickHouseServer, cfg Config) {
		d, table := openWith(t, cfg), tableOf(t, "events")
		mustExec(t, d, "CREATE TABLE events (__row_id String, n Int64, s String) ENGINE = MergeTree PARTITION BY n % 300 ORDER BY n")
		if did, err := d.Load(t.Context(), table, manyRows(1000)); err != nil || did.Rows != 1000 {
			t.Errorf("got %+v, %v, want 1000 rows", did, err)
		}
	})
}
