package ndjson

import (
	"errors"

	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// ErrObject says that a text is not a JSON object as rows have them.
var ErrObject = errors.New("it is not a canonical JSON object")

// Members shows each member of an object to visit: the inside of its name's string, and its value's text, both as the
// object spells them and good until visit returns.
func Members(object string, visit func(name, value []byte)) error {
	buf := append(make([]byte, 0, len(object)+padding), object...)
	buf = buf[:cap(buf)]
	if end := skipObject(buf, 0, 0, visit); end != len(object) || object[0] != '{' {
		return ErrObject
	}
	return nil
}

// Fits reports whether a column that takes c holds value, which is JSON text, without loss.
func Fits(c schema.Column, value []byte) bool {
	s := newSpec(c)
	col := column{spec: &s}
	col.grow(firstRoom)
	raw := append(make([]byte, 0, len(value)+padding), value...)
	raw = raw[:len(value):cap(raw)]
	if s.op <= opJSON {
		return true
	}
	return new(Decoder).convert(&col, 0, raw)
}

// Text gives what the inside of a string means.
func Text(inside []byte) string { return string(unescape(nil, inside)) }

// One reads single values for a column that does not hold text. Not for concurrent use.
type One struct {
	column  column
	decoder Decoder
	raw     []byte
}

// NewOne returns a One for a column that takes c.
func NewOne(c schema.Column) *One {
	s := newSpec(c)
	o := &One{column: column{spec: &s, vec: vector.Vector{Type: s.kind}}}
	o.column.grow(firstRoom)
	return o
}

// Read gives the value as the first of a vector, which is good until the next call, and reports false when the column
// would not hold it without loss. value is JSON text other than null.
func (o *One) Read(value []byte) (*vector.Vector, bool) {
	o.raw = append(append(o.raw[:0], value...), make([]byte, padding)...)
	o.column.valid[0] = 1
	ok := o.decoder.convert(&o.column, 0, o.raw[:len(value)])
	o.column.finish(1)
	return &o.column.vec, ok
}
