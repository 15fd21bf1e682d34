package clickhouse

import (
	"encoding/binary"
	"math"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// target is a column that rows are written to.
type target struct {
	schema.Column
	of       typ    // its type without Nullable and LowCardinality
	sent     string // the type in which values go there: the server makes its own of a text
	nullable bool   // NULL goes there too: it is the column's, or stands for its default
	zero     []byte // of a Foreign column: what a value is that is not there
	put      func(b *proto.Buffer, v *vector.Vector, n int)
}

func newTarget(c schema.Column) target {
	of, nullable := parseType(c.Type).bare()
	t := target{Column: c, of: of, sent: of.text, nullable: nullable || c.Default}
	switch c.Kind {
	case schema.Bool:
		t.put = putBools
	case schema.Int:
		t.put = putInts(c.Bits / 8)
		if c.Unsigned && c.Bits == 64 {
			t.put = putUints
		}
	case schema.Float:
		t.put = putFloats(c.Bits / 8)
	case schema.Timestamp:
		t.put = putInts(8)
	case schema.Date:
		t.put = putInts(4)
		if of.name == "Date" {
			t.put = putInts(2)
		}
	case schema.Foreign:
		t.foreign()
	default:
		t.put = putTexts
	}
	if t.nullable {
		t.sent = "Nullable(" + t.sent + ")"
	}
	return t
}

// foreign is newTarget for types that package ndjson does not know.
func (t *target) foreign() {
	switch t.of.name {
	case "Array", "Map", "Tuple", "JSON":
		t.sent, t.zero, t.put = "String", []byte(zeroText(t.of)), t.putForeignTexts
		return
	case "Enum8", "Enum16":
		t.zero = appendEnum(nil, t.of, zeroWord(t.of).number)
	default:
		t.zero = make([]byte, t.width())
	}
	t.put = t.putFixed
}

// width is how many bytes a value has.
func (t *target) width() int {
	if precision, _, ok := t.of.decimal(); ok {
		return decimalWidth(precision)
	}
	switch t.of.name {
	case "FixedString":
		return t.of.number(0, 1)
	case "DateTime":
		return 4
	case "DateTime64":
		return 8
	}
	return plainTypes[t.of.name].width
}

// column gives the column's values in b as the server takes them.
func (t *target) column(v *vector.Vector, rows int) inColumn {
	return inColumn{t.Name, t.sent, func(b *proto.Buffer) {
		if t.nullable {
			putNulls(b, v, rows)
		}
		t.put(b, v, rows)
	}}
}

// blockOf gives rows as the server takes them.
func blockOf(targets []target, rows *ndjson.Batch, b *block) *block {
	b.rows, b.cols = rows.Rows, b.cols[:0]
	for i := range targets {
		b.cols = append(b.cols, targets[i].column(rows.Cols[i], rows.Rows))
	}
	return b
}

func putNulls(b *proto.Buffer, v *vector.Vector, n int) {
	to := extend(b, n)
	for i := range to {
		to[i] = 0
		if v.IsNull(i) {
			to[i] = 1
		}
	}
}

// extend makes room for n more bytes, all of which are to be written.
func extend(b *proto.Buffer, n int) []byte {
	from := len(b.Buf)
	if cap(b.Buf)-from < n {
		longer := make([]byte, from, 2*cap(b.Buf)+n)
		copy(longer, b.Buf)
		b.Buf = longer
	}
	b.Buf = b.Buf[:from+n]
	return b.Buf[from:]
}

// What a row without a value has in a vector is not defined, so NULL is asked for first.

func putBools(b *proto.Buffer, v *vector.Vector, n int) {
	to := extend(b, n)
	for i := range to {
		to[i] = 0
		if v.Bools[i] && !v.IsNull(i) {
			to[i] = 1
		}
	}
}

// putInts writes integers that the decoder has checked to fit into so many bytes.
func putInts(width int) func(b *proto.Buffer, v *vector.Vector, n int) {
	return func(b *proto.Buffer, v *vector.Vector, n int) {
		to := extend(b, n*width)
		for i := range n {
			x := uint64(v.Ints[i])
			if v.Valid != nil && v.IsNull(i) {
				x = 0
			}
			switch width {
			case 1:
				to[i] = byte(x)
			case 2:
				binary.LittleEndian.PutUint16(to[2*i:], uint16(x))
			case 4:
				binary.LittleEndian.PutUint32(to[4*i:], uint32(x))
			default:
				binary.LittleEndian.PutUint64(to[8*i:], x)
			}
		}
	}
}

func putUints(b *proto.Buffer, v *vector.Vector, n int) {
	to := extend(b, 8*n)
	for i := range n {
		x := v.Uints[i]
		if v.IsNull(i) {
			x = 0
		}
		binary.LittleEndian.PutUint64(to[8*i:], x)
	}
}

func putFloats(width int) func(b *proto.Buffer, v *vector.Vector, n int) {
	return func(b *proto.Buffer, v *vector.Vector, n int) {
		to := extend(b, width*n)
		for i := range n {
			x := v.Floats[i]
			if v.IsNull(i) {
				x = 0
			}
			if width == 4 {
				binary.LittleEndian.PutUint32(to[4*i:], math.Float32bits(float32(x)))
			} else {
				binary.LittleEndian.PutUint64(to[8*i:], math.Float64bits(x))
			}
		}
	}
}

func putTexts(b *proto.Buffer, v *vector.Vector, n int) {
	for i := range n {
		if v.Valid != nil && v.IsNull(i) {
			b.Buf = append(b.Buf, 0)
			continue
		}
		text := v.Texts[i]
		b.Buf = binary.AppendUvarint(b.Buf, uint64(len(text)))
		b.Buf = append(b.Buf, text...)
	}
}

// value gives row i's bytes, of a Foreign column.
func (t *target) value(v *vector.Vector, i int) string {
	if v.IsNull(i) || v.Texts[i] == "" {
		return string(t.zero)
	}
	return v.Texts[i]
}

func (t *target) putForeignTexts(b *proto.Buffer, v *vector.Vector, n int) {
	for i := range n {
		text := t.value(v, i)
		b.Buf = binary.AppendUvarint(b.Buf, uint64(len(text)))
		b.Buf = append(b.Buf, text...)
	}
}

func (t *target) putFixed(b *proto.Buffer, v *vector.Vector, n int) {
	for i := range n {
		if v.IsNull(i) || v.Texts[i] == "" {
			b.Buf = append(b.Buf, t.zero...)
		} else {
			b.Buf = append(b.Buf, v.Texts[i]...)
		}
	}
}
