package httpapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// paramPrefix begins the names of URL parameters that are a query's: ?param.n=5 is the value of $n.
const paramPrefix = "param."

// maxParams is the most parameters that a query may be given.
const maxParams = 1000

// paramsOf reads a query's parameters from the URL and from the body's object params, which may be nil. The values of a
// URL are texts, which the database converts to the types that the query wants.
func paramsOf(q url.Values, body map[string]json.RawMessage) ([]any, error) {
	var args []any
	for key, values := range q {
		name, ok := strings.CutPrefix(key, paramPrefix)
		if !ok {
			continue
		}
		if name == "" || len(values) != 1 {
			return nil, badParam(key, "it must have a name, and be there once")
		}
		if _, twice := body[name]; twice {
			return nil, badParam(name, "it is in the URL and in the body")
		}
		args = append(args, destination.Named{Name: name, Value: values[0]})
	}
	for name, raw := range body {
		value, err := paramValue(name, raw)
		if err != nil {
			return nil, err
		}
		args = append(args, destination.Named{Name: name, Value: value})
	}
	if len(args) > maxParams {
		return nil, fault.New(fault.Invalid, "too_many_params", "a query may have %d parameters, %d were given", maxParams, len(args))
	}
	slices.SortFunc(args, func(a, b any) int { // so that of several mistakes always the same is told
		return strings.Compare(a.(destination.Named).Name, b.(destination.Named).Name)
	})
	return args, nil
}

func badParam(name, why string) error {
	return fault.New(fault.Invalid, "bad_param", "parameter %.80q: %s", name, why)
}

// paramValue gives what a JSON scalar binds. A number that neither an int64 nor a float64 has exactly is bound as its
// text, so that it is not rounded on the way.
func paramValue(name string, raw json.RawMessage) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, badParam(name, "it is not JSON")
	}
	switch v := value.(type) {
	case nil, bool, string:
		return v, nil
	case json.Number:
		return numberParam(v.String()), nil
	}
	return nil, badParam(name, "it must be null, true, false, a number or a text")
}

func numberParam(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	const exact = 15 // decimal digits that every float64 keeps
	digits := strings.IndexAny(text, "eE")
	if digits < 0 {
		digits = len(text)
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && digits <= exact {
		return f
	}
	return text
}

// queryBody is a query in JSON.
type queryBody struct {
	Query  string                     `json:"query"`
	Params map[string]json.RawMessage `json:"params"`
}

func queryOfJSON(body []byte) (in queryBody, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err = d.Decode(&in)
	if err == nil && d.Decode(new(any)) != io.EOF {
		err = errMore
	}
	if err != nil {
		return in, fault.New(fault.Invalid, "invalid_json", `the body must be JSON like {"query": "select $n", "params": {"n": 1}}: %v`, err)
	}
	return in, nil
}
