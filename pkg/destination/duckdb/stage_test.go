package duckdb

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/rowid"
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

// TestStageConverts gives each type a value that it takes, and one that must become its zero value and be rescued.
func TestStageConverts(t *testing.T) {
	for _, tt := range []struct{ typ, good, want, bad, zero string }{
		{"DECIMAL(9,2)", `12.34`, "12.34", `"many"`, "0.00"},
		{"DECIMAL(9,2)", `"-0.5"`, "-0.50", `12345678.9`, "0.00"},
		{"DECIMAL(38,10)", `1234567890123456789012345678.5`, "1234567890123456789012345678.5000000000", `true`, "0.0000000000"},
		{"UUID", `"A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11"`, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", `"a0eebc99"`, "00000000-0000-0000-0000-000000000000"},
		{"mood", `"ok"`, "ok", `"glad"`, "NULL"},
		{"INTEGER[]", `[1,null,3]`, "[1, NULL, 3]", `["x"]`, "[]"},
		{"INTEGER[2]", `[1,2]`, "[1, 2]", `[1,2,3]`, "NULL"},
		{"INTEGER[]", `[]`, "[]", `[1.5e300]`, "[]"},
		{"VARCHAR[]", `["a","b c"]`, `[a, b c]`, `{"a":1}`, "[]"},
		{"STRUCT(a INTEGER, b VARCHAR)", `{"a":1,"b":"x"}`, "{'a': 1, 'b': x}", `[1]`, "{'a': NULL, 'b': NULL}"},
		{"STRUCT(a INTEGER)", `{"a":null}`, "{'a': NULL}", `{"a":"x"}`, "{'a': NULL}"},
		{"STRUCT(a INTEGER)", `{}`, "{'a': NULL}", `{"a":1,"z":2}`, "{'a': NULL}"},
		{"STRUCT(a INTEGER[])[]", `[{"a":[1]},null]`, "[{'a': [1]}, NULL]", `[{"a":[1,"x"]}]`, "[]"},
		{"MAP(VARCHAR, INTEGER)", `"{a=1}"`, "{a=1}", `"a"`, "{}"},
		{"JSON", `{"a":[1,{"b":null}]}`, `{"a":[1,{"b":null}]}`, ``, ``},
		{"JSON", `"plain"`, `"plain"`, ``, ``},
		{"JSON", `"it's \"quoted\""`, `"it's \"quoted\""`, ``, ``},
		{"BLOB", `"abc"`, "abc", `"\\xZZ"`, ""},
		{"TIME", `"12:34:56.789"`, "12:34:56.789", `"25:00:00"`, "00:00:00"},
		{"TIMETZ", `"12:34:56+02"`, "12:34:56+02", `"noon"`, "00:00:00+00"},
		{"INTERVAL", `"1 day 02:00:00"`, "1 day 02:00:00", `"soon"`, "00:00:00"},
		{"HUGEINT", `170141183460469231731687303715884105727`, "170141183460469231731687303715884105727", `170141183460469231731687303715884105728`, "0"},
		{"UHUGEINT", `7`, "7", `-7`, "0"},
		{"BIT", `"101"`, "101", `"102"`, "0"},
		{"TIMESTAMP_NS", `"2024-02-29T23:59:59.123456789"`, "2024-02-29 23:59:59.123456789", `"2023-02-29T00:00:00"`, "1970-01-01 00:00:00"},
		{"TIMESTAMP_S", `"2024-02-29T23:59:59"`, "2024-02-29 23:59:59", `"now?"`, "1970-01-01 00:00:00"},
		{"TIMESTAMP_MS", `"2024-02-29T23:59:59.123"`, "2024-02-29 23:59:59.123", `2024`, "1970-01-01 00:00:00"},
	} {
		t.Run(tt.typ+" "+tt.good, func(t *testing.T) {
			d, ids := byHand(t, "v "+tt.typ), rowid.NewSource()
			wantLoaded(t, d, destinationtest.Batch(ids, `{"v":`+tt.good+`}`, `{"v":null}`, `{}`), destination.Loaded{Rows: 3})
			wantAnswer(t, d, "SELECT v::VARCHAR, __rescued FROM t ORDER BY __row_id", tt.want+"|NULL", "NULL|NULL", "NULL|NULL")
			if tt.bad != "" {
				wantLoaded(t, d, destinationtest.Batch(ids, `{"v":`+tt.bad+`}`), destination.Loaded{Rows: 1, Rescued: 1})
				wantAnswer(t, d, "SELECT v::VARCHAR FROM t ORDER BY __row_id DESC LIMIT 1", tt.zero)
				wantAnswer(t, d, "SELECT json_extract_string(__rescued, '$.v') FROM t ORDER BY __row_id DESC LIMIT 1", plainText(tt.bad))
			}
			wantNoStage(t, d)
		})
	}
}

// plainText is what a text column holds of a JSON value without odd escapes.
func plainText(value string) string {
	if !strings.HasPrefix(value, `"`) {
		return value
	}
	return strings.ReplaceAll(strings.Trim(value, `"`), `\\`, `\`)
}

// TestStageDefaults: what a row lacks gets the column's default, what it has does not; generated columns are left to the engine.
func TestStageDefaults(t *testing.T) {
	for _, tt := range []struct{ name, defs, row, want, rescued string }{
		{"plain default, missing", "v BIGINT DEFAULT 7", `{}`, "7", "NULL"},
		{"plain default, null", "v BIGINT DEFAULT 7", `{"v":null}`, "7", "NULL"},
		{"plain default, given", "v BIGINT DEFAULT 7", `{"v":8}`, "8", "NULL"},
		{"plain default, lost", "v BIGINT DEFAULT 7", `{"v":"x"}`, "0", `{"v":"x"}`},
		{"text with a quote", `v VARCHAR DEFAULT 'it''s (a) "default"'`, `{"v":null}`, `it's (a) "default"`, "NULL"},
		{"foreign default, missing", "v DECIMAL(5,1) DEFAULT 1.5", `{}`, "1.5", "NULL"},
		{"foreign default, null", "v DECIMAL(5,1) DEFAULT 1.5", `{"v":null}`, "1.5", "NULL"},
		{"foreign default, given", "v DECIMAL(5,1) DEFAULT 1.5", `{"v":2}`, "2.0", "NULL"},
		{"foreign default, lost", "v DECIMAL(5,1) DEFAULT 1.5", `{"v":"x"}`, "0.0", `{"v":"x"}`},
		{"not null, missing", "v BIGINT NOT NULL", `{}`, "0", "NULL"},
		{"not null, null", "v VARCHAR NOT NULL", `{"v":null}`, "", "NULL"},
		{"not null foreign, missing", "v DECIMAL(5,1) NOT NULL", `{}`, "0.0", "NULL"},
		{"not null foreign, null", "v TIME NOT NULL", `{"v":null}`, "00:00:00", "NULL"},
		{"not null with default, null", "v TIME NOT NULL DEFAULT '01:00:00'", `{"v":null}`, "01:00:00", "NULL"},
		{"not null with default, missing", "v BIGINT NOT NULL DEFAULT 7", `{}`, "7", "NULL"},
		{"not null array with default, null", "v INTEGER[2] NOT NULL DEFAULT [1, 2]", `{"v":null}`, "[1, 2]", "NULL"},
		{"lists keep their texts", "v VARCHAR[] DEFAULT ['a, b', 'it''s', '\"]', NULL, 'NULL', '']", `{"v":null}`, `['a, b', 'it\'s', '"]', NULL, 'NULL', '']`, "NULL"},
		{"instant as time", "v TIME DEFAULT TIMESTAMP '2024-01-01 10:00:00'", `{}`, "10:00:00", "NULL"},
		{"bytes", `v BLOB DEFAULT '\x00\xFF''a'::BLOB`, `{"v":null}`, `\x00\xFF\x27a`, "NULL"},
		{"not null enum with default, lost", "v mood NOT NULL DEFAULT 'ok'", `{"v":"glad"}`, "ok", `{"v":"glad"}`},
		{"not null JSON, missing", "v JSON NOT NULL", `{}`, "0", "NULL"},
		{"not null BLOB, missing", "v BLOB NOT NULL", `{}`, "", "NULL"},
		{"generated", "n DECIMAL(5,1), v BIGINT GENERATED ALWAYS AS (n * 2)", `{"n":4}`, "8", "NULL"},
		{"generated, given", "n BIGINT, v BIGINT GENERATED ALWAYS AS (n * 2)", `{"n":4,"v":9}`, "8", `{"v":9}`},
		{"generated beside foreign, given", "n DECIMAL(5,1), v BIGINT GENERATED ALWAYS AS (n * 2)", `{"n":4,"v":9}`, "8", `{"v":9}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := byHand(t, tt.defs)
			want := destination.Loaded{Rows: 1}
			if tt.rescued != "NULL" {
				want.Rescued = 1
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
		rescued         int64
	}{
		{"nothing", `{"a":1,"b":"01:00:00","n":1}`, "NULL", 0},
		{"one", `{"a":"x"}`, `{"a":"x"}`, 1},
		{"two", `{"a":"x","b":"y"}`, `{"a":"x","b":"y"}`, 2},
		{"decoder's alone", `{"a":1,"n":"many"}`, `{"n":"many"}`, 1},
		{"both", `{"a":"x","n":"many"}`, `{"n":"many","a":"x"}`, 2},
		{"unknown key", `{"a":"x","other":{"z":null}}`, `{"other":{"z":null},"a":"x"}`, 2},
		{"own members", `{"a":"x","__rescued":{"k":null}}`, `{"k":null,"a":"x"}`, 2},
		{"own and decoder's", `{"a":"x","n":"many","__rescued":{"k":[1]}}`, `{"n":"many","k":[1],"a":"x"}`, 3},
		{"own, empty", `{"a":"x","__rescued":{}}`, `{"a":"x"}`, 1},
		{"own alone", `{"__rescued":{"k":1}}`, `{"k":1}`, 1},
		{"quotes", `{"a":"it's \"x\" \\ \n }{"}`, `{"a":"it's \"x\" \\ \n }{"}`, 1},
		{"empty text", `{"a":""}`, `{"a":""}`, 1},
		{"odd name", `{"it's \"<b>\"":"x"}`, `{"it's \"<b>\"":"x"}`, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := byHand(t, `a DECIMAL(5,1), b TIME, n BIGINT, "it's ""<b>""" DECIMAL(5,1)`)
			wantLoaded(t, d, destinationtest.Batch(rowid.NewSource(), tt.row), destination.Loaded{Rows: 1, Rescued: tt.rescued})
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
			wantLoaded(t, d, b, destination.Loaded{Rows: 2, Rescued: 1})
			wantLoaded(t, d, b, destination.Loaded{Rows: 2, Rescued: 1, Already: true})
			wantAnswer(t, d, "SELECT count(*), sum(v)::VARCHAR FROM t", "2|1.0")
			wantNoStage(t, d)
		})
	}
}

// failing is the end of rows that break off.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
