// Package vector holds rows as typed columns, the form in which they enter and leave a database.
package vector

import (
	"math"
	"time"
)

// Kind is how a vector keeps its values.
type Kind uint8

// The kinds, each with the Vector field that holds its values.
const (
	Null      Kind = iota // no values: all rows are NULL
	Bool                  // Bools
	Int                   // Ints: any signed integer up to 64 bits, unsigned up to 32
	Uint                  // Uints: unsigned 64 bits
	Int128                // Wides: signed or unsigned 128 bits
	Float                 // Floats
	Decimal               // Ints when Precision ≤ 18, else Wides: the value times 10^Scale
	Text                  // Texts
	JSON                  // Texts: JSON text, printed as it stands
	Blob                  // Texts: raw bytes
	Date                  // Ints: days since 1970-01-01
	Time                  // Ints: time of day in Unit
	Timestamp             // Ints: time since 1970-01-01T00:00:00Z in Unit
	Interval              // Intervals
	UUID                  // Wides, most significant half in Hi
	List                  // Spans into Elem
	Struct                // Fields
	Map                   // Spans into Elem, a Struct of two fields, key and value
	Number                // Texts: a number that the kinds above have no room for, as JSON has it
)

// Infinity is the Date or Timestamp after all others, in any Unit; -Infinity is the one before them.
const Infinity = math.MaxInt64

// Type describes a vector's values. The zero of what does not apply. As JSON, in which it travels with rows that are copied,
// that is left out.
type Type struct {
	Kind      Kind
	Bits      int           `json:",omitzero"` // of Int, Uint, Int128 and Float: the width in the database
	Unsigned  bool          `json:",omitzero"` // of Int and Int128: the database's type has no sign
	Precision int           `json:",omitzero"` // of Decimal: digits in all
	Scale     int           `json:",omitzero"` // of Decimal: digits after the point
	Unit      time.Duration `json:",omitzero"` // of Time and Timestamp: time.Second to time.Nanosecond
	Zone      bool          `json:",omitzero"` // of Timestamp: an instant; else a wall clock, printed without zone
	Elem      *Type         `json:",omitzero"` // of List and Map
	Length    int           `json:",omitzero"` // of List: how many elements each value has; 0 when that differs
	Fields    []Field       `json:",omitzero"` // of Struct
	Words     []string      `json:",omitzero"` // of Text: all values that there may be, when the database knows them
	Name      string        `json:",omitzero"` // the database's own name of the type
}

// Field is a named type: a member of a struct.
type Field struct {
	Name string
	Type Type
}

// Wide is a 128-bit integer in two's complement: Hi·2^64 + Lo.
type Wide struct {
	Lo uint64
	Hi int64
}

// IntervalValue is a span of calendar time.
type IntervalValue struct {
	Months, Days int32
	Micros       int64
}

// Span is a list's place in its element vector.
type Span struct{ Offset, Length uint64 }

// Vector is one column of a batch. Only the slice that Kind names is set, as long as the batch or longer. Slices may
// point into a database's own memory: they are read only and end with the call that gave them.
type Vector struct {
	Type      Type
	Valid     []uint64 // bit i is 1 when row i is not NULL; nil when no row is
	Bools     []bool
	Ints      []int64
	Uints     []uint64
	Wides     []Wide
	Floats    []float64
	Texts     []string
	Intervals []IntervalValue
	Spans     []Span
	Elem      *Vector
	Fields    []*Vector
}

// IsNull reports whether row i is NULL.
func (v *Vector) IsNull(i int) bool {
	return v.Type.Kind == Null || v.Valid != nil && v.Valid[i>>6]&(1<<(i&63)) == 0
}

// Batch is a run of rows, column by column.
type Batch struct {
	Rows int
	Cols []*Vector
}
