package clickhouse

import (
	"fmt"
	"strings"
	"testing"
)

// show writes a type as it was taken apart.
func show(t typ) string {
	parts := make([]string, len(t.args))
	for i, arg := range t.args {
		parts[i] = show(arg)
		if i < len(t.names) {
			parts[i] = fmt.Sprintf("%q:", t.names[i]) + parts[i]
		}
	}
	if len(parts) == 0 {
		return t.name
	}
	return t.name + "<" + strings.Join(parts, " ") + ">"
}

func TestParseType(t *testing.T) {
	for text, want := range map[string]string{
		"String":                                 "String",
		"Nullable(Int32)":                        "Nullable<Int32>",
		"LowCardinality(Nullable(String))":       "LowCardinality<Nullable<String>>",
		"DateTime64(3, 'Europe/Oslo')":           "DateTime64",
		"Map(String, Array(Decimal(9, 2)))":      "Map<String Array<Decimal>>",
		"Tuple(Int8, String)":                    `Tuple<"":Int8 "":String>`,
		"Tuple(a Int8, `b, (c)` Nullable(Date))": `Tuple<"a":Int8 "b, (c)":Nullable<Date>>`,
		"Tuple(`x\\`y` DateTime64(3, 'UTC'))":    "Tuple<\"x`y\":DateTime64>",
		"Nested(a Int8, b String)":               `Array<Tuple<"a":Int8 "b":String>>`,
		"SimpleAggregateFunction(sum, UInt64)":   "UInt64",
		"Polygon":                                `Array<Array<Tuple<"":Float64 "":Float64>>>`,
		"Enum8('a)' = 1, 'it\\'s' = -2)":         "Enum8",
		"AggregateFunction(sum, UInt64)":         "AggregateFunction",
		"Odd(":                                   "Odd(",
		"":                                       "",
	} {
		if got := show(parseType(text)); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	got := fmt.Sprint(parseType(`Enum8('a,)' = 1, 'it\'s' = -2, 'two''s' = 3, 'x = 4' = 5)`).words())
	if want := "[{a,) 1} {it's -2} {two's 3} {x = 4 5}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPlainText(t *testing.T) {
	for text, want := range map[string]string{
		"Array(LowCardinality(String))":                                   "Array(String)",
		"Map(LowCardinality(String), Array(JSON))":                        "Map(String, Array(String))",
		"Tuple(`a b` LowCardinality(Nullable(String)), c Enum8('x' = 1))": "Tuple(`a b` Nullable(String), `c` Enum8('x' = 1))",
	} {
		if got := plainText(parseType(text)); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestTokens(t *testing.T) {
	for sql, want := range map[string]string{
		"a$b ?":        "a$b| |?",
		"'a\\'?''b' ?": "'a\\'?''b'| |?",
		"-- ?\n?":      "-- ?\n|?",
		"/* ? */?":     "/* ? */|?",
		"$x$ ? $x$?":   "$x$ ? $x$|?",
		"$a, $a$":      "$a|,| |$a|$",
		"\"?\"`?`":     "\"?\"|`?`",
		"'open":        "'open",
		"/* open":      "/* open",
		"#! x\n1":      "#! x\n|1",
	} {
		var got []string
		for i := 0; i < len(sql); {
			end := tokenEnd(sql, i)
			got, i = append(got, sql[i:end]), end
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%q: got %q, want %q", sql, got, want)
		}
	}
}

func TestBlank(t *testing.T) {
	for sql, want := range map[string]bool{"": true, " \n;": true, "-- x": true, "/* x */;": true, "1": false, "-- x\n1": false, "'": false} {
		if got := blank(sql); got != want {
			t.Errorf("%q: got %t, want %t", sql, got, want)
		}
	}
}

func TestCheckTree(t *testing.T) {
	for _, tt := range []struct {
		name, tree string
		want       string
	}{
		{"nothing", "", "not_a_select"},
		{"another statement", "DropQuery  x (children 1)\n Identifier x", "not_a_select"},
		{"a select", "SelectWithUnionQuery (children 1)\n ExpressionList (children 1)\n  SelectQuery (children 1)", ""},
		{"a table function", "SelectWithUnionQuery (children 1)\n TableExpression (children 1)\n  Function url (children 1)", "function_not_allowed"},
		{"one that is not known", "SelectWithUnionQuery (children 1)\n TableExpression (children 1)\n  Function novel (children 1)", "function_not_allowed"},
		{"one that is allowed", "SelectWithUnionQuery (children 1)\n TableExpression (children 1)\n  Function Numbers (alias url) (children 1)", ""},
		{"one with a final name", "SelectWithUnionQuery (children 1)\n TableExpression (children 1)\n  Function remote (alias x\ny) (children 1)", "function_not_allowed"},
		{"a function that is not known", "SelectWithUnionQuery (children 1)\n ExpressionList (children 1)\n  Function novel (children 1)", ""},
		{"a format", "SelectWithUnionQuery (children 2)\n ExpressionList (children 1)\n Identifier CSV", "format_not_allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := checkTree(strings.Split(tt.tree, "\n"))
			if got := codeText(err); got != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
