package ndjson

import (
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

func TestWhy(t *testing.T) {
	o := Options{Name: func(key string) string { return strings.ReplaceAll(key, ".", "_") }, Fold: strings.ToLower}
	const cols = "__row_id text,__batch_file text,__rescued text,a int,b text,c#d text,n#7 int"
	for _, tt := range []struct {
		name, cols, row                      string
		unfit, homeless, duplicate, reserved int64
	}{
		{"nothing", cols, `"a":1,"b":"x"`, 0, 0, 0, 0},
		{"null is nothing", cols, `"a":null,"x":null,"__Rescued":null`, 0, 0, 0, 0},
		{"unfit", cols, `"a":"x"`, 1, 0, 0, 0},
		{"homeless", cols, `"x":1,"y":[]`, 0, 2, 0, 0},
		{"duplicate", cols, `"a":1,"A":2`, 0, 0, 1, 0},
		{"duplicate after a misfit", cols, `"a":"x","A":2`, 1, 0, 1, 0},
		{"duplicate after null", cols, `"a":null,"A":2`, 0, 0, 0, 0},
		{"reserved", cols, `"__batch_file":1,"__Batch.File":2,"__RESCUED":"x"`, 0, 0, 0, 3},
		{"row id twice", cols, `"__ROW_ID":"x"`, 0, 0, 0, 1},
		{"reserved without such columns", "__rescued text", `"__batch_file":1`, 0, 0, 0, 2}, // and the row id
		{"reserved column of another type", "__row_id text,__rescued text,__batch_file int", `"__batch_file":1`, 0, 0, 0, 1},
		{"mark with escapes is a user's", "__row_id text,__rescued text,__insert int", `"__\u0069nsert":1`, 0, 0, 0, 1},
		{"all", cols, `"a":1.5,"x":1,"A":2,"__batch_file":3`, 1, 1, 1, 1},
		{"before: reserved", cols, `"__rescued":{"__row_id":1,"__batch_file":2,"__rescued":3,"__insert":4,"__Batch_File":5}`, 0, 0, 0, 5},
		{"before: reserved with numbers", cols, `"__rescued":{"__row_id#2":1,"__insert#10":4,"__RESCUED#3":5}`, 0, 0, 0, 3},
		{"before: duplicate", cols, `"__rescued":{"a":1,"B":2,"b#2":3,"a#11":4}`, 0, 0, 4, 0},
		{"before: a number that is the column's own", cols, `"__rescued":{"n#7":1,"n#7#2":2,"c#d":3}`, 0, 0, 3, 0},
		{"before: homeless", cols, `"__rescued":{"x":1,"x#2":2,"a#":3,"a#x":4,"a2":5,"#2":6,"":7,"n#8":8}`, 0, 8, 0, 0},
		{"before: escapes", "__row_id text,__rescued text,q\" int", `"__rescued":{"q\"":1,"q\"#2":2,"\u0001":3}`, 0, 1, 2, 0},
		{"before and now", cols, `"a":"x","__rescued":{"a":1,"z":2},"__insert":"m"`, 1, 1, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			row := line(tt.row) + "\n"
			d := NewDecoder(strings.NewReader(row+row), columns(t, strings.Split(tt.cols, ",")...), o)
			if _, err := readAll(d, 10); err != nil {
				t.Fatal(err)
			}
			want := schema.Rescues{schema.Unfit: 2 * tt.unfit, schema.Homeless: 2 * tt.homeless, schema.Duplicate: 2 * tt.duplicate,
				schema.Reserved: 2 * tt.reserved}
			if got := d.Why(); got != want || d.Rescued() != want.Total() {
				t.Errorf("got %v, %d in all, want %v", got, d.Rescued(), want)
			}
		})
	}
}

// A row id becomes a number where its column is one.
func TestRowIDAsInteger(t *testing.T) {
	for _, tt := range []struct {
		name, id string
		column   schema.Column
		want     string // empty when it is rescued
	}{
		{"ULID", `"01J0000000ZZZZZZZZZZZ00001"`, schema.Column{Kind: schema.Int}, "3602879701896396801"},
		{"ULID, unsigned", `"01J0000000ZZZZZZZZZZZ00001"`, schema.Column{Kind: schema.Int, Unsigned: true}, "3602879701896396801"},
		{"ULID with escapes", `"01J0000000ZZZZZZZZZZZ0000\u0031"`, schema.Column{Kind: schema.Int}, "3602879701896396801"},
		{"ULID of digits", `"00000000010000000000000012"`, schema.Column{Kind: schema.Int}, "2097186"},
		{"ULID, 32 bits", `"01J0000000ZZZZZZZZZZZ00001"`, schema.Column{Kind: schema.Int, Bits: 32}, ""},
		{"ULID, unsigned 32 bits", `"01J0000000ZZZZZZZZZZZ00001"`, schema.Column{Kind: schema.Int, Bits: 32, Unsigned: true}, ""},
		{"small ULID, 32 bits", `"00000000010000000000000000"`, schema.Column{Kind: schema.Int, Bits: 32}, "2097152"},
		{"ULID too late", `"0400000000ZZZZZZZZZZZZZZZZ"`, schema.Column{Kind: schema.Int}, ""},
		{"text of an integer", `"42"`, schema.Column{Kind: schema.Int}, "42"},
		{"negative", `"-42"`, schema.Column{Kind: schema.Int}, "-42"},
		{"number", `42`, schema.Column{Kind: schema.Int}, "42"},
		{"other text", `"order-7"`, schema.Column{Kind: schema.Int}, ""},
		{"ULID into text", `"01J0000000ZZZZZZZZZZZ00001"`, schema.Column{Kind: schema.Text}, "01J0000000ZZZZZZZZZZZ00001"},
		{"ULID into float", `"01J0000000ZZZZZZZZZZZ00001"`, schema.Column{Kind: schema.Float}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, name := range []string{"__row_id", "__ROW_ID"} {
				tt.column.Name = name
				cols := append(columns(t, "other int", "__rescued text"), tt.column)
				o := Options{Fold: strings.ToLower}
				d := NewDecoder(strings.NewReader(`{"__row_id":`+tt.id+"}\n"), cols, o)
				got, err := readAll(d, 10)
				if err != nil {
					t.Fatal(err)
				}
				want, why := "NULL|NULL|"+tt.want, schema.Rescues{}
				if tt.want == "" {
					want, why[schema.Unfit] = `NULL|{"__row_id":`+tt.id+`}|0`, 1
				}
				wantRows(t, got, []string{want})
				if d.Why() != why {
					t.Errorf("got %v, want %v", d.Why(), why)
				}
			}
		})
	}
	d := NewDecoder(strings.NewReader(`{"n":"01J0000000ZZZZZZZZZZZ00001"}`+"\n"), columns(t, "__row_id int", "n int", "__rescued text"), Options{})
	if got, err := readAll(d, 1); err != nil || len(got) != 1 || !strings.HasPrefix(got[0], "NULL|0|{") {
		t.Errorf("another column got %q, %v, want it rescued", got, err)
	}
}
