package flatten

import (
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Mode is how nested values become rows and columns.
type Mode uint8

// The modes. In all of them keys on the way to a value are joined by '_'.
const (
	Horizontal Mode = iota // one row for each object; array positions are parts of the names
	Vertical               // arrays become rows: the Cartesian product over the object's arrays
	Multitable             // each object becomes a row in a table named after its key
	None                   // one row for each object; nested values are kept as JSON text
)

// ParseMode reads a mode's name: horizontal or flat, vertical or explode, multitable, none. Empty is horizontal.
func ParseMode(s string) (Mode, error) {
	switch s {
	case "", "horizontal", "flat":
		return Horizontal, nil
	case "vertical", "explode":
		return Vertical, nil
	case "multitable":
		return Multitable, nil
	case "none":
		return None, nil
	}
	return 0, fault.New(fault.Invalid, "bad_parameter",
		"flatten: %.40q is not one of horizontal, flat, vertical, explode, multitable, none", s)
}

// String gives the mode's first name.
func (m Mode) String() string { return [...]string{"horizontal", "vertical", "multitable", "none"}[m] }

// Options say what to make of a body.
type Options struct {
	Mode     Mode
	Table    schema.Table // the rows' table
	Envelope bool         // the body is {"table":…,"data":…}: it names the table, and data is what is a body otherwise
}
