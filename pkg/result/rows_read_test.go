package result_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// kept is a type whose values a column of a table holds as they are.
type kept struct {
	name string
	t    vector.Type
	col  schema.Column // without its name
	fill func(m maker, v *vector.Vector)
}

// keptTypes are the types of which package ndjson knows the kind.
func keptTypes() []kept {
	var all []kept
	for _, bits := range []int{8, 16, 32, 64} {
		signed, unsigned := vector.Type{Kind: vector.Int, Bits: bits}, vector.Type{Kind: vector.Int, Bits: bits, Unsigned: true}
		all = append(all, kept{fmt.Sprint("int", bits), signed, schema.Column{Kind: schema.Int, Bits: bits}, func(m maker, v *vector.Vector) {
			v.Ints = append(v.Ints, int64(m.Uint64())>>(64-bits))
		}})
		if bits < 64 {
			all = append(all, kept{fmt.Sprint("uint", bits), unsigned, schema.Column{Kind: schema.Int, Bits: bits, Unsigned: true}, func(m maker, v *vector.Vector) {
				v.Ints = append(v.Ints, int64(m.Uint64()>>(64-bits)))
			}})
		}
	}
	for _, bits := range []int{32, 64} {
		all = append(all, kept{fmt.Sprint("float", bits), vector.Type{Kind: vector.Float, Bits: bits}, schema.Column{Kind: schema.Float, Bits: bits}, func(m maker, v *vector.Vector) {
			v.Floats = append(v.Floats, m.float(bits))
		}})
	}
	const days, micros = 3652058, 86_400_000_000 // from the year 1 to 9999, and of a day
	return append(all,
		kept{"bool", vector.Type{Kind: vector.Bool}, schema.Column{Kind: schema.Bool}, func(m maker, v *vector.Vector) { v.Bools = append(v.Bools, m.IntN(2) == 0) }},
		kept{"uint64", vector.Type{Kind: vector.Uint, Bits: 64}, schema.Column{Kind: schema.Int, Bits: 64, Unsigned: true}, func(m maker, v *vector.Vector) {
			v.Uints = append(v.Uints, m.Uint64()>>m.IntN(64))
		}},
		kept{"date", vector.Type{Kind: vector.Date}, schema.Column{Kind: schema.Date}, func(m maker, v *vector.Vector) {
			v.Ints = append(v.Ints, m.Int64N(days)-719162)
		}},
		kept{"timestamp", vector.Type{Kind: vector.Timestamp, Unit: time.Microsecond}, schema.Column{Kind: schema.Timestamp, Zoneless: true}, func(m maker, v *vector.Vector) {
			v.Ints = append(v.Ints, (m.Int64N(days)-719162)*micros+m.Int64N(micros))
		}},
		kept{"timestamptz", vector.Type{Kind: vector.Timestamp, Unit: time.Microsecond, Zone: true}, schema.Column{Kind: schema.Timestamp}, func(m maker, v *vector.Vector) {
			v.Ints = append(v.Ints, (m.Int64N(days)-719162)*micros+m.Int64N(micros))
		}},
		kept{"text", vector.Type{Kind: vector.Text}, schema.Column{Kind: schema.Text}, func(m maker, v *vector.Vector) { v.Texts = append(v.Texts, m.text()) }},
		kept{"json", vector.Type{Kind: vector.JSON}, schema.Column{Kind: schema.Text}, func(m maker, v *vector.Vector) { v.Texts = append(v.Texts, m.text()) }},
	)
}

func (m maker) float(bits int) float64 {
	f := math.Float64frombits(m.Uint64())
	switch m.IntN(5) {
	case 0:
		f = []float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), 1e21, 1e-7}[m.IntN(7)]
	case 1:
		f = float64(m.IntN(1_000_000)) / 100
	case 2:
		f = math.Ldexp(m.Float64(), m.IntN(80)) // large ones, which are written as integers
	}
	if bits == 32 {
		f = float64(float32(f))
	}
	return f
}

