package postgrest

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// injections are values and names that would do harm if they were a part of the SQL.
var injections = []string{
	`'`, `''`, `"`, `""`, `\`, `\'`, `\"`, `\\`, `;`, `--`, `/*`, `*/`, `#`, `$1`, `$2`, `?`, `:a`, `@a`, `{`, `}`, `(`, `)`, `,`, `.`, `*`, `%`, `_`, "`", `[`, `]`, `=`, `->`, `::int`, " ", "\t", "\n",
	`1 OR 1=1`, `' OR '1'='1`, `" OR "1"="1`, `'; DROP TABLE people; --`, `"; DROP TABLE people; --`, `x) OR (1=1`, `x') OR ('1'='1`, `1) UNION SELECT * FROM secrets --`,
	`' UNION SELECT NULL, secret FROM secrets /*`, `$$; DROP TABLE people; $$`, `x\' OR 1=1 --`, `\x27 OR 1=1`, `%27 OR 1=1`, `＇ OR 1=1`, `ʼ OR 1=1`, "\u2028", "\u202e", "é", "e\u0301", "😀",
	`NULL`, `null`, `true`, `(SELECT secret FROM secrets)`, `read_text('/etc/passwd')`, `eq.1`, `not.eq.1`, `and(a.eq.1)`, `1,2`, `a"."b`, `a AS b FROM secrets --`, `t.*`, `t`,
}

// quotedParts are the identifiers and the constants of SQL as the dialect writes them.
var quotedParts = regexp.MustCompile(`"(?:[^"]|"")*"|'\\'|'i?s'`)

// bones is what SQL may consist of besides.
var bones = regexp.MustCompile(`^(?:SELECT|FROM|AS|WHERE|AND|OR|NOT|IN|IS|NULL|NULLS|FIRST|LAST|ORDER|BY|DESC|DISTINCT|LIKE|ILIKE|ESCAPE|LIMIT|OFFSET|CAST|VARCHAR|INTEGER|BIGINT|` +
	`DOUBLE|DECIMAL|BOOLEAN|DATE|TIMESTAMP|TIMESTAMPTZ|regexp_matches|count|t|Q|\$?[0-9]+|[ .,()*=<>])*$`)

func checkBones(t *testing.T, sql string) {
	t.Helper()
	if rest := quotedParts.ReplaceAllString(sql, "Q"); !bones.MatchString(rest) {
		t.Fatalf("%q has more than it may: %q", sql, rest)
	}
}

func TestInjection(t *testing.T) {
	for _, s := range injections {
		injectValue(t, s)
		injectName(t, s)
	}
}

// valueForms are the forms in which a request has a value: as it is, and in double quotes.
var valueForms = []struct{ key, before, after string }{
	{"name", "eq.", ""}, {"name", "not.match.", ""}, {"name", "isdistinct.", ""}, {"name", "in.(x,", ")"}, {"name", "eq(any).{", ",x}"},
	{"or", "(name.neq.", ",name.is.null)"}, {"and", "(not.and(name.imatch.", "),name.gt.x)"}, {"not.and", "(name.in.(", ",x),name.lt(all).{x})"},
}

// injectValue sends s as a value in each form: the SQL must be that of a harmless value, and s must be bound whole.
func injectValue(t *testing.T, s string) {
	t.Helper()
	for _, form := range valueForms {
		send := func(v string) Statement {
			if form.after != "" {
				v = inQuotes(v)
			}
			r := Request{Query: url.Values{form.key: {form.before + v + form.after}}.Encode()}
			st, err := Translate(r, tableOf(t, "people"), columns(), DuckDB{})
			if err != nil {
				t.Fatalf("%s: %v", r.Query, err)
			}
			return st
		}
		got, want := send(s), send("harmless")
		if got.SQL != want.SQL {
			t.Fatalf("%s=%s%s%s\n got %s\nwant %s", form.key, form.before, s, form.after, got.SQL, want.SQL)
		}
		checkBones(t, got.SQL)
		if !slices.Contains(got.Args, any(s)) || len(got.Args) != len(want.Args) {
			t.Fatalf("%s=%s%s%s: %q lacks the value", form.key, form.before, s, form.after, got.Args)
		}
	}
}

// injectName sends s as the name of a column that there is, and as an alias.
func injectName(t *testing.T, s string) {
	t.Helper()
	q := inQuotes(s)
	r := Request{Query: url.Values{q: {"eq.1"}, "or": {"(" + q + ".is.null," + q + ".like.x)"}, "select": {q + ":" + q + "::text"}, "order": {q + ".desc"}}.Encode()}
	st, err := Translate(r, tableOf(t, "people"), []schema.Column{{Name: s, Kind: schema.Text}}, DuckDB{})
	if err != nil {
		t.Fatalf("column %q: %v", s, err)
	}
	checkBones(t, st.SQL)
	name := `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	if n := strings.Count(st.SQL, name); n < 6 {
		t.Fatalf("column %q: %s has it %d times", s, st.SQL, n)
	}
	if _, err := Translate(r, tableOf(t, "people"), nil, DuckDB{}); fault.CodeOf(err) != "unknown_column" {
		t.Fatalf("column %q that is not there: got %v", s, err)
	}
}

// FuzzText: no value or name, whatever its text, becomes a part of the SQL.
func FuzzText(f *testing.F) {
	for _, s := range injections {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) || s == "" || len(s) > 1000 {
			return
		}
		injectValue(t, s)
		injectName(t, s)
	})
}

// FuzzParse: any request is read or refused as the caller's mistake; what is read prints to a form that is read as the
// same; and its SQL does not change when its values do.
func FuzzParse(f *testing.F) {
	for _, q := range []string{
		"a=eq.1&name=like(any).{O*,P*}&order=a.desc.nullslast&limit=3", `or=(a.eq.1,not.and(name.in.("a\"b",c),"a,b".is.null))&select=*,x:a::text`,
		"not.or=(name.eq.{a,b},name.not.isdistinct.%22x%22)", "name=eq(all).{a,%22b%22,c%5C,}", "limit=0&offset=7&apikey=x", "a=is.null&active=is.true&and=(or(a.gt.1))",
	} {
		f.Add(q, "0-24", "count=exact")
	}
	f.Fuzz(func(t *testing.T, query, header, prefer string) {
		r := Request{Query: query, Range: header, Prefer: prefer}
		s, err := Parse(r)
		if err != nil {
			if fault.Of(err) != fault.Invalid || !utf8.ValidString(fault.TextOf(err)) {
				t.Fatalf("%q: got %v, want fault.Invalid in UTF-8", query, err)
			}
			return
		}
		again(t, r)
		st, err := s.SQL(tableOf(t, "people"), columns(), DuckDB{})
		if err != nil {
			return
		}
		checkBones(t, st.SQL)
		checkBones(t, st.Count)
		for _, c := range s.where {
			mark(c)
		}
		if marked, err := s.SQL(tableOf(t, "people"), columns(), DuckDB{}); err != nil || marked.SQL != st.SQL || marked.Count != st.Count || len(marked.Args) != len(st.Args) {
			t.Fatalf("%q\n got %s\nwith other values %s, %v", query, st.SQL, marked.SQL, err)
		}
	})
}

// mark replaces the values in c. The number is one for columns of integers too.
func mark(c condition) {
	switch c := c.(type) {
	case *group:
		for _, m := range c.members {
			mark(m)
		}
	case *filter:
		for i := range c.values {
			if c.op != "is" {
				c.values[i] = "9182736450"
			}
		}
	}
}
