package duckdb

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

// The engine converts text as a person would like who types it: it rounds, leaves out digits and days, and reads what is
// not quite JSON. A value that it would change must be rescued instead.

// text is the SQL of what column i's value is converted from: a string's text, any other value's JSON text, where needed
// in the form that the engine reads without loss.
func (s *stage) text(i int) string { return s.textAs(i, s.cols[i].Type) }

// textAs is text for a column of another type.
func (s *stage) textAs(i int, to string) string {
	name := s.names[i]
	if text := s.copied(i, to); text != "" {
		return text
	}
	text := "(CASE WHEN " + name + "[1] = '\"' THEN " + name + " ->> '$' ELSE " + name + " END)"
	switch {
	case to == "JSON": // any text: as JSON where it is some, else as a JSON string
		return "CASE WHEN json_valid(" + text + ") THEN " + text + " ELSE to_json(" + text + ")::VARCHAR END"
	case to == "TIMESTAMP_S", to == "TIMESTAMP_MS": // the engine would leave out the zone; its own is UTC
		return "TRY_CAST(" + text + " AS TIMESTAMPTZ)::TIMESTAMP::VARCHAR"
	case nested(to):
		return "CASE WHEN " + s.isJSON(i) + " THEN TRY(CAST(TRY_CAST(" + name + " AS JSON) AS " + to + "))::VARCHAR ELSE " + text + " END"
	}
	return text
}

// copied is textAs for a value that was copied from a column of a type that is known, "" where that makes no difference.
func (s *stage) copied(i int, to string) string {
	like, name := s.cols[i].Like, s.names[i]
	switch {
	case like == nil:
		return ""
	case like.Kind == vector.JSON && to == "JSON":
		return "(" + name + " ->> '$')"
	case like.Kind == vector.Blob && to == "BLOB":
		return "CAST(TRY(from_base64(" + name + " ->> '$')) AS VARCHAR)"
	case !nested(to) || like.Elem == nil && like.Fields == nil:
		return ""
	case hasBytes(*like) && strings.Contains(to, "BLOB"):
		return "CAST(NULL AS VARCHAR)" // it would get the base64 text
	}
	return s.nestedAtOnce(i, to) + "::VARCHAR"
}

// isJSON is the SQL of whether column i's value, of a nested type, must be read as JSON: the engine's own form has other
// escapes, and maps in it look different. It is more forgiving else, as of keys that are missing.
func (s *stage) isJSON(i int) string {
	name := s.names[i]
	if strings.HasPrefix(s.cols[i].Type, "MAP(") {
		return name + "[1] = '{'"
	}
	return name + "[1] <> '\"' AND contains(" + name + ", '\\')"
}

// nested reports whether a type is one of several values.
func nested(to string) bool {
	return strings.HasSuffix(to, "]") || strings.HasPrefix(to, "STRUCT(") || strings.HasPrefix(to, "MAP(") || strings.HasPrefix(to, "UNION(")
}

// fits is the SQL of whether column i's value converts without loss; never NULL.
func (s *stage) fits(i int) string {
	text, to := s.text(i), s.cols[i].Type
	cast := tryCast(text, to)
	return "COALESCE(" + cast + " IS NOT NULL" + s.exact(i, text, cast) + ", false)"
}

// tryCast is the SQL of a text in a type, NULL when it does not convert.
func tryCast(text, to string) string {
	if nested(to) {
		return "TRY(CAST(" + text + " AS " + to + "))" // TRY_CAST makes NULL of an element that does not convert
	}
	return "TRY_CAST(" + text + " AS " + to + ")"
}

var decimalType = regexp.MustCompile(`^DECIMAL\(\d+,(\d+)\)$`)

// exact is the SQL of AND whether cast has all that text says; "" when it always has.
func (s *stage) exact(i int, text, cast string) string {
	to := s.cols[i].Type
	if nested(to) {
		return s.exactInside(i, cast)
	}
	scale := "0"
	if m := decimalType.FindStringSubmatch(to); m != nil {
		scale, to = m[1], "DECIMAL"
	}
	switch to {
	case "HUGEINT", "UHUGEINT", "DECIMAL":
		return fmt.Sprintf(` AND (regexp_full_match(%[1]s, '-?(0|[1-9][0-9]*)(\.[0-9]{0,%[2]s}0*)?')`+
			` OR regexp_full_match(%[1]s, '-?[0-9.]+[eE][-+]?[0-9]+') AND TRY_CAST(%[1]s AS DOUBLE) = CAST(%[3]s AS DOUBLE))`, text, scale, cast)
	case "TIMESTAMP_S", "TIMESTAMP_MS":
		return fmt.Sprintf(" AND CAST(%s AS TIMESTAMP) = TRY_CAST(%s AS TIMESTAMP)", cast, text) + noFiner(s.names[i], "6")
	case "TIMESTAMP_NS":
		return noFiner(text, "9")
	case "TIME", "TIME WITH TIME ZONE":
		return " AND regexp_matches(" + text + ", '^[0-9]+:')" + noFiner(text, "6") // there is no day in it
	case "INTERVAL":
		return noFiner(text, "6")
	}
	return ""
}

// rounding finds the types that the engine rounds numbers for, in a type's text. What is quoted there is a name.
var rounding = regexp.MustCompile(`"(?:[^"]|"")*"|'(?:[^']|'')*'|\b(?:U?(?:TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DECIMAL\(\d+,\d+\))`)

// exactInside is exact for a type of several values: as floats they must be the same before and after.
func (s *stage) exactInside(i int, cast string) string {
	to := s.cols[i].Type
	floats := rounding.ReplaceAllStringFunc(to, func(found string) string {
		if found[0] == '"' || found[0] == '\'' {
			return found
		}
		return "DOUBLE"
	})
	if floats == to {
		return ""
	}
	return " AND " + tryCast(s.textAs(i, floats), floats) + " = " + tryCast(cast, floats)
}

// noFiner is the SQL of AND whether a text has no fraction of more digits than that.
func noFiner(text, digits string) string {
	return ` AND NOT regexp_matches(` + text + `, '\.[0-9]{` + digits + `}0*[1-9]')`
}
