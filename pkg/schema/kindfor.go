package schema

import "github.com/scratchdata/scratchdata/pkg/vector"

// KindFor gives the kind that the values of a database's type have as JSON. One for which the other kinds have no room,
// such as a decimal number, is Text.
func KindFor(t vector.Type) Kind {
	switch t.Kind {
	case vector.Null:
		return Null
	case vector.Bool:
		return Bool
	case vector.Int:
		return Int
	case vector.Float:
		return Float
	case vector.Timestamp:
		return Timestamp
	case vector.Date:
		return Date
	case vector.JSON, vector.List, vector.Struct, vector.Map:
		return Nested
	default:
		return Text
	}
}
