package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/query"
)

// paramPrefix begins the names of URL parameters that are a query's: ?param.n=5 is the value of $n.
const paramPrefix = "param."

// withURL adds the parameters of the URL to those of the body, which may be nil. The values of a URL are texts, which the
// database converts to the types that the query wants.
func withURL(params query.Params, q url.Values) (query.Params, error) {
	for key, values := range q {
		name, ok := strings.CutPrefix(key, paramPrefix)
		if !ok {
			continue
		}
		if len(values) != 1 {
			return nil, fault.New(fault.Invalid, "bad_param", "parameter %.80q is in the URL more than once", name)
		}
		if _, twice := params[name]; twice {
			return nil, fault.New(fault.Invalid, "bad_param", "parameter %.80q is in the URL and in the body", name)
		}
		if params == nil {
			params = query.Params{}
		}
		params[name] = query.Text(values[0])
	}
	return params, nil
}

// queryBody is a query in JSON.
type queryBody struct {
	Query  string       `json:"query"`
	Params query.Params `json:"params"`
}

// errMore says that something follows what was to be read.
var errMore = errors.New("there is more after it")

// readJSON reads a small JSON body, which must look like example, into v.
func readJSON(body []byte, v any, example string) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil && d.Decode(new(any)) != io.EOF {
		err = errMore
	}
	if err != nil {
		return fault.New(fault.Invalid, "invalid_json", "the body must be JSON like %s: %v", example, err)
	}
	return nil
}
