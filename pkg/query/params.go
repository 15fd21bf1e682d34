package query

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// maxParams is the most parameters that a query may be given.
const maxParams = 1000

// Params are the values of a query's parameters by name, as JSON.
type Params map[string]json.RawMessage

// Args gives what the destination binds, by name: of a number an int64 or a float64, or, if neither has it exactly, its
// text, so that it is not rounded on the way.
func (p Params) Args() ([]any, error) {
	if len(p) > maxParams {
		return nil, fault.New(fault.Invalid, "too_many_params", "a query may have %d parameters, %d were given", maxParams, len(p))
	}
	args := make([]any, 0, len(p))
	for _, name := range slices.Sorted(maps.Keys(p)) { // so that of several mistakes always the same is told
		value, err := valueOf(p[name])
		if err != nil || name == "" {
			return nil, fault.New(fault.Invalid, "bad_param", "parameter %.80q must have a name, and be null, true, false, a number or a text", name)
		}
		args = append(args, destination.Named{Name: name, Value: value})
	}
	return args, nil
}

// Text gives the value of a parameter that is a text.
func Text(s string) json.RawMessage {
	b, _ := json.Marshal(s) // a string is never refused
	return b
}

func valueOf(raw json.RawMessage) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	switch v := value.(type) {
	case nil, bool, string:
		return v, nil
	case json.Number:
		return numberOf(v.String()), nil
	}
	return nil, fault.Invalid
}

// exact is how many decimal digits every float64 keeps.
const exact = 15

func numberOf(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	digits := len(text)
	if e := strings.IndexAny(text, "eE"); e >= 0 {
		digits = e
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && digits <= exact {
		return f
	}
	return text
}
