package postgrest

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

func tableOf(t testing.TB, name string) schema.Table {
	t.Helper()
	table, err := schema.ParseTable(name)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// columns are those of the documentation's examples, and some whose names need quotes.
func columns() []schema.Column {
	cols := []schema.Column{
		{Name: "student", Kind: schema.Bool}, {Name: "active", Kind: schema.Bool}, {Name: "salary", Kind: schema.Foreign, Type: "DECIMAL(18,2)"}, {Name: "worth", Kind: schema.Foreign, Type: "HUGEINT"},
		{Name: "birth_date", Kind: schema.Date}, {Name: "height", Kind: schema.Float}, {Name: "Unit Price", Kind: schema.Float},
	}
	for _, name := range [...]string{"id", "age", "grade", "a"} {
		cols = append(cols, schema.Column{Name: name, Kind: schema.Int})
	}
	for _, name := range [...]string{"name", "first_name", "last_name", "full_name", "information.cpe", "موارد", "a-b", "$x", "and", "or",
		"not", "select", "order", "limit", "format", "table", "param.x", `q"u`, `b\s`, " edge ", "a,b", "*"} {
		cols = append(cols, schema.Column{Name: name, Kind: schema.Text})
	}
	return cols
}

// encode makes a query string of one that is easy to read.
func encode(query string) string {
	if query == "" {
		return ""
	}
	params := strings.Split(query, "&")
	for i, p := range params {
		key, value, _ := strings.Cut(p, "=")
		params[i] = url.QueryEscape(key) + "=" + url.QueryEscape(value)
	}
	return strings.Join(params, "&")
}

const head = `SELECT t.* FROM "main"."people" AS t`

// TestTranslate has the examples of PostgREST 12's documentation, then what it says in words.
func TestTranslate(t *testing.T) {
	for _, tt := range []struct {
		query string
		want  string // after head, or all
		args  []any
	}{
		{"", ``, nil},
		{"age=lt.13", ` WHERE t."age" < $1`, []any{"13"}},
		{"age=gte.18&student=is.true", ` WHERE t."age" >= $1 AND (t."student" IS NOT NULL AND t."student")`, []any{"18"}},
		{"a=in.(1,2,3)", ` WHERE t."a" IN ($1, $2, $3)`, []any{"1", "2", "3"}},
		{`name=in.("hi,there","yes,you")`, ` WHERE t."name" IN ($1, $2)`, []any{"hi,there", "yes,you"}},
		{"or=(age.lt.18,age.gt.21)", ` WHERE (t."age" < $1 OR t."age" > $2)`, []any{"18", "21"}},
		{"a=not.eq.2", ` WHERE NOT (t."a" = $1)`, []any{"2"}},
		{"not.and=(a.gte.0,a.lte.100)", ` WHERE NOT (t."a" >= $1 AND t."a" <= $2)`, []any{"0", "100"}},
		{"grade=gte.90&student=is.true&or=(age.eq.14,not.and(age.gte.11,age.lte.17))", ` WHERE t."grade" >= $1 AND ` +
			`(t."student" IS NOT NULL AND t."student") AND (t."age" = $2 OR NOT (t."age" >= $3 AND t."age" <= $4))`, []any{"90", "14", "11", "17"}},
		{"last_name=like(any).{O*,P*}", ` WHERE (t."last_name" LIKE $1 ESCAPE '\' OR t."last_name" LIKE $2 ESCAPE '\')`, []any{"O%", "P%"}},
		{"last_name=like(all).{O*,*n}", ` WHERE (t."last_name" LIKE $1 ESCAPE '\' AND t."last_name" LIKE $2 ESCAPE '\')`, []any{"O%", "%n"}},
		{"select=first_name,age", `SELECT t."first_name" AS "first_name", t."age" AS "age" FROM "main"."people" AS t`, nil},
		{"select=fullName:full_name,birthDate:birth_date", `SELECT t."full_name" AS "fullName", t."birth_date" AS "birthDate" FROM "main"."people" AS t`, nil},
		{"select=full_name,salary::text", `SELECT t."full_name" AS "full_name", CAST(t."salary" AS VARCHAR) AS "salary" FROM "main"."people" AS t`, nil},
		{"order=age.desc,height.asc", ` ORDER BY t."age" DESC NULLS FIRST, t."height" NULLS LAST`, nil},
		{"order=age", ` ORDER BY t."age" NULLS LAST`, nil},
		{"order=age.nullsfirst", ` ORDER BY t."age" NULLS FIRST`, nil},
		{"order=age.desc.nullslast", ` ORDER BY t."age" DESC NULLS LAST`, nil},
		{"limit=15&offset=30", ` LIMIT 15 OFFSET 30`, nil},
		{"Unit Price=lt.200", ` WHERE t."Unit Price" < $1`, []any{"200"}},
		{`name=in.("Hebdon,John","Williams,Mary")`, ` WHERE t."name" IN ($1, $2)`, []any{"Hebdon,John", "Williams,Mary"}},
		{`"information.cpe"=like.*MS*`, ` WHERE t."information.cpe" LIKE $1 ESCAPE '\'`, []any{"%MS%"}},
		{`name=in.("Quote:\"","Backslash:\\")`, ` WHERE t."name" IN ($1, $2)`, []any{`Quote:"`, `Backslash:\`}},
		{"موارد=eq.مرحبا", ` WHERE t."موارد" = $1`, []any{"مرحبا"}},
		{"active=is.false", ` WHERE (t."active" IS NOT NULL AND NOT t."active")`, nil},

		{"select=*", ``, nil},
		{"select=*, x : age :: Double Precision ", `SELECT t.*, CAST(t."age" AS DOUBLE) AS "x" FROM "main"."people" AS t`, nil},
		{`select="q\"u":"q\"u","b\\s",a-b,"*"`, `SELECT t."q""u" AS "q""u", t."b\s" AS "b\s", t."a-b" AS "a-b", t."*" AS "*" FROM "main"."people" AS t`, nil},
		{"age=neq.1&age=gt.2&age=lte.3", ` WHERE t."age" <> $1 AND t."age" > $2 AND t."age" <= $3`, []any{"1", "2", "3"}},
		{"name=ilike.j*n&name=match.^J&name=imatch.n$", ` WHERE t."name" ILIKE $1 ESCAPE '\' AND regexp_matches(t."name", $2, 's') AND ` +
			`regexp_matches(t."name", $3, 'is')`, []any{"j%n", "^J", "n$"}},
		{"age=isdistinct.5&age=not.isdistinct.6", ` WHERE t."age" IS DISTINCT FROM $1 AND NOT (t."age" IS DISTINCT FROM $2)`, []any{"5", "6"}},
		{"age=is.NULL&name=not.is.null&id=is.not_null&active=is.unknown", ` WHERE t."age" IS NULL AND NOT (t."name" IS NULL) AND t."id" IS NOT NULL AND t."active" IS NULL`, nil},
		{"age=in.()", ` WHERE 1 = 0`, nil},
		{"age=eq(any).{}&age=eq(all).{}", ` WHERE 1 = 0 AND 1 = 1`, nil},
		{`name=in.("")`, ` WHERE t."name" IN ($1)`, []any{""}},
		{`name=in.(,)`, ` WHERE t."name" IN ($1, $2)`, []any{"", ""}},
		{`name=in.( "a", b c,d"e,"f"g)`, ` WHERE t."name" IN ($1, $2, $3, $4)`, []any{"a", " b c", `d"e`, `"f"g`}},
		{`name=eq(any).{ a , "b,c" ,d\,\ ,"NULL",null x}`, ` WHERE (t."name" = $1 OR t."name" = $2 OR t."name" = $3 OR t."name" = $4 OR t."name" = $5)`,
			[]any{"a", "b,c", "d, ", "NULL", "null x"}},
		{`name=eq."x,y)(`, ` WHERE t."name" = $1`, []any{`"x,y)(`}},
		{`name=eq.`, ` WHERE t."name" = $1`, []any{""}},
		{`name=eq.a.b.c=d`, ` WHERE t."name" = $1`, []any{"a.b.c=d"}},
		{`or=( name.eq."x,y)(", and ( age.eq.1,name.eq.{a,b}) )`, ` WHERE (t."name" = $1 OR (t."age" = $2 AND t."name" = $3))`, []any{"x,y)(", "1", "{a,b}"}},
		{`or=(name.in.("a)",b),not.or(name.not.is.null))`, ` WHERE (t."name" IN ($1, $2) OR NOT (NOT (t."name" IS NULL)))`, []any{"a)", "b"}},
		{`and=(name.ilike(any).{"a,b",c*},name.eq.)`, ` WHERE ((t."name" ILIKE $1 ESCAPE '\' OR t."name" ILIKE $2 ESCAPE '\') AND t."name" = $3)`, []any{"a,b", "c%", ""}},
		{`or=(and.eq.1,or.eq.2,not.eq.3,not.not.eq.4)`, ` WHERE (t."and" = $1 OR t."or" = $2 OR t."not" = $3 OR NOT (t."not" = $4))`, []any{"1", "2", "3", "4"}},
		{`"select"=eq.1&"order"=eq.2&"limit"=eq.3&"param.x"=eq.4&"and"=eq.5`, ` WHERE t."select" = $1 AND t."order" = $2 AND t."limit" = $3 AND t."param.x" = $4 AND t."and" = $5`,
			[]any{"1", "2", "3", "4", "5"}},
		{`columns=x&on_conflict=y&api_key=k&apikey=k&format=csv&table=t&param.x=1`, ``, nil},
		{`" edge "=eq.1& age =eq.2`, ` WHERE t." edge " = $1 AND t."age" = $2`, []any{"1", "2"}},
		{`limit=0&offset=5`, ` LIMIT 0 OFFSET 5`, nil},
		{"salary=eq.2&salary=gt.2.50000", ` WHERE t."salary" = $1 AND t."salary" > $2`, []any{"2", "2.50000"}},
		{"salary=eq.1.999&salary=not.in.(1.999,12e-4)&salary=isdistinct.1.999", ` WHERE t."salary" <> t."salary" AND NOT (t."salary" <> t."salary") AND 1 = 1`, nil},
		{"salary=neq.1.999&salary=in.(1.999,7)", ` WHERE t."salary" = t."salary" AND t."salary" IN ($1)`, []any{"7"}},
		{"salary=gt.1.999&salary=gte.123456e-4&salary=lt.+.001&salary=lte.1e-99999", ` WHERE t."salary" > $1 AND t."salary" > $2 AND t."salary" <= $3 AND t."salary" <= $4`,
			[]any{"1.99", "12.34", "+0.00", "0.00"}},
		{"salary=gt.-1.999&salary=gte.-.001&salary=lt.-1.999&salary=lte.-1234567e-3", ` WHERE t."salary" >= $1 AND t."salary" >= $2 AND t."salary" < $3 AND t."salary" < $4`,
			[]any{"-1.99", "-0.00", "-1.99", "-1234.56"}},
		{"salary=eq(any).{1.999,2}&salary=lt.00.1234e1&salary=gt.1.5e2", ` WHERE (t."salary" <> t."salary" OR t."salary" = $1) AND t."salary" <= $2 AND t."salary" > $3`,
			[]any{"2", "001.23", "1.5e2"}},
	} {
		got, err := Translate(Request{Query: encode(tt.query)}, tableOf(t, "people"), columns(), DuckDB{})
		want := tt.want
		if !strings.HasPrefix(want, "SELECT") {
			want = head + want
		}
		if err != nil || got.SQL != want || !slices.Equal(got.Args, tt.args) || got.Count != "" {
			t.Errorf("%s\n got %s %q, %v\nwant %s %q", tt.query, got.SQL, got.Args, err, want, tt.args)
		}
		again(t, Request{Query: encode(tt.query)})
	}
}

// again makes sure that what was parsed prints to a form that is parsed as the same.
func again(t *testing.T, r Request) {
	t.Helper()
	s, err := Parse(r)
	if err != nil {
		return
	}
	text := s.String()
	back, err := Parse(Request{Query: text})
	if err != nil || back.String() != text {
		t.Fatalf("%q prints as %q, which is read as %q, %v", r.Query, text, back, err)
	}
	was, err1 := s.SQL(tableOf(t, "people"), columns(), DuckDB{})
	is, err2 := back.SQL(tableOf(t, "people"), columns(), DuckDB{})
	if was.SQL != is.SQL || !slices.Equal(was.Args, is.Args) || (err1 == nil) != (err2 == nil) {
		t.Fatalf("%q is %s %q, %v\nprinted %q is %s %q, %v", r.Query, was.SQL, was.Args, err1, text, is.SQL, is.Args, err2)
	}
}

func TestMistakes(t *testing.T) {
	deep := strings.Repeat("and(", maxDepth) + "a.eq.1" + strings.Repeat(")", maxDepth)
	many := strings.TrimSuffix(strings.Repeat("a.eq.1,", maxFilters+1), ",")
	for _, tt := range []struct{ query, code, text string }{
		{"agee=eq.1", "unknown_column", `the parameter name "agee", character 1: the table people has no column "agee"`},
		{"or=(age.eq.1,ä.eq.2,x.eq.2)", "unknown_column", `parameter "or", character 11: the table people has no column "ä"`},
		{"select=id,x:nope", "unknown_column", `parameter "select", character 6: the table people has no column "nope"`},
		{"order=id,nope.desc", "unknown_column", `parameter "order", character 4`},
		{"Age=eq.1", "unknown_column", `"Age"`},
		{"age=foo.1", "unknown_operator", `parameter "age", character 1: "foo" is not an operator`},
		{"age=13", "unknown_operator", `"13"`}, {"age=", "unknown_operator", `""`}, {"age=not.not.eq.1", "unknown_operator", `character 5: "not"`},
		{"name=fts.x", "unknown_operator", `"fts"`}, {"name=plfts(english).x", "unknown_operator", `"plfts"`}, {"name=cs.{a}", "unknown_operator", `"cs"`},
		{"or=(age.eq.1,age.foo.2)", "unknown_operator", `parameter "or", character 15: "foo"`}, {"age=EQ.1", "unknown_operator", `"EQ"`},
		{"age=eq", "bad_filter", `character 3: expected a dot and a value, not the end`}, {"age=eq(some).{1}", "bad_filter", `character 3`},
		{"age=neq(any).{1}", "bad_filter", `neq has no modifiers`}, {"age=in(any).(1)", "bad_filter", `in has no modifiers`}, {"age=eq(any).1", "bad_filter", `a list in braces`},
		{"age=eq(any).{1", "bad_filter", `',' or '}'`}, {"age=eq(any).{1,,2}", "bad_filter", `character 12`}, {"age=eq(any).{{1}}", "bad_filter", `character 10`},
		{"age=eq(any).{null}", "bad_filter", `cannot have NULL`}, {"age=eq(any).{1}x", "bad_filter", `expected the end, not 'x'`}, {`name=eq(any).{"a}`, "bad_filter", `never closed`},
		{"age=in.1", "bad_filter", `a list in parentheses`}, {"age=in.(1", "bad_filter", `',' or ')'`}, {"age=in.(1)2", "bad_filter", `expected the end`},
		{"age=is.maybe", "bad_filter", `is takes null`}, {"age=is.null,x", "bad_filter", `expected the end`}, {"age=is.true", "bad_filter", `needs a boolean column`},
		{"age=like.1*", "bad_filter", `like needs a column of texts`}, {"age=eq.5.5", "bad_filter", `character 4: "5.5" is not an integer`}, {"age=in.(1,x)", "bad_filter", `"x"`},
		{"salary=eq.1_0.999", "bad_filter", `character 4: "1_0.999" is not a number`}, {"salary=in.(1,.)", "bad_filter", `"." is not a number`},
		{"worth=eq.1.6", "bad_filter", `character 4: "1.6" is not an integer`}, {"worth=gt.1e1", "bad_filter", `"1e1" is not an integer`},
		{`name=like.a\`, "bad_filter", `cannot end with a backslash`}, {`name=ilike(any).{"a\\\\","b\\"}`, "bad_filter", `cannot end with a backslash`},
		{"or=", "bad_filter", `conditions in parentheses`}, {"or=()", "bad_filter", `a column's name, not ')'`}, {"or=(age.eq.1", "bad_filter", `not the end`},
		{"or=(age.eq.1,)", "bad_filter", `character 11`}, {"or=(age.eq.1))", "bad_filter", `expected the end`}, {"or=(age)", "bad_filter", `a dot and an operator`},
		{"or=(xor(age.eq.1))", "bad_filter", `character 5`}, {`or=(name.eq.{a}b)`, "bad_filter", `character 13`}, {"not.or=age.eq.1", "bad_filter", `character 1`},
		{"and=(" + deep + ")", "too_deep", `16 deep`}, {"and=(" + many + ")", "too_many_filters", `256`},
		{"a=in.(" + strings.Repeat("1,", maxValues) + "1)", "too_many_values", `4096`}, {"a=eq." + strings.Repeat("1", maxLength), "query_too_long", `65536`},
		{"select=" + strings.Repeat("a,", maxItems) + "a", "bad_select", `2000`}, {"order=" + strings.Repeat("a,", maxTerms) + "a", "bad_order", `64`},
		{"=eq.1", "bad_filter", `a column's name`}, {`"a=eq.1`, "bad_filter", `never closed`}, {`""=eq.1`, "bad_filter", `empty`}, {`"a"b=eq.1`, "bad_filter", `not 'b'`},
		{"clients.id=eq.1", "not_supported", `embedded`}, {"clients.or=(a.eq.1)", "not_supported", `embedded`}, {"json_data->>blood_type=eq.A-", "not_supported", `JSON paths`},
		{"or=(json_data->age.gt.1)", "not_supported", `JSON paths`}, {"select=id,json_data->phones->0->>number", "not_supported", `character 13: JSON paths`},
		{"select=id,clients(id)", "not_supported", `embedded`}, {"select=id,clients!inner(id)", "not_supported", `embedded`}, {"select=...clients(id)", "not_supported", `embedded`},
		{"select=amount.sum()", "not_supported", `aggregate`}, {"select=count()", "not_supported", `functions`}, {"order=clients(id)", "not_supported", `embedded`},
		{"order=location->>lat", "not_supported", `JSON paths`},
		{"select=", "bad_select", `a column's name`}, {"select=id,", "bad_select", `a column's name`}, {"select=id::money", "bad_select", `"money" is not a type`},
		{"select=id::int::text", "bad_select", `',' or the end`}, {"select=*::text", "bad_select", `',' or the end`}, {"select=id::", "bad_select", `""`}, {"select=x:", "bad_select", `a column's name`},
		{"select=id;drop", "bad_select", `not ';'`}, {"select=id::text)", "bad_select", `"text)"`}, {"select=a b:", "bad_select", `name`},
		{"order=", "bad_order", `a column's name`}, {"order=id.down", "bad_order", `expected asc or desc`}, {"order=id.asc.desc", "bad_order", `character 8`},
		{"order=id.nullsfirst.desc", "bad_order", `character 15`}, {"order=id.desc x", "bad_order", `',' or the end`}, {"order=id.", "bad_order", `asc or desc`},
		{"limit=-1", "bad_range", `parameter "limit": "-1"`}, {"limit=x", "bad_range", `limit`}, {"offset=1.5", "bad_range", `offset`}, {"limit=9223372036854775808", "bad_range", `limit`},
		{"select=id&select=a", "bad_query", `given twice`}, {"limit=1&limit=2", "bad_query", `given twice`}, {"a=eq.\x00", "bad_query", `NUL`}, {"a=eq.\xff", "bad_query", `UTF-8`},
	} {
		_, err := Translate(Request{Query: encode(tt.query)}, tableOf(t, "people"), columns(), DuckDB{})
		if fault.Of(err) != fault.Invalid || fault.CodeOf(err) != tt.code || !strings.Contains(fault.TextOf(err), tt.text) || len(fault.TextOf(err)) > 600 {
			t.Errorf("%.80s\n got %s: %v\nwant %s: %s", tt.query, fault.CodeOf(err), err, tt.code, tt.text)
		}
	}
	if _, err := Parse(Request{Query: "a=eq.%zz"}); fault.CodeOf(err) != "bad_query" {
		t.Errorf("a bad escape: got %v", err)
	}
}

func TestUnknownColumnsHaveHints(t *testing.T) {
	for query, want := range map[string]string{
		"agee=eq.1": `perhaps you meant the column "age"`, "Age=eq.1": `perhaps you meant the column "age"`,
		"or=(naem.eq.x)": `perhaps you meant the column "name"`, "select=nmae": `perhaps you meant the column "name"`,
		"order=something_else": "", strings.Repeat("age", 3000) + "=eq.1": "", "age=foo.1": "",
	} {
		_, err := Translate(Request{Query: encode(query)}, tableOf(t, "people"), columns(), DuckDB{})
		if got := fault.HintOf(err); err == nil || got != want {
			t.Errorf("%.40s: got %v with the hint %q, want %q", query, err, got, want)
		}
	}
}

func TestRange(t *testing.T) {
	for _, tt := range []struct{ query, header, unit, want string }{
		{"", "", "", "0+-1"}, {"", "0-24", "items", "0+25"}, {"", "0-24", "", "0+25"}, {"", "items=5-5", "", "5+1"}, {"", "10-", "items", "10+-1"},
		{"limit=15&offset=30", "", "", "30+15"}, {"limit=10", "5-", "", "5+5"}, {"limit=10", "0-4", "", "0+5"}, {"offset=3", "0-4", "", "3+2"},
		{"limit=0", "0-4", "", "0+0"}, {"limit=5&offset=10", "0-4", "", "bad_range"}, {"", "5-3", "", "bad_range"}, {"", "x", "", "bad_range"}, {"", "-5", "", "bad_range"},
		{"", "1-2-3", "", "bad_range"}, {"", "+1-2", "", "bad_range"}, {"", "0-4", "rows", "bad_range"}, {"", "bytes=0-4", "", "0+-1"}, {"", "5", "", "bad_range"},
		{"", "0-9223372036854775807", "", "0+-1"}, {"", "0-9223372036854775808", "", "bad_range"}, {"", "items=0-4,7-9", "", "bad_range"},
		{"limit=9223372036854775807&offset=9223372036854775807", "", "", "9223372036854775807+-1"}, {"offset=9223372036854775807", "0-9", "", "bad_range"},
	} {
		s, err := Parse(Request{Query: tt.query, Range: tt.header, RangeUnit: tt.unit})
		got := fault.CodeOf(err)
		if err == nil {
			got = fmt.Sprintf("%d+%d", s.Range.Offset, s.Range.Limit)
		}
		if got != tt.want {
			t.Errorf("%s with %s %s: got %s, %v, want %s", tt.query, tt.unit, tt.header, got, err, tt.want)
		}
	}
	for _, tt := range []struct {
		r           Range
		rows, total int64
		want        string
	}{
		{Range{0, 25}, 25, 3573458, "0-24/3573458"}, {Range{0, NoLimit}, 15, -1, "0-14/*"}, {Range{10, 5}, 1, 11, "10-10/11"}, {Range{0, 0}, 0, 7, "*/7"}, {Range{5, 5}, 0, -1, "*/*"},
	} {
		if got := tt.r.ContentRange(tt.rows, tt.total); got != tt.want {
			t.Errorf("%v of %d/%d: got %s, want %s", tt.r, tt.rows, tt.total, got, tt.want)
		}
	}
}

func TestCount(t *testing.T) {
	for prefer, want := range map[string]bool{"": false, "count=exact": true, "return=minimal, Count = exact": true, "count=planned": true, "count=estimated;x": true,
		"count=none": false, "handling=strict": false, `count="exact"`: true} {
		st, err := Translate(Request{Query: "age=gt.5&select=id&order=id&limit=3", Prefer: prefer}, tableOf(t, "s.people"), columns(), DuckDB{Catalog: "s"})
		count := ""
		if want {
			count = `SELECT count(*) AS "count" FROM "s"."s"."people" AS t WHERE t."age" > $1`
		}
		if err != nil || st.Count != count || !slices.Equal(st.Args, []any{"5"}) {
			t.Errorf("Prefer: %s: got %q %q, %v, want %q", prefer, st.Count, st.Args, err, count)
		}
	}
}
