package ndjson

import (
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

func TestMembers(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`{}`, ""},
		{`{"a":1}`, "a=1;"},
		{`{"a":1,"a#2":"x\"y","b":{"c":[1,{"d":null}]},"é\n":true}`, `a=1;a#2="x\"y";b={"c":[1,{"d":null}]};é\n=true;`},
		{``, "!"}, {`{`, "!"}, {`{"a"}`, "!"}, {`{"a":1`, "!"}, {`{"a":1}x`, "!"}, {`[]`, "!"}, {`{"a":1,}`, "!"}, {`5`, "!"}, {`{"a":`, "!"},
	} {
		var got strings.Builder
		err := Members(tt.in, func(name, value []byte) { got.WriteString(string(name) + "=" + string(value) + ";") })
		if err != nil {
			got.Reset()
			got.WriteString("!")
		}
		if got.String() != tt.want {
			t.Errorf("%s: got %s, want %s", tt.in, got.String(), tt.want)
		}
	}
}

func TestFits(t *testing.T) {
	for _, tt := range []struct {
		kind  schema.Kind
		value string
		want  bool
	}{
		{schema.Int, `1`, true}, {schema.Int, `"42"`, true}, {schema.Int, `1.5`, false}, {schema.Int, `"x"`, false}, {schema.Int, `{"a":1}`, false},
		{schema.Float, `1.5`, true}, {schema.Float, `"1e3"`, true}, {schema.Float, `[1]`, false},
		{schema.Bool, `true`, true}, {schema.Bool, `"yes"`, false},
		{schema.Date, `"2024-02-29"`, true}, {schema.Date, `"2023-02-29"`, false},
		{schema.Timestamp, `"2024-02-29T10:00:00Z"`, true}, {schema.Timestamp, `"now"`, false},
		{schema.Text, `{"a":1}`, true}, {schema.Nested, `"x"`, true}, {schema.Foreign, `"x"`, true},
	} {
		if got := Fits(schema.Column{Kind: tt.kind}, []byte(tt.value)); got != tt.want {
			t.Errorf("%s in %s: got %t, want %t", tt.value, tt.kind, got, tt.want)
		}
	}
}
