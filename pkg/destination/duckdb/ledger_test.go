package duckdb

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

const ledgerTable = "CREATE TABLE t (__row_id VARCHAR, __rescued VARCHAR, n BIGINT)"

// TestLedgerOutlivesReopen: a batch is known after the file was closed, also for another table, and a new one is not.
func TestLedgerOutlivesReopen(t *testing.T) {
	d, ids := open(t), rowid.NewSource()
	d.sql(t, ledgerTable)
	b := destinationtest.Batch(ids, `{"n":1}`, `{"n":"x"}`)
	wantLoaded(t, d, b, loaded(2, schema.Unfit))
	for range 2 {
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d = openWith(t, d.cfg)
		wantLoaded(t, d, b, destination.Loaded{Rows: 2, Rescued: 1, Already: true})
		wantAnswer(t, d, "SELECT count(*), sum(n) FROM t", "2|1")
	}
	d.fail(t, "FATAL Error: x")
	wantLoaded(t, d, b, destination.Loaded{Rows: 2, Rescued: 1, Already: true})
	wantLoaded(t, d, destinationtest.Batch(ids, `{"n":5}`), destination.Loaded{Rows: 1})
	wantAnswer(t, d, "SELECT count(*), sum(n) FROM t", "3|6")
	wantAnswer(t, d, "SELECT rows, rescued FROM __scratchdata.batches ORDER BY batch_id", "2|1", "1|0")
}

// TestLedgerNotesOnlyLoads: a batch that failed is not known.
func TestLedgerNotesOnlyLoads(t *testing.T) {
	d := open(t)
	d.sql(t, "CREATE TABLE t (__row_id VARCHAR, n BIGINT UNIQUE)")
	b := destinationtest.Batch(rowid.NewSource(), `{"n":1}`, `{"n":1}`)
	for range 2 {
		if did, err := d.Load(t.Context(), tableOf(t, "t"), b); !errors.Is(err, fault.Unprocessable) || did != (destination.Loaded{}) {
			t.Errorf("got %+v, %v, want fault.Unprocessable", did, err)
		}
	}
	wantAnswer(t, d, "SELECT (SELECT count(*) FROM t), count(*) FROM __scratchdata.batches", "0|0")
}

