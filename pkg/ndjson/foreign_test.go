package ndjson

import (
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// TestForeign: a converter's text is in the column, and what it refuses is rescued.
func TestForeign(t *testing.T) {
	cols := []schema.Column{{Name: "v", Kind: schema.Foreign}, {Name: "w", Kind: schema.Foreign, NotNull: true}, {Name: schema.Rescued, Kind: schema.Text}}
	shout := func(dst, raw, text []byte, isText bool) ([]byte, bool) {
		if !isText {
			return append(dst, raw...), raw[0] != '{'
		}
		return append(append(dst, strings.ToUpper(string(text))...), '!'), true
	}
	rows := `{"v":"a\u00e9","w":1}` + "\n" + `{"v":{"x":1},"w":"é"}` + "\n" + `{"v":null}` + "\n" + `{"v":"b","v":"c"}` + "\n"
	dec := NewDecoder(strings.NewReader(rows), cols, Options{Foreign: func(c schema.Column) Converter {
		if c.Name == "v" {
			return shout
		}
		return nil
	}})
	var b Batch
	if err := dec.Next(&b, 10); err != nil {
		t.Fatal(err)
	}
	show := func(v *vector.Vector) string {
		var list []string
		for i := range b.Rows {
			text := "NULL"
			if !v.IsNull(i) {
				text = v.Texts[i]
			}
			list = append(list, text)
		}
		return strings.Join(list, "|")
	}
	for i, want := range []string{"AÉ!||NULL|B!", `1|é||`, `NULL|{"v":{"x":1}}|NULL|{"v":"c"}`} {
		if got := show(b.Cols[i]); got != want {
			t.Errorf("column %d: got %s, want %s", i, got, want)
		}
	}
}

// TestBounds: timestamps and dates that a column does not reach are rescued.
func TestBounds(t *testing.T) {
	const second, day = 1_000_000, 1
	cols := []schema.Column{{Name: "t", Kind: schema.Timestamp, Earliest: -second, Latest: second}, {Name: "d", Kind: schema.Date, Earliest: 0, Latest: day},
		{Name: schema.Rescued, Kind: schema.Text}}
	for row, rescued := range map[string]int64{
		`{"t":"1970-01-01T00:00:01Z","d":"1970-01-02"}`: 0, `{"t":"1970-01-01T00:00:01.000001Z","d":"1970-01-03"}`: 2,
		`{"t":"1969-12-31T23:59:59Z","d":"1969-12-31"}`: 1, `{"t":"1970-01-02","d":"1970-01-01T00:00:00Z"}`: 1,
	} {
		dec := NewDecoder(strings.NewReader(row+"\n"), cols, Options{})
		var b Batch
		if err := dec.Next(&b, 1); err != nil || dec.Rescued() != rescued {
			t.Errorf("%s: got %d rescued, %v, want %d", row, dec.Rescued(), err, rescued)
		}
	}
}

func TestOne(t *testing.T) {
	ints, dates := NewOne(schema.Column{Kind: schema.Int, Bits: 8}), NewOne(schema.Column{Kind: schema.Date})
	for value, want := range map[string]int64{`1`: 1, `"-5"`: -5, `1e2`: 100, `true`: 1} {
		if v, ok := ints.Read([]byte(value)); !ok || v.Ints[0] != want || v.IsNull(0) {
			t.Errorf("%s: got %v, %t, want %d", value, v.Ints, ok, want)
		}
	}
	for _, value := range []string{`128`, `"x"`, `1.5`, `[1]`} {
		if v, ok := ints.Read([]byte(value)); ok {
			t.Errorf("%s: got %v, want that it does not fit", value, v.Ints)
		}
	}
	if v, ok := dates.Read([]byte(`"1970-01-03"`)); !ok || v.Ints[0] != 2 {
		t.Errorf("a date: got %v, %t, want 2", v.Ints, ok)
	}
}
