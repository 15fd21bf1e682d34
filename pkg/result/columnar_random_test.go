package result_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

// maker makes vectors with everything that the comment of vector.Vector allows.
type maker struct{ *rand.Rand }

func (m maker) typ(depth int) vector.Type {
	kinds := []vector.Kind{vector.Null, vector.Bool, vector.Int, vector.Uint, vector.Int128, vector.Float, vector.Decimal, vector.Text, vector.Number, vector.JSON,
		vector.Blob, vector.Date, vector.Time, vector.Timestamp, vector.Interval, vector.UUID, vector.List, vector.Struct, vector.Map}
	if depth == 0 {
		kinds = kinds[:16]
	}
	t := vector.Type{Kind: kinds[m.IntN(len(kinds))]}
	switch t.Kind {
	case vector.Int:
		t.Bits, t.Unsigned = 8<<m.IntN(4), m.IntN(2) == 0
		t.Unsigned = t.Unsigned && t.Bits < 64
	case vector.Int128:
		t.Bits, t.Unsigned = 128, m.IntN(2) == 0
	case vector.Float:
		t.Bits = 32 << m.IntN(2)
	case vector.Decimal:
		t.Precision = 1 + m.IntN(38)
		t.Scale = m.IntN(t.Precision + 1)
	case vector.Time, vector.Timestamp:
		t.Unit = []time.Duration{time.Second, time.Millisecond, time.Microsecond, time.Nanosecond}[m.IntN(4)]
		t.Zone = t.Kind == vector.Timestamp && m.IntN(2) == 0
	case vector.List:
		elem := m.typ(depth - 1)
		t.Elem = &elem
	case vector.Struct:
		for i := range m.IntN(4) {
			t.Fields = append(t.Fields, vector.Field{Name: fmt.Sprint("f", i%2), Type: m.typ(depth - 1)})
		}
	case vector.Map:
		t.Elem = &vector.Type{Kind: vector.Struct, Fields: []vector.Field{{Name: "key", Type: vector.Type{Kind: vector.Text}}, {Name: "value", Type: m.typ(depth - 1)}}}
	}
	return t
}

// vector makes rows of type t; none of them is NULL when whole.
func (m maker) vector(t vector.Type, rows int, whole bool) *vector.Vector {
	v := &vector.Vector{Type: t}
	if !whole && m.IntN(3) > 0 {
		v.Valid = make([]uint64, (rows+63)/64)
		for i := range v.Valid {
			v.Valid[i] = m.Uint64() | m.Uint64()&-uint64(m.IntN(2))
		}
	}
	for i := range rows {
		m.value(v, i)
	}
	switch t.Kind {
	case vector.List:
		m.lists(v, rows, false)
	case vector.Map:
		m.lists(v, rows, true)
	case vector.Struct:
		for _, f := range t.Fields {
			v.Fields = append(v.Fields, m.vector(f.Type, rows, whole && m.IntN(2) == 0))
		}
	}
	return v
}

// value makes row i; where it is NULL, anything, also what may not be.
func (m maker) value(v *vector.Vector, i int) {
	t, null := v.Type, v.IsNull(i)
	switch t.Kind {
	case vector.Bool:
		v.Bools = append(v.Bools, m.IntN(2) == 0)
	case vector.Int:
		x := int64(m.Uint64()) >> (64 - t.Bits)
		if t.Unsigned {
			x &= 1<<t.Bits - 1
		}
		v.Ints = append(v.Ints, x)
	case vector.Uint:
		v.Uints = append(v.Uints, m.Uint64())
	case vector.Int128, vector.UUID:
		w := vector.Wide{Lo: m.Uint64(), Hi: int64(m.Uint64())}
		if t.Kind == vector.Int128 && !t.Unsigned && !null {
			w.Hi >>= 2 // of up to 38 digits
		}
		v.Wides = append(v.Wides, w)
	case vector.Float:
		v.Floats = append(v.Floats, []float64{0, math.Copysign(0, -1), 1.5, math.NaN(), math.Inf(1), float64(m.Float32())}[m.IntN(6)])
	case vector.Decimal:
		m.decimal(v)
	case vector.Text, vector.Number, vector.JSON, vector.Blob:
		v.Texts = append(v.Texts, []string{"", "a", "ünï€", "bad\xff", "\xc3", "\xa9", "a text of more than twelve bytes", "\x00"}[m.IntN(8)])
	case vector.Date, vector.Time, vector.Timestamp:
		m.moment(v, null)
	case vector.Interval:
		x := vector.IntervalValue{Months: int32(m.Uint32()), Days: int32(m.Uint32()), Micros: int64(m.Uint64())}
		if !null {
			x.Micros /= 1000
		}
		v.Intervals = append(v.Intervals, x)
	}
}

