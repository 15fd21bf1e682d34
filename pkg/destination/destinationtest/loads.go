package destinationtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

func jsonText(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string is never refused
	}
	return string(b)
}

// loadOfManyRows passes the sizes of blocks that databases and drivers work in.
func loadOfManyRows(t *testing.T, s *suite) {
	const n = 20_001
	table := s.create(t, "events", column("n", schema.Int), column("name", schema.Text), column(schema.BatchFile, schema.Text))
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"n":%d,"name":"name of row %d"}`, i, i)
		if i%10 == 0 {
			rows[i] = fmt.Sprintf(`{"n":%d}`, i)
		}
	}
	b := s.batch(rows...)
	if did := s.mustLoad(t, table, b); did.Rows != n {
		t.Errorf("got %+v, want %d rows", did, n)
	}
	s.wantRows(t, `SELECT COUNT(*), COUNT(DISTINCT "n"), MIN("n"), MAX("n") FROM "events"`, fmt.Sprintf("%d|%d|0|%d", n, n, n-1))
	s.wantRows(t, `SELECT COUNT(DISTINCT "__row_id"), COUNT(DISTINCT "__batch_file") FROM "events"`, fmt.Sprintf("%d|1", n))
	s.wantRows(t, `SELECT "name", "__batch_file" FROM "events" WHERE "n" = 19999`, "name of row 19999|"+b.ID)
}

// loadLeavesMissingKeysEmpty: a database that has no NULL in its columns has the zero value instead.
func loadLeavesMissingKeysEmpty(t *testing.T, s *suite) {
	table := s.create(t, "events", column("n", schema.Int), column("m", schema.Int))
	s.mustLoad(t, table, s.batch(`{"n":1}`, `{}`))
	s.wantRows(t, `SELECT COUNT(*) FROM "events" WHERE "m" IS NULL OR "m" = 0`, "2")
	s.wantRows(t, `SELECT COUNT(*) FROM "events" WHERE "n" IS NULL OR "n" = 0`, "1")
}

// broken gives b's rows and then err instead of their end.
func broken(b destination.Batch, err error) destination.Batch {
	open := b.Open
	b.Open = func(ctx context.Context) (io.ReadCloser, error) {
		r, oerr := open(ctx)
		return io.NopCloser(io.MultiReader(r, failing{err})), oerr
	}
	return b
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func loadIsAllOrNone(t *testing.T, s *suite) {
	table := s.create(t, "events", column("n", schema.Int))
	rows := make([]string, 10_000)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"n":%d}`, i)
	}
	b := s.batch(rows...)
	// The second is what the body of an answer says that is cut: here between two rows.
	for _, lost := range []error{errors.New("the disk is gone"), io.ErrUnexpectedEOF} {
		if did, err := s.Load(t.Context(), table, broken(b, lost)); !errors.Is(err, lost) {
			t.Errorf("got %+v, %v, want %v", did, err, lost)
		}
		s.wantCount(t, table, 0)
	}
	torn := b
	torn.Open = func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(`{"__row_id":"01","n":1}` + "\n" + `{"__row_id":"02","n":`)), nil
	}
	if _, err := s.Load(t.Context(), table, torn); err == nil {
		t.Error("got no error for a torn row")
	}
	s.wantCount(t, table, 0)
	if did := s.mustLoad(t, table, b); did.Already || did.Rows != 10_000 {
		t.Errorf("after the failures: got %+v, want 10000 rows, loaded now", did)
	}
	s.wantCount(t, table, 10_000)
}

func loadStopsWhenContextEnds(t *testing.T, s *suite) {
	table := s.create(t, "events", column("n", schema.Int))
	b := s.batch(`{"n":1}`)
	ctx, cancel := context.WithCancel(t.Context())
	open := b.Open
	b.Open = func(ctx context.Context) (io.ReadCloser, error) {
		cancel()
		return open(ctx)
	}
	if _, err := s.Load(ctx, table, b); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	s.wantCount(t, table, 0)
	b.Open = open
	s.mustLoad(t, table, b)
	s.wantCount(t, table, 1)
}

func loadTwiceIsOnce(t *testing.T, s *suite) {
	table := s.create(t, "events", column("n", schema.Int))
	b := s.batch(`{"n":1}`, `{"n":2}`)
	if first := s.mustLoad(t, table, b); first != (destination.Loaded{Rows: 2}) {
		t.Errorf("first: got %+v, want 2 rows, loaded now", first)
	}
	if again := s.mustLoad(t, table, b); again != (destination.Loaded{Rows: 2, Already: true}) {
		t.Errorf("again: got %+v, want 2 rows, loaded before", again)
	}
	s.wantCount(t, table, 2)
	s.mustLoad(t, table, s.batch(`{"n":1}`, `{"n":2}`))
	s.wantCount(t, table, 4)
}

func loadTwiceConcurrently(t *testing.T, s *suite) {
	table := s.create(t, "events", column("n", schema.Int))
	b := s.batch(`{"n":1}`, `{"n":2}`)
	var now atomic.Int32
	inParallel(t, func(int) error {
		did, err := s.Load(t.Context(), table, b)
		if err == nil && !did.Already {
			now.Add(1)
		}
		return err
	})
	if got := now.Load(); got != 1 {
		t.Errorf("%d calls say that they loaded the batch, want 1", got)
	}
	s.wantCount(t, table, 2)
}

func loadNeedsRescueColumn(t *testing.T, s *suite) {
	table := s.create(t, "events", column("n", schema.Int))
	b := s.batch(`{"n":1}`, `{"n":"many"}`)
	if _, err := s.Load(t.Context(), table, b); !errors.Is(err, destination.ErrRescueColumn) {
		t.Fatalf("got %v, want ErrRescueColumn", err)
	}
	s.wantCount(t, table, 0)
	if err := s.AddColumns(t.Context(), table, []schema.Column{column(schema.Rescued, schema.Text)}); err != nil {
		t.Fatal(err)
	}
	if did := s.mustLoad(t, table, b); did != loaded(2, schema.Unfit) {
		t.Errorf("got %+v, want 2 rows, 1 value rescued", did)
	}
	if again := s.mustLoad(t, table, b); again != (destination.Loaded{Rows: 2, Rescued: 1, Already: true}) {
		t.Errorf("again: got %+v, want 2 rows, 1 value rescued, loaded before", again)
	}
	s.wantRows(t, `SELECT "n", "__rescued" FROM "events" WHERE "n" = 0`, `0|{"n":"many"}`)
}

func loadIntoMissingTable(t *testing.T, s *suite) {
	if did, err := s.Load(t.Context(), tableOf(t, "nowhere"), s.batch(`{"n":1}`)); err == nil {
		t.Errorf("got %+v, want an error", did)
	}
}
