package clickhouse

import (
	"encoding/binary"
	"math"
	"strings"

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
	case "JSON":
		t.sent, t.zero, t.put = "String", []byte("{}"), t.putForeignTexts
	case "Array", "Map", "Tuple":
		t.sent, t.nullable = plainText(t.of), false
		t.zero, t.put = zeroOf(t.of), t.putNested
	default:
		t.zero, t.put = zeroOf(t.of), t.putFixed
	}
}

// plainText is a type's text without LowCardinality, which the server adds itself.
func plainText(t typ) string {
	switch t.name {
	case "LowCardinality":
		return plainText(t.args[0])
	case "Nullable", "Array", "Map", "Tuple":
	default:
		if t.name == "JSON" {
			return "String"
		}
		return t.text
	}
	parts := make([]string, len(t.args))
	for i, arg := range t.args {
		parts[i] = plainText(arg)
		if i < len(t.names) && t.names[i] != "" {
			parts[i] = quote(t.names[i]) + " " + parts[i]
		}
	}
	return t.name + "(" + strings.Join(parts, ", ") + ")"
}

// widthOf is how many bytes a value has, 0 when that differs.
func widthOf(t typ) int {
	if precision, _, ok := t.decimal(); ok {
		return decimalWidth(precision)
	}
	switch t.name {
	case "FixedString":
		return t.number(0, 1)
	case "DateTime":
		return 4
	case "DateTime64":
		return 8
	case "Enum8":
		return 1
	case "Enum16":
		return 2
	}
	return plainTypes[t.name].width
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

// parts is a column of a type of several values, taken apart as the server has it.
type parts struct {
	of       typ
	nullable bool
	rows     uint64
	nulls    []byte
	ends     []byte // of lists and maps
	data     []byte // of single values
	inside   []*parts
}

func newParts(t typ) *parts {
	p := &parts{}
	p.of, p.nullable = t.bare()
	for _, arg := range p.of.args {
		p.inside = append(p.inside, newParts(arg))
	}
	return p
}

// add takes one value from the front of what a converter has made, and gives the rest.
func (p *parts) add(from string) string {
	p.rows++
	if p.nullable {
		isNull := from[0]
		p.nulls, from = append(p.nulls, isNull), from[1:]
		if isNull != 0 {
			from = string(zeroOf(p.of)) + from
		}
	}
	switch p.of.name {
	case "Tuple":
		for _, in := range p.inside {
			from = in.add(from)
		}
	case "Array", "Map":
		n, size := uvarint(from)
		from = from[size:]
		for range n {
			for _, in := range p.inside {
				from = in.add(from)
			}
		}
		p.ends = binary.LittleEndian.AppendUint64(p.ends, p.inside[0].rows)
	default:
		size := widthOf(p.of)
		if size == 0 {
			n, head := uvarint(from)
			size = head + int(n)
		}
		p.data, from = append(p.data, from[:size]...), from[size:]
	}
	return from
}

func uvarint(s string) (n uint64, size int) {
	for shift := 0; ; shift += 7 {
		c := s[size]
		size++
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n, size
		}
	}
}

// appendTo appends the column.
func (p *parts) appendTo(b *proto.Buffer) {
	b.Buf = append(append(append(b.Buf, p.nulls...), p.ends...), p.data...)
	for _, in := range p.inside {
		in.appendTo(b)
	}
}

func (t *target) putNested(b *proto.Buffer, v *vector.Vector, n int) {
	p := newParts(t.of)
	for i := range n {
		p.add(t.value(v, i))
	}
	p.appendTo(b)
}