// text has everything that must be escaped, and what is no UTF-8.
func (m maker) text() string {
	var s strings.Builder
	for range m.IntN(12) {
		s.WriteString([]string{"a", "plain text ", `"`, `\`, "\n", "\x00", "\x1f", "\x7f", "é", "😀", "\u2028", "\xff", "\xc3", "{", "NaN", "2024-02-29"}[m.IntN(16)])
	}
	return s.String()
}

// TestRowsAreReadAsTheyWere checks that what Rows writes is read into a table's columns as the same values, however the rows
// were given, and that nothing is rescued.
func TestRowsAreReadAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := maker{rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))}
		types := rapid.SliceOfN(rapid.SampledFrom(keptTypes()), 1, 6).Draw(t, "types")
		rows := rapid.IntRange(0, 200).Draw(t, "rows")
		b := &vector.Batch{Rows: rows}
		var fields []vector.Field
		cols := []schema.Column{{Name: schema.RowID, Kind: schema.Text}, {Name: schema.Rescued, Kind: schema.Text}}
		for i, k := range types {
			v := &vector.Vector{Type: k.t}
			if m.IntN(2) == 0 {
				v.Valid = make([]uint64, rows/64+1)
				for w := range v.Valid {
					v.Valid[w] = m.Uint64() | m.Uint64()
				}
			}
			for range rows {
				k.fill(m, v)
			}
			c := k.col
			c.Name, c.Like = fmt.Sprint("c", i), &k.t
			b.Cols, fields, cols = append(b.Cols, v), append(fields, vector.Field{Name: c.Name, Type: k.t}), append(cols, c)
		}
		var out bytes.Buffer
		writeInPieces(t, m, &out, fields, b)
		wantSameRows(t, &out, cols, b)
	})
}

// writeInPieces writes b's rows some at a time.
func writeInPieces(t *rapid.T, m maker, out io.Writer, fields []vector.Field, b *vector.Batch) {
	r := result.NewRows(out, rowid.NewSource(), mostBytes)
	if err := r.Begin(fields); err != nil {
		t.Fatal(err)
	}
	for next := 0; next < b.Rows; {
		rows, _ := r.Count()
		var err error
		if next, err = r.WriteUpTo(b, next, rows+int64(1+m.IntN(50)), math.MaxInt64); err != nil {
			t.Fatal(err)
		}
		if m.IntN(2) == 0 {
			if err := r.End(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
}

// wantSameRows reads rows, and compares them with those of b.
func wantSameRows(t *rapid.T, in io.Reader, cols []schema.Column, b *vector.Batch) {
	dec := ndjson.NewDecoder(in, cols, ndjson.Options{})
	var got ndjson.Batch
	at := 0
	for {
		err := dec.Next(&got, 64)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range got.Rows {
			if id := got.Cols[0].Texts[i]; len(id) != rowid.Len {
				t.Errorf("row %d: got the id %q", at+i, id)
			}
			for k, v := range b.Cols {
				if g, w := showCell(got.Cols[k+2], i), showCell(v, at+i); g != w {
					t.Errorf("row %d, %s: got %s, want %s", at+i, fmt.Sprint(v.Type.Kind, v.Type.Bits), g, w)
				}
			}
		}
		at += got.Rows
	}
	if at != b.Rows || dec.Rescued() != 0 {
		t.Errorf("got %d rows and %d rescued values, want %d and none", at, dec.Rescued(), b.Rows)
	}
}

// showCell shows a value so that those that differ look different.
func showCell(v *vector.Vector, i int) string {
	if v.IsNull(i) {
		return "NULL"
	}
	switch v.Type.Kind {
	case vector.Bool:
		return fmt.Sprint(v.Bools[i])
	case vector.Uint:
		return fmt.Sprint(v.Uints[i])
	case vector.Float:
		if math.IsNaN(v.Floats[i]) {
			return "NaN"
		}
		return fmt.Sprint(math.Float64bits(v.Floats[i]), v.Floats[i])
	case vector.Text, vector.JSON:
		return fmt.Sprintf("%q", []rune(v.Texts[i])) // a byte that is no UTF-8 is U+FFFD
	}
	return fmt.Sprint(v.Ints[i])
}
