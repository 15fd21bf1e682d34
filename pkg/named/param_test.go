package named

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/query"
)

func TestParamsAreParsed(t *testing.T) {
	for _, tt := range []struct {
		kind       Type
		good, evil string // separated by spaces
	}{
		{Int, "0 -5 9223372036854775807 007", "1.5 x 9223372036854775808 1e3 --1 0x10"},
		{Float, "0 -5 1.5 1e3 0.1", "x NaN Infinity -Inf 1e400 .5 1. 0x1p3 1_000"},
		{Bool, "true false", "yes 1 TRUE t"},
		{Date, "2024-02-29 0001-01-01", "2023-02-29 2024-2-9 20240229 now 2024-02-29T00:00:00Z"},
		{Timestamp, "2024-02-29T12:00:00Z 2024-02-29T12:00:00+02:00 2024-02-29T12:00", "2024-02-29 now 2016-12-31T23:59:60Z"},
		{Text, "anything '; --", ""},
	} {
		p := Param{Name: "p", Type: tt.kind}
		for text := range strings.FieldsSeq(tt.good) {
			value, err := p.parse(text)
			if err != nil || !json.Valid(value) {
				t.Errorf("%s %q: got %s, %v", tt.kind, text, value, err)
			}
		}
		for text := range strings.FieldsSeq(tt.evil) {
			_, err := p.parse(text)
			if fault.CodeOf(err) != "bad_param" || !strings.Contains(err.Error(), "parameter p:") || !strings.Contains(err.Error(), types[tt.kind]) {
				t.Errorf("%s %q: got %v, want bad_param that says what is wanted", tt.kind, text, err)
			}
		}
	}
}

func TestQueriesAreChecked(t *testing.T) {
	params := func(list ...Param) []Param { return list }
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	for _, tt := range []struct {
		name string
		q    Query
		want string // in the error
	}{
		{"plain", Query{Name: "top-10_x", SQL: "select 1"}, ""},
		{"all parts", Query{Name: "a", SQL: "select $n", Public: true, Fixed: query.Params{"n": raw("5")},
			Params: params(Param{Name: "n", Type: Int, Default: raw("10")}, Param{Name: "s"}, Param{Name: "d", Type: Date, Default: raw(`"2024-02-29"`)}, Param{Name: "z", Type: Int, Default: raw("null")})}, ""},
		{"no name", Query{SQL: "select 1"}, `name: ""`},
		{"a name with a slash", Query{Name: "a/b", SQL: "select 1"}, "name:"},
		{"a long name", Query{Name: strings.Repeat("n", 65), SQL: "select 1"}, "name:"},
		{"no query", Query{Name: "a", SQL: " \n"}, "no query"},
		{"a parameter without a name", Query{Name: "a", SQL: "x", Params: params(Param{})}, "its name must"},
		{"a parameter with a dash", Query{Name: "a", SQL: "x", Params: params(Param{Name: "a-b"})}, "its name must"},
		{"a parameter that is taken", Query{Name: "a", SQL: "x", Params: params(Param{Name: "format"})}, "its name must"},
		{"a parameter twice", Query{Name: "a", SQL: "x", Params: params(Param{Name: "n"}, Param{Name: "n"})}, "n is there twice"},
		{"no such type", Query{Name: "a", SQL: "x", Params: params(Param{Name: "n", Type: "uuid"})}, `"uuid" is not one of`},
		{"a default of another type", Query{Name: "a", SQL: "x", Params: params(Param{Name: "n", Type: Int, Default: raw(`"5"`)})}, "a whole number"},
		{"a default that is no date", Query{Name: "a", SQL: "x", Params: params(Param{Name: "n", Type: Date, Default: raw(`"now"`)})}, "a date"},
		{"a nested default", Query{Name: "a", SQL: "x", Params: params(Param{Name: "n", Default: raw(`["5"]`)})}, "is not text"},
		{"fixed, not public", Query{Name: "a", SQL: "x", Params: params(Param{Name: "n"}), Fixed: query.Params{"n": raw(`"x"`)}}, "public"},
		{"fixed, unknown", Query{Name: "a", SQL: "x", Public: true, Fixed: query.Params{"n": raw(`"x"`)}}, `no parameter "n"`},
		{"too many", Query{Name: "a", SQL: "x", Params: make([]Param, maxParams+1)}, "100 parameters"},
	} {
		err := tt.q.check()
		if tt.want == "" && err != nil || tt.want != "" && (fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	q := Query{Public: true, Fixed: query.Params{"n": raw(`"x"`)}, Params: params(Param{Name: "n", Type: Int})}
	if _, err := q.sample(); fault.CodeOf(err) != "bad_param" {
		t.Errorf("a fixed value of another type: got %v", err)
	}
}

func TestArgs(t *testing.T) {
	q := Query{Params: []Param{{Name: "n", Type: Int}, {Name: "s", Type: Text, Default: json.RawMessage(`"all"`)}}, Public: true,
		Fixed: query.Params{"s": json.RawMessage(`"mine"`)}}
	for _, tt := range []struct {
		name, url string
		public    bool
		want      string
	}{
		{"all", "n=5&s=x&format=csv", false, "[{n 5} {s x}]"},
		{"defaults", "n=5", false, "[{n 5} {s all}]"},
		{"empty text", "n=5&s=", false, "[{n 5} {s }]"},
		{"missing", "s=x", false, "missing_param"},
		{"bad", "n=five", false, "bad_param"},
		{"twice", "n=5&n=6", false, "bad_param"},
		{"public", "n=5", true, "[{n 5} {s mine}]"},
		{"public, fixed given", "n=5&s=yours", true, "fixed_param"},
	} {
		given, err := url.ParseQuery(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		args, err := q.Args(given, tt.public)
		got := fmt.Sprint(args)
		if err != nil {
			got = fault.CodeOf(err)
		}
		if got != tt.want {
			t.Errorf("%s: got %s, %v, want %s", tt.name, got, err, tt.want)
		}
	}
}