func (m maker) decimal(v *vector.Vector) {
	if p := v.Type.Precision; p <= 18 {
		limit := int64(math.Pow10(p))
		v.Ints = append(v.Ints, m.Int64N(2*limit-1)-limit+1)
		return
	}
	v.Wides = append(v.Wides, vector.Wide{Lo: m.Uint64() >> 4, Hi: -int64(m.IntN(2))})
}

func (m maker) moment(v *vector.Vector, null bool) {
	x := m.Int64N(86400)
	switch {
	case null || v.Type.Kind == vector.Timestamp && m.IntN(4) == 0 && v.Type.Unit != time.Second:
		x = int64(m.Uint64())
	case v.Type.Kind != vector.Time && m.IntN(4) == 0:
		x = vector.Infinity * (1 - 2*m.Int64N(2))
	case v.Type.Kind != vector.Time:
		x -= 40000
	}
	v.Ints = append(v.Ints, x)
}

// lists makes lists that are in order, apart from each other, or out of order; NULL ones are of no place.
func (m maker) lists(v *vector.Vector, rows int, whole bool) {
	order := m.IntN(3)
	at := uint64(0)
	for i := range rows {
		length := uint64(m.IntN(4))
		if order > 0 {
			at += uint64(m.IntN(2))
		}
		span := vector.Span{Offset: at, Length: length}
		at += length
		if v.IsNull(i) {
			span = vector.Span{Offset: m.Uint64(), Length: m.Uint64()}
		}
		v.Spans = append(v.Spans, span)
	}
	if order == 2 {
		for i := range rows {
			if k := m.IntN(rows); !v.IsNull(i) && !v.IsNull(k) {
				v.Spans[i], v.Spans[k] = v.Spans[k], v.Spans[i]
			}
		}
	}
	v.Elem = m.vector(*v.Type.Elem, int(at), whole)
	if whole && len(v.Elem.Fields) > 0 {
		v.Elem.Fields[0] = m.vector(v.Elem.Fields[0].Type, int(at), true)
	}
}

func TestColumnarRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := maker{rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))}
		var fields []vector.Field
		for i := range rapid.IntRange(1, 4).Draw(t, "columns") {
			fields = append(fields, vector.Field{Name: fmt.Sprint("c", i), Type: m.typ(rapid.IntRange(0, 3).Draw(t, "depth"))})
		}
		var batches []*vector.Batch
		for range rapid.IntRange(1, 4).Draw(t, "batches") {
			b := &vector.Batch{Rows: rapid.IntRange(0, 200).Draw(t, "rows")}
			for _, f := range fields {
				b.Cols = append(b.Cols, m.vector(f.Type, b.Rows, false))
			}
			batches = append(batches, b)
		}
		for _, name := range []string{"arrow", "parquet"} {
			var out bytes.Buffer
			w := format(t, name).New(&out)
			if err := w.Begin(fields); err != nil {
				t.Fatal(err)
			}
			for _, b := range batches {
				if err := w.Write(b); err != nil {
					t.Fatal(name, err)
				}
			}
			if err := w.End(); err != nil {
				t.Fatal(err)
			}
			if name == "arrow" {
				wantCells(t, shower{}, readArrow(t, out.Bytes()), batches...)
			} else {
				wantCells(t, shower{parquet: true}, readParquet(t, out.Bytes()), batches...)
			}
		}
	})
}