// prune looks through the ledger at a time of choice.
func (d *Destination) prune(t *testing.T, now time.Time) {
	t.Helper()
	err := d.call(t.Context(), func(e *engine) error {
		w, err := e.writer.take(t.Context())
		if err != nil {
			return err
		}
		defer e.writer.put(w)
		return e.prune(t.Context(), w, now)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLedgerIsPruned(t *testing.T) {
	const keeps = 30 * 24 * time.Hour
	loaded := time.Date(2124, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		after []time.Duration // when the ledger is looked through, in order
		want  []string
	}{
		{"at once", []time.Duration{0}, []string{"a", "b"}},
		{"after 29 days", []time.Duration{keeps - 24*time.Hour}, []string{"a", "b"}},
		{"after 30 days", []time.Duration{keeps}, []string{"a", "b"}},
		{"just after 30 days", []time.Duration{keeps + time.Microsecond}, []string{"b"}},
		{"30 days after the second", []time.Duration{keeps + time.Hour}, []string{"b"}},
		{"just after 30 days after the second", []time.Duration{keeps + time.Hour + time.Microsecond}, nil},
		{"not again within the hour", []time.Duration{keeps, keeps + time.Hour - time.Microsecond}, []string{"a", "b"}},
		{"again after the hour", []time.Duration{keeps, keeps + time.Hour}, []string{"b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t)
			for i, id := range []string{"a", "b"} {
				at := loaded.Add(time.Duration(i) * time.Hour)
				d.sql(t, fmt.Sprintf("INSERT INTO __scratchdata.batches VALUES ('%s', 1, 0, TIMESTAMPTZ '%s')", id, at.Format(time.RFC3339)))
			}
			d.sql(t, newest)
			for _, after := range tt.after {
				d.prune(t, loaded.Add(after))
			}
			wantAnswer(t, d, "SELECT batch_id FROM __scratchdata.batches WHERE batch_id < 'new' ORDER BY ALL", tt.want...)
		})
	}
}

// newest fills the ledger with as many batches as it keeps whatever their time.
var newest = fmt.Sprintf("INSERT INTO __scratchdata.batches SELECT 'new ' || range, 1, 0, TIMESTAMPTZ '2200-01-01' FROM range(%d)", ledgerNewest)

// TestLedgerOutlivesTheClock: whatever the clock says, when a batch is loaded or when the ledger is looked through, the newest
// batches are known.
func TestLedgerOutlivesTheClock(t *testing.T) {
	d, ids := open(t), rowid.NewSource()
	d.sql(t, ledgerTable)
	a, b := destinationtest.Batch(ids, `{"n":1}`), destinationtest.Batch(ids, `{"n":2}`)
	wantLoaded(t, d, a, destination.Loaded{Rows: 1})
	wantLoaded(t, d, b, destination.Loaded{Rows: 1})
	d.sql(t, "UPDATE __scratchdata.batches SET loaded_at = TIMESTAMPTZ '1970-01-01' WHERE batch_id = '"+a.ID+"'")
	for _, now := range []time.Time{time.Now().AddDate(0, 0, 1), time.Now().AddDate(100, 0, 0), time.Now().AddDate(-50, 0, 0), time.Now()} {
		d.prune(t, now)
		wantLoaded(t, d, a, destination.Loaded{Rows: 1, Already: true})
		wantLoaded(t, d, b, destination.Loaded{Rows: 1, Already: true})
	}
	wantAnswer(t, d, "SELECT count(*), sum(n) FROM t", "2|3")
}

// TestLedgerForgets: Load looks through the ledger itself, and what was pruned loads again.
func TestLedgerForgets(t *testing.T) {
	d, ids := open(t), rowid.NewSource()
	d.sql(t, ledgerTable)
	old, fresh := destinationtest.Batch(ids, `{"n":1}`), destinationtest.Batch(ids, `{"n":2}`)
	wantLoaded(t, d, old, destination.Loaded{Rows: 1})
	wantLoaded(t, d, fresh, destination.Loaded{Rows: 1})
	d.sql(t, newest, "UPDATE __scratchdata.batches SET loaded_at = loaded_at - INTERVAL '30 days 1 second' WHERE batch_id = '"+old.ID+"'",
		"UPDATE __scratchdata.batches SET loaded_at = loaded_at - INTERVAL '29 days' WHERE batch_id = '"+fresh.ID+"'")
	wantLoaded(t, d, old, destination.Loaded{Rows: 1, Already: true}) // within the hour nobody looks
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openWith(t, d.cfg)
	wantLoaded(t, d, fresh, destination.Loaded{Rows: 1, Already: true})
	wantLoaded(t, d, old, destination.Loaded{Rows: 1})
	wantAnswer(t, d, "SELECT count(*), sum(n) FROM t", "3|4")
}

// TestLedgerIsOurs: no table name leads into the schema of the ledger.
func TestLedgerIsOurs(t *testing.T) {
	d, ids := open(t), rowid.NewSource()
	d.sql(t, ledgerTable)
	b := destinationtest.Batch(ids, `{"n":1}`)
	wantLoaded(t, d, b, destination.Loaded{Rows: 1})
	for _, name := range []string{
		"__scratchdata.batches", "__SCRATCHDATA.batches", "__ScratchData.BATCHES", "__scratchdata.other", "__scratchdatA.x",
	} {
		t.Run(name, func(t *testing.T) {
			table := tableOf(t, name)
			cols := []schema.Column{{Name: "n", Kind: schema.Int}}
			_, err := d.Load(t.Context(), table, destinationtest.Batch(ids, `{"batch_id":"x","rows":1,"rescued":1}`))
			for call, err := range map[string]error{
				"Load": err, "CreateTable": d.CreateTable(t.Context(), table), "AddColumns": d.AddColumns(t.Context(), table, cols),
			} {
				if !errors.Is(err, fault.Denied) || fault.CodeOf(err) != "reserved_schema" {
					t.Errorf("%s: got %v, want fault.Denied with the code reserved_schema", call, err)
				}
			}
		})
	}
	wantAnswer(t, d, "SELECT count(*) FROM duckdb_columns() WHERE schema_name ILIKE '\\_\\_scratchdata' ESCAPE '\\'", "4")
	wantAnswer(t, d, "SELECT batch_id FROM __scratchdata.batches", b.ID)
	tables, err := d.Tables(t.Context())
	if want := []schema.Table{tableOf(t, "t")}; err != nil || !slices.Equal(tables, want) {
		t.Errorf("got the tables %v, %v, want %v", tables, err, want)
	}
	// What only looks like it is anybody's.
	for _, name := range []string{"__scratchdata", "main.__scratchdata", "scratchdata.batches", "__scratchdata_.batches"} {
		if err := d.CreateTable(t.Context(), tableOf(t, name)); err != nil {
			t.Errorf("%s: got %v, want a table", name, err)
		}
	}
}
