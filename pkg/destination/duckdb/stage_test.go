package duckdb

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// byHand makes the table t as a person would, with our columns and the definitions defs.
func byHand(t *testing.T, defs string) *Destination {
	t.Helper()
	cfg := DefaultConfig()
	cfg.InMemory = true
	d := openWith(t, cfg)
	d.sql(t, "CREATE TYPE mood AS ENUM ('sad', 'ok')", "CREATE TABLE t (__row_id VARCHAR, __rescued VARCHAR, "+defs+")")
	return d
}

// wantLoaded loads rows into t and compares what Load says of them.
func wantLoaded(t *testing.T, d *Destination, b destination.Batch, want destination.Loaded) {
	t.Helper()
	if did, err := d.Load(t.Context(), tableOf(t, "t"), b); err != nil || did != want {
		t.Errorf("got %+v, %v, want %+v", did, err, want)
	}
}

// loaded is what Load says of rows new rows, with a value rescued for each reason.
func loaded(rows int64, why ...schema.Reason) destination.Loaded {
	did := destination.Loaded{Rows: rows, Rescued: int64(len(why))}
	for _, reason := range why {
		did.Why[reason]++
	}
	return did
}

// wantNoStage checks that the temporary table is gone from the writer, which sees it alone.
func wantNoStage(t *testing.T, d *Destination) {
	t.Helper()
	err := d.call(t.Context(), func(e *engine) error {
		w, err := e.writer.take(t.Context())
		if err != nil {
			return err
		}
		defer e.writer.put(w)
		rows, err := w.rows("SELECT table_name FROM duckdb_tables() WHERE temporary")
		if len(rows) > 0 {
			t.Errorf("got the temporary tables %q, want none", rows)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestStageDefaults: what a row lacks gets the column's default, what it has does not; generated columns are left to the engine.
func TestStageDefaults(t *testing.T) {
	for _, tt := range []struct {
		name, defs, row, want, rescued string
		why                            schema.Reason
	}{
		{"text with a quote", `v VARCHAR DEFAULT 'it''s (a) "default"'`, `{"v":null}`, `it's (a) "default"`, "NULL", schema.Unfit},
		{"foreign default, missing", "v DECIMAL(5,1) DEFAULT 1.5", `{}`, "1.5", "NULL", schema.Unfit},
		{"foreign default, null", "v DECIMAL(5,1) DEFAULT 1.5", `{"v":null}`, "1.5", "NULL", schema.Unfit},
		{"foreign default, given", "v DECIMAL(5,1) DEFAULT 1.5", `{"v":2}`, "2.0", "NULL", schema.Unfit},
		{"foreign default, lost", "v DECIMAL(5,1) DEFAULT 1.5", `{"v":"x"}`, "0.0", `{"v":"x"}`, schema.Unfit},
		{"not null foreign, missing", "v DECIMAL(5,1) NOT NULL", `{}`, "0.0", "NULL", schema.Unfit},
		{"not null foreign, null", "v TIME NOT NULL", `{"v":null}`, "00:00:00", "NULL", schema.Unfit},
		{"not null with default, null", "v TIME NOT NULL DEFAULT '01:00:00'", `{"v":null}`, "01:00:00", "NULL", schema.Unfit},
		{"not null array with default, null", "v INTEGER[2] NOT NULL DEFAULT [1, 2]", `{"v":null}`, "[1, 2]", "NULL", schema.Unfit},
		{"lists keep their texts", "v VARCHAR[] DEFAULT ['a, b', 'it''s', '\"]', NULL, 'NULL', '']", `{"v":null}`, `['a, b', 'it\'s', '"]', NULL, 'NULL', '']`, "NULL", schema.Unfit},
		{"instant as time", "v TIME DEFAULT TIMESTAMP '2024-01-01 10:00:00'", `{}`, "10:00:00", "NULL", schema.Unfit},
		{"bytes", `v BLOB DEFAULT '\x00\xFF''a'::BLOB`, `{"v":null}`, `\x00\xFF\x27a`, "NULL", schema.Unfit},
		{"not null enum with default, lost", "v mood NOT NULL DEFAULT 'ok'", `{"v":"glad"}`, "ok", `{"v":"glad"}`, schema.Unfit},
		{"not null JSON, missing", "v JSON NOT NULL", `{}`, "0", "NULL", schema.Unfit},
		{"not null BLOB, missing", "v BLOB NOT NULL", `{}`, "", "NULL", schema.Unfit},
		{"generated beside foreign, given", "n DECIMAL(5,1), v BIGINT GENERATED ALWAYS AS (n * 2)", `{"n":4,"v":9}`, "8", `{"v":9}`, schema.Homeless},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := byHand(t, tt.defs)
			want := loaded(1)
			if tt.rescued != "NULL" {
				want = loaded(1, tt.why)
			}
			wantLoaded(t, d, destinationtest.Batch(rowid.NewSource(), tt.row), want)
			wantAnswer(t, d, "SELECT v::VARCHAR, __rescued FROM t", tt.want+"|"+tt.rescued)
			wantNoStage(t, d)
		})
	}
}

func TestStageDefaultsRunForEachRow(t *testing.T) {
	d := byHand(t, "v DECIMAL(5,1)")
	d.sql(t, "CREATE SEQUENCE s", "ALTER TABLE t ADD COLUMN id BIGINT DEFAULT nextval('s')")
	wantLoaded(t, d, destinationtest.Batch(rowid.NewSource(), `{"id":null}`, `{"id":70}`, `{"id":null}`), destination.Loaded{Rows: 3})
	wantAnswer(t, d, "SELECT count(DISTINCT id), max(id) FROM t", "3|70")
}

// TestStageRescues: members of __rescued that the decoder has put there stay, and the engine's come after them.
func TestStageRescues(t *testing.T) {
	for _, tt := range []struct {
		name, row, want string
		why             []schema.Reason
	}{
		{"nothing", `{"a":1,"b":"01:00:00","n":1}`, "NULL", []schema.Reason{}},
		{"one", `{"a":"x"}`, `{"a":"x"}`, []schema.Reason{schema.Unfit}},
		{"two", `{"a":"x","b":"y"}`, `{"a":"x","b":"y"}`, []schema.Reason{schema.Unfit, schema.Unfit}},
		{"decoder's alone", `{"a":1,"n":"many"}`, `{"n":"many"}`, []schema.Reason{schema.Unfit}},
		{"both", `{"a":"x","n":"many"}`, `{"n":"many","a":"x"}`, []schema.Reason{schema.Unfit, schema.Unfit}},
		{"unknown key", `{"a":"x","other":{"z":null}}`, `{"other":{"z":null},"a":"x"}`, []schema.Reason{schema.Homeless, schema.Unfit}},
		{"own members", `{"a":"x","__rescued":{"k":null}}`, `{"k":null,"a":"x"}`, []schema.Reason{schema.Homeless, schema.Unfit}},
		{"own and decoder's", `{"a":"x","n":"many","__rescued":{"k":[1]}}`, `{"n":"many","k":[1],"a":"x"}`, []schema.Reason{schema.Unfit, schema.Homeless, schema.Unfit}},
		{"own, empty", `{"a":"x","__rescued":{}}`, `{"a":"x"}`, []schema.Reason{schema.Unfit}},
		{"own alone", `{"__rescued":{"k":1}}`, `{"k":1}`, []schema.Reason{schema.Homeless}},
		{"quotes", `{"a":"it's \"x\" \\ \n }{"}`, `{"a":"it's \"x\" \\ \n }{"}`, []schema.Reason{schema.Unfit}},
		{"empty text", `{"a":""}`, `{"a":""}`, []schema.Reason{schema.Unfit}},
		{"not a text", `{"a":[1.50,{"x":null}],"b":1e400}`, `{"a":[1.50,{"x":null}],"b":1e400}`, []schema.Reason{schema.Unfit, schema.Unfit}},
		{"escapes as they were", `{"a":"\u0041\u0000\/"}`, `{"a":"\u0041\u0000\/"}`, []schema.Reason{schema.Unfit}},
		{"odd name", `{"it's \"<b>\"":"x"}`, `{"it's \"<b>\"":"x"}`, []schema.Reason{schema.Unfit}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := byHand(t, `a DECIMAL(5,1), b TIME, n BIGINT, "it's ""<b>""" DECIMAL(5,1)`)
			wantLoaded(t, d, destinationtest.Batch(rowid.NewSource(), tt.row), loaded(1, tt.why...))
			wantAnswer(t, d, "SELECT __rescued FROM t", tt.want)
			wantAnswer(t, d, "SELECT count(*) FROM t WHERE __rescued IS NULL OR json_valid(__rescued)", "1")
		})
	}
}

// TestStageFailures: a load that fails leaves no row, no note and no temporary table, and can be tried again.
func TestStageFailures(t *testing.T) {
	lost := errors.New("the disk is gone")
	torn := func(b destination.Batch) destination.Batch {
		open := b.Open
		b.Open = func(ctx context.Context) (io.ReadCloser, error) {
			r, err := open(ctx)
			return io.NopCloser(io.MultiReader(r, failing{lost})), err
		}
		return b
	}
	asIs := func(b destination.Batch) destination.Batch { return b }
	for _, tt := range []struct {
		name, defs, mend string
		change           func(destination.Batch) destination.Batch
		want             error
	}{
		{"no rescue column", "v DECIMAL(5,1)", "ALTER TABLE t ADD COLUMN __rescued VARCHAR", asIs, destination.ErrRescueColumn},
		{"rows end early", "v DECIMAL(5,1), __rescued VARCHAR", "SELECT 1", torn, lost},
		{"a check fails", "v DECIMAL(5,1) DEFAULT 1, __rescued VARCHAR, CHECK (v < 1)", "UPDATE t SET v = 0", asIs, fault.Unprocessable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t)
			d.sql(t, "CREATE TABLE t (__row_id VARCHAR, "+tt.defs+")")
			b := destinationtest.Batch(rowid.NewSource(), `{"v":1}`, `{"v":"x"}`)
			for range 2 {
				if did, err := d.Load(t.Context(), tableOf(t, "t"), tt.change(b)); !errors.Is(err, tt.want) || did != (destination.Loaded{}) {
					t.Errorf("got %+v, %v, want %v", did, err, tt.want)
				}
				wantAnswer(t, d, "SELECT count(*) FROM t", "0")
				wantAnswer(t, d, "SELECT count(*) FROM __scratchdata.batches", "0")
				wantNoStage(t, d)
			}
			if tt.want == fault.Unprocessable {
				return // only another table would take the rows
			}
			d.sql(t, tt.mend)
			wantLoaded(t, d, b, loaded(2, schema.Unfit))
			wantLoaded(t, d, b, destination.Loaded{Rows: 2, Rescued: 1, Already: true})
			wantAnswer(t, d, "SELECT count(*), sum(v)::VARCHAR FROM t", "2|1.0")
			wantNoStage(t, d)
		})
	}
}

// TestStageFindsRescueColumn: names are the same in either case.
func TestStageFindsRescueColumn(t *testing.T) {
	d := open(t)
	d.sql(t, `CREATE TABLE t (__row_id VARCHAR, "__RESCUED" VARCHAR, v DECIMAL(5,1))`)
	wantLoaded(t, d, destinationtest.Batch(rowid.NewSource(), `{"v":"x"}`), loaded(1, schema.Unfit))
	wantAnswer(t, d, "SELECT __rescued FROM t", `{"v":"x"}`)
}

// failing is the end of rows that break off.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
