package clickhouse

import (
	"strconv"
	"strings"
)

// typ is one of the server's types, taken apart.
type typ struct {
	text   string   // all of it
	name   string   // without what is in parentheses
	params []string // what is in parentheses, as it stands
	args   []typ    // the types among these
	names  []string // of a Tuple's members, "" where one has none
}

// aliases are types that are others under a name of their own.
var aliases = map[string]string{
	"Point": "Tuple(Float64, Float64)", "Ring": "Array(Point)", "LineString": "Array(Point)", "MultiLineString": "Array(LineString)",
	"Polygon": "Array(Ring)", "MultiPolygon": "Array(Polygon)",
}

// parseType takes a type's text apart. One that it does not understand has its text as its name, and no parts.
func parseType(text string) typ {
	t := typ{text: text, name: text}
	if of, ok := aliases[text]; ok {
		t = parseType(of)
		t.text = text
		return t
	}
	open := strings.IndexByte(text, '(')
	if open < 0 || !strings.HasSuffix(text, ")") {
		return t
	}
	t.name = text[:open]
	t.params = splitParams(text[open+1 : len(text)-1])
	switch t.name {
	case "Nullable", "LowCardinality", "Array", "Map", "Variant":
		for _, p := range t.params {
			t.args = append(t.args, parseType(p))
		}
	case "SimpleAggregateFunction":
		if len(t.params) > 1 {
			of := parseType(t.params[len(t.params)-1])
			of.text = text
			return of
		}
	case "Tuple", "Nested":
		t.members()
	}
	return t
}

// members reads the types of a Tuple, or of a Nested, which is an Array of one.
func (t *typ) members() {
	for _, p := range t.params {
		name, of := splitName(p)
		t.names, t.args = append(t.names, name), append(t.args, parseType(of))
	}
	if t.name == "Nested" {
		*t = typ{text: t.text, name: "Array", args: []typ{{text: "Tuple(" + strings.Join(t.params, ", ") + ")", name: "Tuple", params: t.params, args: t.args, names: t.names}}}
	}
}

// splitParams splits at the commas that are in no parentheses and no quotes.
func splitParams(s string) []string {
	var parts []string
	depth, from := 0, 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '(':
			depth++
		case ')':
			depth--
		case '\'', '`', '"':
			i = quoteEnd(s, i)
		case ',':
			if depth == 0 {
				parts = append(parts, strings.TrimSpace(s[from:i]))
				from = i + 1
			}
		}
	}
	if last := strings.TrimSpace(s[from:]); last != "" {
		parts = append(parts, last)
	}
	return parts
}

// quoteEnd gives the place of the quote that ends the one at from, or the last byte.
func quoteEnd(s string, from int) int {
	for i := from + 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[from]:
			if i+1 < len(s) && s[i+1] == s[from] {
				i++
				continue
			}
			return i
		}
	}
	return len(s) - 1
}

// splitName splits a Tuple's member into its name, if it has one, and its type.
func splitName(p string) (name, of string) {
	if p == "" {
		return "", ""
	}
	if p[0] == '`' || p[0] == '"' {
		end := quoteEnd(p, 0)
		return unquote(p[:end+1]), strings.TrimSpace(p[end+1:])
	}
	for i := range len(p) {
		switch p[i] {
		case '(':
			return "", p
		case ' ':
			return p[:i], strings.TrimSpace(p[i:])
		}
	}
	return "", p
}

// unquote gives what a text in quotes of any sort means.
func unquote(s string) string {
	if len(s) < 2 {
		return s
	}
	q, s := s[0], s[1:len(s)-1]
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			if at := strings.IndexByte("0abfnrtve", s[i]); at >= 0 {
				b.WriteByte("\x00\a\b\f\n\r\t\v\x1b"[at])
			} else {
				b.WriteByte(s[i])
			}
		case s[i] == q && i+1 < len(s) && s[i+1] == q:
			i++
			b.WriteByte(q)
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// number gives a parameter that is a number, or else n.
func (t typ) number(param, n int) int {
	if param < len(t.params) {
		if x, err := strconv.Atoi(t.params[param]); err == nil {
			return x
		}
	}
	return n
}

// bare gives the type of values that are there, without Nullable and LowCardinality, and whether NULL may be.
func (t typ) bare() (of typ, nullable bool) {
	for t.name == "Nullable" || t.name == "LowCardinality" {
		nullable = nullable || t.name == "Nullable"
		t = t.args[0]
	}
	return t, nullable
}

// decimal gives the digits in all and after the point of a Decimal.
func (t typ) decimal() (precision, scale int, ok bool) {
	switch t.name {
	case "Decimal":
		return t.number(0, 10), t.number(1, 0), true
	case "Decimal32":
		return 9, t.number(0, 0), true
	case "Decimal64":
		return 18, t.number(0, 0), true
	case "Decimal128":
		return 38, t.number(0, 0), true
	case "Decimal256":
		return 76, t.number(0, 0), true
	}
	return 0, 0, false
}

// word is one of an Enum's.
type word struct {
	text   string
	number int
}

// words lists those of an Enum.
func (t typ) words() (list []word) {
	for _, p := range t.params {
		if p == "" || p[0] != '\'' {
			continue
		}
		end := quoteEnd(p, 0)
		_, number, _ := strings.Cut(p[end+1:], "=")
		n, err := strconv.Atoi(strings.TrimSpace(number))
		if err == nil {
			list = append(list, word{unquote(p[:end+1]), n})
		}
	}
	return list
}
