package duckdb

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

func (d *Destination) lines(t *testing.T, sql string) []string {
	t.Helper()
	var got destinationtest.Rows
	if err := d.Query(t.Context(), sql, nil, &got); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return got.Rows
}

// TestRestore loads rows into a table that a person made, lets the person change it, and restores.
func TestRestore(t *testing.T) {
	for _, tt := range []struct {
		name   string
		defs   string
		rows   []string
		change string // statements, separated by ';'
		was    map[string]schema.Kind
		did    destination.Restored
		query  string
		want   []string
	}{
		{"a column that is text now", "n BIGINT", []string{`{"n":1}`, `{"n":"many"}`, `{"n":"few"}`, `{}`}, "ALTER TABLE t ALTER n TYPE VARCHAR", nil,
			destination.Restored{Rows: 2, Values: 2}, "SELECT n, __rescued FROM t", []string{"1|NULL", "many|NULL", "few|NULL", "NULL|NULL"}},
		{"a column that is a fraction now", "n BIGINT", []string{`{"n":1.5}`, `{"n":"x"}`, `{"n":7}`}, "ALTER TABLE t ALTER n TYPE DOUBLE", nil,
			destination.Restored{Rows: 1, Values: 1, Left: 1}, "SELECT n, __rescued FROM t", []string{"1.5|NULL", `0|{"n":"x"}`, "7|NULL"}},
		{"a column of a type that only the engine converts", "n BIGINT", []string{`{"n":1.25}`, `{"n":"many"}`, `{"n":99999999.5}`}, "ALTER TABLE t ALTER n TYPE DECIMAL(9,2)", nil,
			destination.Restored{Rows: 1, Values: 1, Left: 2}, "SELECT n::VARCHAR, __rescued FROM t", []string{"1.25|NULL", `0.00|{"n":"many"}`, `0.00|{"n":99999999.5}`}},
		{"a column that came later", "n BIGINT", []string{`{"n":1,"m":2}`, `{"n":1}`, `{"m":"x"}`}, "ALTER TABLE t ADD COLUMN M BIGINT", map[string]schema.Kind{"m": schema.Int},
			destination.Restored{Rows: 1, Values: 1, Left: 1}, "SELECT n, M, __rescued FROM t", []string{"1|2|NULL", "1|NULL|NULL", `NULL|NULL|{"m":"x"}`}},
		{"a second value is no misfit", "a BIGINT", []string{`{"a":5,"A":6}`, `{"a":0,"A":7}`}, "", map[string]schema.Kind{"a": schema.Int},
			destination.Restored{Left: 2}, "SELECT a, __rescued FROM t", []string{`5|{"A":6}`, `0|{"A":7}`}},
		{"a second value beside a misfit", "a BIGINT", []string{`{"a":"x","A":6}`}, "ALTER TABLE t ALTER a TYPE VARCHAR", map[string]schema.Kind{"a": schema.Int},
			destination.Restored{Rows: 1, Values: 1, Left: 1}, "SELECT a, __rescued FROM t", []string{`x|{"A":6}`}},
		{"several columns, one is mended", "a BIGINT, b BIGINT", []string{`{"a":"x","b":"y"}`}, "ALTER TABLE t ALTER b TYPE VARCHAR", nil,
			destination.Restored{Rows: 1, Values: 1, Left: 1}, "SELECT a, b, __rescued FROM t", []string{`0|y|{"a":"x"}`}},
		{"nested values and odd names", `"q""x" DATE, "😀" BOOLEAN`, []string{`{"q\"x":{"a":[1,null]},"😀":"ja\u0021"}`}, `ALTER TABLE t ALTER "q""x" TYPE VARCHAR; ALTER TABLE t ALTER "😀" TYPE VARCHAR`, nil,
			destination.Restored{Rows: 1, Values: 2}, `SELECT "q""x", "😀", __rescued FROM t`, []string{`{"a":[1,null]}|ja!|NULL`}},
		{"a column that must have a value", "n BIGINT NOT NULL, m BIGINT NOT NULL DEFAULT 5", []string{`{"n":"x"}`, `{"n":3,"m":"y"}`}, "ALTER TABLE t ALTER n TYPE VARCHAR", nil,
			destination.Restored{Rows: 1, Values: 1, Left: 1}, "SELECT n, m, __rescued FROM t", []string{"x|5|NULL", `3|0|{"m":"y"}`}},
		{"nothing is mended", "n BIGINT", []string{`{"n":"x"}`}, "", map[string]schema.Kind{"n": schema.Int},
			destination.Restored{Left: 1}, "SELECT n, __rescued FROM t", []string{`0|{"n":"x"}`}},
		{"nothing was rescued", "n BIGINT", []string{`{"n":1}`}, "", nil, destination.Restored{}, "SELECT n, __rescued FROM t", []string{"1|NULL"}},
		{"a generated column stays as it is", "n BIGINT, g BIGINT AS (n + 1)", []string{`{"n":1,"g":9}`}, "", nil,
			destination.Restored{Left: 1}, "SELECT n, g, __rescued FROM t", []string{`1|2|{"g":9}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := byHand(t, tt.defs)
			b := destinationtest.Batch(rowid.NewSource(), tt.rows...)
			if _, err := d.Load(t.Context(), tableOf(t, "t"), b); err != nil {
				t.Fatal(err)
			}
			before := d.lines(t, "SELECT __row_id FROM t")
			for sql := range strings.SplitSeq(tt.change, ";") {
				if sql != "" {
					d.sql(t, sql)
				}
			}
			did, err := d.Restore(t.Context(), tableOf(t, "t"), tt.was)
			if err != nil || did != tt.did {
				t.Errorf("got %+v, %v, want %+v", did, err, tt.did)
			}
			if got := d.lines(t, tt.query); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got := d.lines(t, "SELECT __row_id FROM t"); !slices.Equal(got, before) {
				t.Errorf("row ids got %q, want %q", got, before)
			}
			if again, err := d.Restore(t.Context(), tableOf(t, "t"), tt.was); err != nil || again != (destination.Restored{Left: tt.did.Left}) {
				t.Errorf("again: got %+v, %v, want %d left", again, err, tt.did.Left)
			}
			wantNoStage(t, d)
		})
	}
}

func TestRestoreOfManyRows(t *testing.T) {
	d := byHand(t, "n BIGINT, s VARCHAR")
	rows := make([]string, 30_000)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"n":"value %d","s":"row %d"}`, i, i)
	}
	if _, err := d.Load(t.Context(), tableOf(t, "t"), destinationtest.Batch(rowid.NewSource(), rows...)); err != nil {
		t.Fatal(err)
	}
	d.sql(t, "ALTER TABLE t ALTER n TYPE VARCHAR")
	did, err := d.Restore(t.Context(), tableOf(t, "t"), nil)
	if want := (destination.Restored{Rows: 30_000, Values: 30_000}); err != nil || did != want {
		t.Errorf("got %+v, %v, want %+v", did, err, want)
	}
	want := []string{"30000|30000|0"}
	if got := d.lines(t, "SELECT count(*), count(DISTINCT n), count(__rescued) FROM t WHERE n = 'value ' || s[5:]"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRescued reads what was rescued, also in a table that is not as we make them.
func TestRescued(t *testing.T) {
	d := byHand(t, "n BIGINT")
	rows := []string{`{"n":"x","k\"é":1}`, `{"n":1}`, `{"n":"y","N":2,"m":[1]}`}
	if _, err := d.Load(t.Context(), tableOf(t, "t"), destinationtest.Batch(rowid.NewSource(), rows...)); err != nil {
		t.Fatal(err)
	}
	d.sql(t, `INSERT INTO t (__rescued) VALUES ('no JSON at all'), ('{"n":5}')`)
	var got []string
	err := d.Rescued(t.Context(), tableOf(t, "t"), func(id, object string) error {
		got = append(got, fmt.Sprint(len(id), object))
		return nil
	})
	want := []string{`26{"n":"x","k\"é":1}`, `26{"n":"y","N":2,"m":[1]}`, `0no JSON at all`, `0{"n":5}`}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	counts := map[string]int64{}
	err = d.CountRescued(t.Context(), tableOf(t, "t"), func(key string, rows int64) error {
		counts[key] += rows
		return nil
	})
	if want := `map[N:1 k"é:1 m:1 n:3]`; err != nil || fmt.Sprint(counts) != want {
		t.Errorf("got %v, %v, want %s", counts, err, want)
	}
	did, err := d.Restore(t.Context(), tableOf(t, "t"), nil)
	if want := (destination.Restored{Rows: 1, Values: 1, Left: 5}); err != nil || did != want {
		t.Errorf("got %+v, %v, want %+v", did, err, want)
	}
	if got := d.lines(t, "SELECT n FROM t WHERE __rescued = 'no JSON at all' OR n = 5"); !slices.Equal(got, []string{"NULL", "5"}) {
		t.Errorf("got %q, want the row that is no object as it was, and the other restored", got)
	}
}
