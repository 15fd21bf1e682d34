// Package schema has the words for tables, columns and the kinds of values.
package schema

import (
	"strings"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

// The columns that Scratch Data itself adds to a row.
const (
	RowID     = "__row_id"     // ULID text, the same after every redelivery
	BatchFile = "__batch_file" // the batch the row travelled in, ULID text
	Rescued   = "__rescued"    // JSON object text of the values that their columns could not hold
)

// Members that rows have on their way to a table only; neither is ever a column.
const (
	TableTag = "__table"  // the first member of a row that is for another table than its batch: that table's name
	Insert   = "__insert" // the last member of the last row of an insert with an idempotency key: what is known of the key
)

// Kind is what a JSON value is, or what a column takes without loss.
type Kind uint8

// The kinds of JSON values, and one for columns only.
const (
	Null      Kind = iota
	Bool           // true, false
	Int            // a number without fraction or exponent that fits 64 bits, signed
	Float          // any other number that a 64-bit float can hold
	Timestamp      // text in one of the forms of ParseTimestamp
	Date           // text YYYY-MM-DD
	Text           // any other text; also a number that neither Int nor Float can hold
	Nested         // an object or array, kept as JSON text
	Foreign        // of a column: a type of the database's own, to which only the database converts text
)

var kindNames = [...]string{"null", "bool", "int", "float", "timestamp", "date", "text", "nested", "foreign"}

// String gives the kind's name.
func (k Kind) String() string { return kindNames[k] }

// Kinds is a set of kinds: those that a column's values had.
type Kinds uint16

// With returns s with k in it.
func (s Kinds) With(k Kind) Kinds { return s | 1<<k }

// Has reports whether k is in s.
func (s Kinds) Has(k Kind) bool { return s&(1<<k) != 0 }

// Join gives the kind of the narrowest column that holds all of s: null < bool < int < float < text; timestamp and
// date join with anything else to text, and so does nested.
func (s Kinds) Join() Kind {
	switch s &^ (1 << Null) {
	case 0:
		return Null
	case 1 << Timestamp:
		return Timestamp
	case 1 << Date:
		return Date
	case 1 << Nested:
		return Nested
	}
	if s&(1<<Timestamp|1<<Date|1<<Text|1<<Nested) != 0 {
		return Text
	}
	for _, k := range [...]Kind{Float, Int} {
		if s.Has(k) {
			return k
		}
	}
	return Bool
}

// String lists the kinds, for messages and tests.
func (s Kinds) String() string {
	var names []string
	for k := Null; k <= Foreign; k++ {
		if s.Has(k) {
			names = append(names, k.String())
		}
	}
	return strings.Join(names, "|")
}

// Seen is a column of a batch: its name as the rows spell it, and the kinds of its values.
type Seen struct {
	Name  string       `json:"name"`
	Kinds Kinds        `json:"kinds"`
	Type  *vector.Type `json:"type,omitempty"` // of the column that the rows were copied from; nil when they came as JSON
}

// Part is what a batch has for another table than its own.
type Part struct {
	Table Table  `json:"table"`
	Rows  int64  `json:"rows"`
	Seen  []Seen `json:"seen"`
}

// Column is a column of a table. Of one to be made only Name, Kind and, when it is for rows that are copied, Like are set.
type Column struct {
	Name     string
	Kind     Kind         // what it takes
	Like     *vector.Type // the type that its values have where they are copied from; one to be made gets the nearest that the database has
	Bits     int          // of Int 8, 16, 32 or 64; of Float 32 or 64; 0 means 64
	Unsigned bool         // of Int
	Zoneless bool         // of Timestamp: the database keeps no zone (read as UTC)
	Earliest int64        // of Timestamp in microseconds, of Date in days: the first that it can hold
	Latest   int64        // the last; 0 in both means all
	Type     string       // the database's own name of the type
	NotNull  bool
	Default  bool // has a default of its own
	Computed bool // generated: never written
}
