package ndjson

import (
	"bytes"
	"math"
	"strings"
	"time"

	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// op is how a column's values are read.
type op uint8

const (
	opText    op = iota // a string's text, any other value's JSON text
	opJSON              // any value's JSON text
	opBool              // into bools
	opInt               // into ints, between the spec's bounds
	opUint              // into uints
	opFloat             // into floats
	opFloat32           // into floats, rounded to 32 bits
	opTimestamp
	opDate    // both between the spec's bounds
	opForeign // into texts, by the spec's converter
	opRescue  // of a key: it has no column
	opOwn     // of a key: the row's own rescued values
	opInsert  // of a key: the mark of an insert with an idempotency key
)

// spec is what is known of a column before the first row.
type spec struct {
	op        op
	low, high int64 // of opInt, opTimestamp and opDate
	foreign   Converter
	filled    bool // NULL is not possible, and there is no default
	rowID     bool // the row id, as an integer
	copied    int  // its values are copied from a column of floats of so many bits; else 0
	kind      vector.Type
}

// shape is a table's columns, which all batches of a Decoder share.
type shape struct {
	specs     []spec
	find      map[string]int // folded name → index
	name      func(key string) string
	fold      func(name string) string
	reserved  map[string]bool // folded names of ours
	batchFile int             // index of the column __batch_file, or -1
	rescued   int             // index of the column __rescued, or -1
	batch     string          // what goes into __batch_file
	maxRows   int
}

// maxCells is how many values a batch may have, so that its memory has a bound whatever the number of columns.
const maxCells = 2 << 20

func newShape(cols []schema.Column, o Options) *shape {
	s := &shape{find: make(map[string]int, len(cols)), name: o.Name, fold: o.Fold, batch: o.BatchID}
	s.reserved = map[string]bool{o.Fold(schema.RowID): true, o.Fold(schema.BatchFile): true, o.Fold(schema.Rescued): true}
	s.maxRows = max(maxCells/(len(cols)+1), firstRoom)
	for i, c := range cols {
		spec := newSpec(c)
		if c.Kind == schema.Foreign && o.Foreign != nil {
			if spec.foreign = o.Foreign(c); spec.foreign != nil {
				spec.op = opForeign
			}
		}
		s.specs = append(s.specs, spec)
		if name := o.Fold(c.Name); !s.has(name) {
			s.find[name] = i
		}
	}
	if i, ok := s.find[o.Fold(schema.RowID)]; ok {
		s.specs[i].rowID = s.specs[i].op == opInt || s.specs[i].op == opUint
	}
	s.batchFile = s.ours(o.Fold(schema.BatchFile))
	s.rescued = s.ours(o.Fold(schema.Rescued))
	if s.batchFile >= 0 && s.specs[s.batchFile].op == opJSON {
		s.batch = `"` + s.batch + `"`
	}
	return s
}

// place gives the place for the values of a key, and why one is rescued that has no place or comes second.
func (s *shape) place(key string) (op op, column int32, reason schema.Reason) {
	name := s.fold(s.name(key))
	i, ok := s.find[name]
	switch {
	case key == schema.Insert:
		reason, ok = schema.Reserved, false
	case s.reserved[name]:
		reason = schema.Reserved
		ok = ok && name == s.fold(schema.RowID) // the others are filled here
	case ok:
		reason = schema.Duplicate
	default:
		reason = schema.Homeless
	}
	if !ok {
		return opRescue, 0, reason
	}
	return s.specs[i].op, int32(i), reason
}

// reasonOf says why a value was rescued before the row came here, under that name: the inside of a JSON string. The
// name may have got a number then, as in key#2.
func (s *shape) reasonOf(name []byte) schema.Reason {
	key := view(name)
	if bytes.IndexByte(name, '\\') >= 0 {
		key = string(unescape(nil, name))
	}
	_, _, reason := s.place(key)
	bare := strings.TrimRight(key, "0123456789")
	if reason == schema.Homeless && len(bare) < len(key) && strings.HasSuffix(bare, "#") {
		_, _, reason = s.place(bare[:len(bare)-1])
	}
	return reason
}

func (s *shape) has(name string) bool {
	_, ok := s.find[name]
	return ok
}

// ours returns the index of a column that is filled here, if it is there and holds text; else -1.
func (s *shape) ours(name string) int {
	i, ok := s.find[name]
	if !ok || s.specs[i].op > opJSON {
		return -1
	}
	return i
}

func newSpec(c schema.Column) spec {
	s := spec{filled: c.NotNull && !c.Default}
	if c.Like != nil && c.Like.Kind == vector.Float {
		s.copied = c.Like.Bits
	}
	s.kind = vector.Type{Kind: vector.Text, Name: c.Type}
	switch c.Kind {
	case schema.Bool:
		s.op, s.kind.Kind = opBool, vector.Bool
	case schema.Int:
		s.integer(c)
	case schema.Float:
		s.op, s.kind.Kind, s.kind.Bits = opFloat, vector.Float, 64
		if c.Bits == 32 {
			s.op, s.kind.Bits = opFloat32, 32
		}
	case schema.Timestamp:
		s.op, s.kind.Kind, s.kind.Unit, s.kind.Zone = opTimestamp, vector.Timestamp, time.Microsecond, !c.Zoneless
		s.between(c)
	case schema.Date:
		s.op, s.kind.Kind = opDate, vector.Date
		s.between(c)
	case schema.Nested:
		s.op, s.kind.Kind = opJSON, vector.JSON
	}
	return s
}

// between sets the bounds of a timestamp's or date's column.
func (s *spec) between(c schema.Column) {
	s.low, s.high = c.Earliest, c.Latest
	if s.low == 0 && s.high == 0 {
		s.low, s.high = math.MinInt64, math.MaxInt64
	}
}

func (s *spec) integer(c schema.Column) {
	width := c.Bits
	if width == 0 {
		width = 64
	}
	s.op, s.kind.Kind, s.kind.Bits, s.kind.Unsigned = opInt, vector.Int, width, c.Unsigned
	switch {
	case c.Unsigned && width == 64:
		s.op, s.kind.Kind = opUint, vector.Uint
	case c.Unsigned:
		s.high = 1<<width - 1
	default:
		s.low, s.high = math.MinInt64>>(64-width), math.MaxInt64>>(64-width)
	}
}
