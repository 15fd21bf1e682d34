package duckdb

import (
	"strconv"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/scratchdata/scratchdata/pkg/destination"
)

// bind gives stmt's parameters their values: those that have names by these, the others in order.
func bind(stmt mapping.PreparedStatement, args []any) error {
	given := make([]bool, mapping.NParams(stmt))
	next := 0
	for _, arg := range args {
		at, value := next, arg
		if named, ok := arg.(destination.Named); ok {
			var i mapping.IdxT
			if mapping.BindParameterIndex(stmt, &i, named.Name) == mapping.StateError {
				return badSQL("the query has no parameter $%s", named.Name)
			}
			at, value = int(i)-1, named.Value
		} else {
			next++
		}
		if at >= len(given) {
			return badSQL("the query has %d parameters, %d values were given", len(given), len(args))
		}
		if given[at] {
			return badSQL("parameter $%s was given twice", mapping.ParameterName(stmt, mapping.IdxT(at+1)))
		}
		given[at] = true
		if err := bindOne(stmt, mapping.IdxT(at+1), value); err != nil {
			return err
		}
	}
	return complete(stmt, given)
}

// complete says which parameters have no value.
func complete(stmt mapping.PreparedStatement, given []bool) error {
	var missing []string
	for i, ok := range given {
		if !ok {
			missing = append(missing, "$"+mapping.ParameterName(stmt, mapping.IdxT(i+1)))
		}
	}
	if len(missing) > 0 {
		return badSQL("the query wants values for %s", strings.Join(missing, ", "))
	}
	return nil
}

func bindOne(stmt mapping.PreparedStatement, at mapping.IdxT, value any) error {
	name := "$" + mapping.ParameterName(stmt, at)
	if name == "$" {
		name = strconv.FormatUint(uint64(at), 10)
	}
	state := mapping.StateSuccess
	switch v := value.(type) {
	case nil:
		state = mapping.BindNull(stmt, at)
	case bool:
		state = mapping.BindBoolean(stmt, at, v)
	case int:
		state = mapping.BindInt64(stmt, at, int64(v))
	case int64:
		state = mapping.BindInt64(stmt, at, v)
	case float64:
		state = mapping.BindDouble(stmt, at, v)
	case string:
		state = mapping.BindVarchar(stmt, at, v)
	case time.Time:
		state = mapping.BindTimestampTZ(stmt, at, mapping.NewTimestamp(v.UnixMicro()))
	default:
		return badSQL("parameter %s has a type that cannot be bound: %T", name, value)
	}
	if state == mapping.StateError {
		return badSQL("parameter %s cannot be bound", name)
	}
	return nil
}
