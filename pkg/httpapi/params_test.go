package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/query"
)

func TestParamsOf(t *testing.T) {
	for _, tt := range []struct{ name, query, body, want string }{
		{"none", "q=select+1&format=csv", "", "[]"},
		{"of the URL", "param.n=5&param.b=&q=x", "", `[b="" n="5"]`},
		{"of the body", "", `{"i":5,"f":1.5,"t":"x","yes":true,"none":null,"e":1e3,"neg":-7}`, `[e=1000 f=1.5 i=5 neg=-7 none=<nil> t="x" yes=true]`},
		{"of both", "param.a=1", `{"b":2}`, `[a="1" b=2]`},
		{"numbers are not rounded", "", `{"big":9007199254740993,"huge":123456789012345678901234567890,"fine":0.12345678901234567890,"beyond":1e400}`,
			`[beyond="1e400" big=9007199254740993 fine="0.12345678901234567890" huge="123456789012345678901234567890"]`},
		{"twice in the URL", "param.a=1&param.a=2", "", `parameter "a" is in the URL more than once`},
		{"without a name", "param.=1", "", badParam("")},
		{"in both", "param.a=1", `{"a":2}`, `parameter "a" is in the URL and in the body`},
		{"a list", "", `{"a":[1]}`, badParam("a")},
		{"an object", "", `{"a":{}}`, badParam("a")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q, err := url.ParseQuery(tt.query)
			if err != nil {
				t.Fatal(err)
			}
			var body query.Params
			if tt.body != "" {
				if err := json.Unmarshal([]byte(tt.body), &body); err != nil {
					t.Fatal(err)
				}
			}
			args, err := paramsOf(q, body)
			if got := shown(args, err); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
	many := url.Values{}
	const most = 1000
	for i := range most + 1 {
		many.Set(fmt.Sprintf("param.p%d", i), "")
	}
	if _, err := paramsOf(many, nil); fault.CodeOf(err) != "too_many_params" {
		t.Errorf("%d parameters: got %v", most+1, err)
	}
}

func TestQueriesHaveParams(t *testing.T) {
	p := newPlant(t, setup{answers: answers()})
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		args                     string
	}{
		{"URL", "GET", "?q=three&param.n=5", "", 200, `[n="5"]`},
		{"URL of a POST", "POST", "?param.n=5", "three", 200, `[n="5"]`},
		{"body", "POST", "", `{"query":"three","params":{"n":5}}`, 200, "[n=5]"},
		{"no params", "POST", "", `{"query":"three","params":null}`, 200, "[]"},
		{"params that are a list", "POST", "", `{"query":"three","params":[5]}`, 400, ""},
		{"a nested one", "POST", "", `{"query":"three","params":{"n":[5]}}`, 400, ""},
		{"an unknown member", "POST", "", `{"query":"three","param":{}}`, 400, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			typ := "text/plain"
			if strings.HasPrefix(tt.body, "{") {
				typ = "application/json"
			}
			r := p.do(tt.method, "/api/data/query"+tt.path, tt.body, "Content-Type: "+typ)
			if r.status != tt.status {
				t.Errorf("got %d %s, want %d", r.status, r.body, tt.status)
			}
			p.one.mu.Lock()
			defer p.one.mu.Unlock()
			if got := shown(p.one.asked, nil); tt.status == http.StatusOK && got != tt.args {
				t.Errorf("got %s, want %s", got, tt.args)
			}
		})
	}
}

func badParam(name string) string {
	return fmt.Sprintf("parameter %q must have a name, and be null, true, false, a number or a text", name)
}

func paramsOf(q url.Values, body query.Params) ([]any, error) {
	params, err := withURL(body, q)
	if err != nil {
		return nil, err
	}
	return params.Args()
}

// shown prints arguments for a comparison.
func shown(args []any, err error) string {
	if err != nil {
		return fault.TextOf(err)
	}
	var list []string
	for _, arg := range args {
		n, ok := arg.(destination.Named)
		if text, isText := n.Value.(string); isText {
			list = append(list, fmt.Sprintf("%s=%q", n.Name, text))
		} else if ok {
			list = append(list, fmt.Sprintf("%s=%v", n.Name, n.Value))
		}
	}
	return "[" + strings.Join(list, " ") + "]"
}
