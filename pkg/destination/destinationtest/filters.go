package destinationtest

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/postgrest"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Filtered is a destination that PostgREST requests can be written for.
type Filtered interface {
	destination.Destination
	Dialect() postgrest.Dialect
}

// Filter is a PostgREST request for the table people, and the ids of the rows that it gives: in that order if it asks for one.
type Filter struct{ Query, Want string }

// filters has every operator. What a name means does not depend on aliases, nor on a column that is called like the table.
var filters = []Filter{
	{"", "1 2 3 4 5 6"},
	{"age=eq.18", "2"}, {"age=eq. 18", "2"}, {"age=neq.18", "1 3 5 6"}, {"age=not.eq.18", "1 3 5 6"},
	{"age=gt.21", "3 5"}, {"age=gte.21", "3 5 6"}, {"age=lt.18", "1"}, {"age=lte.18", "1 2"},
	{"age=gte.18&age=lt.40", "2 6"}, {"tiny=gt.2", "3 5"}, {"id=in.(1,3,9223372036854775807)", "1 3"},
	{"height=eq.1.75", "2"}, {"height=lt.0", "6"}, {"height=gte.18e-1", "3 5"},
	{"name=eq.Ann", "1"}, {"name=eq.ann", ""}, {"name=lt.a", "1 3 4"}, {`name=eq.O'Hara, "Pat"`, "3"},
	{"name=like.O*", "3 4"}, {"name=ilike.B*", "2"}, {"name=like.*ä*", "6"}, {"name=ilike.*Ä*", "6"},
	{"name=like._nn", "1"}, {`name=like.*100\%`, "4"}, {`name=like.*O\_n`, "6"}, {`name=like.*O\on`, ""}, {"name=not.like.O*", "1 2 6"},
	{"name=like(any).{O*,A*}", "1 3 4"}, {"name=like(all).{O*,*t*}", "3 4"}, {"name=ilike(any).{ann,BOB}", "1 2"},
	{"name=not.like(any).{O*,A*}", "2 6"}, {"name=like(any).{}", ""}, {"name=like(all).{}", "1 2 3 4 5 6"},
	{"name=match.^[AO]", "1 3 4"}, {"name=match.n", "1 4 6"}, {"name=imatch.^[ao]", "1 3 4"}, {"name=match.p.*n$", "6"}, {"name=match.^O_n", ""},
	{"name=match(any).{^A,b$}", "1 2"}, {"name=imatch(all).{^a,N$}", "1"}, {"name=not.match.^[AO]", "2 6"},
	{"age=eq(any).{13,18}", "1 2"}, {"age=gt(all).{13,18}", "3 5 6"}, {"age=gte(any).{90}", "5"}, {"age=lt(any).{14,22}", "1 2 6"}, {"age=lte(all).{13,18}", "1"},
	{`name=in.(Ann,"O'Hara, \"Pat\"")`, "3 1"}, {"name=in.()", ""}, {"name=not.in.()", "1 2 3 4 5 6"}, {`"a.b"=in.("")`, "5"}, {"age=not.in.(13,18)", "3 5 6"},
	{"age=is.null", "4"}, {"age=is.not_null", "1 2 3 5 6"}, {"age=not.is.null", "1 2 3 5 6"}, {"student=is.true", "1 4"}, {"student=is.FALSE", "2 5"},
	{"student=is.unknown", "3 6"}, {"student=not.is.true", "2 3 5 6"}, {"student=not.is.false", "1 3 4 6"}, {"student=eq.true", "1 4"}, {"student=neq.t", "2 5"},
	{"age=isdistinct.18", "1 3 4 5 6"}, {"age=not.isdistinct.18", "2"}, {"name=isdistinct.Ann", "2 3 4 5 6"},
	{"born=gte.2005-02-28", "1 2"}, {"born=in.(2010-01-01,1984-06-30)", "1 3"},
	{"seen=lt.2024-01-01T00:00:00Z", "6"}, {"seen=eq.2024-01-01T13:00:00+01:00", "2"}, {"seen=gt.2024-05-31T21:59:59Z", "4 5"},
	{"or=(age.lt.18,age.gt.21)", "1 3 5"}, {"not.or=(age.lt.18,age.gt.21)", "2 6"}, {"not.and=(age.gte.0,age.lte.20)", "3 5 6"},
	{"and=(age.gte.18,or(student.is.null,student.not.is.false))", "3 6"}, {"student=is.true&or=(age.eq.13,not.and(age.gte.11,age.lte.17))", "1"},
	{`or=(name.eq."O'Hara, \"Pat\"",name.like(any).{b*,A*},"a.b".eq.a.b)`, "1 2 3 6"},
	{`"a.b"=eq.a.b`, "6"}, {`"a.b"=eq.`, "5"}, {`"a.b"=eq.it's`, "3"},
	{"age=not.is.null&order=age.desc&limit=2", "5 3"}, {"order=age", "1 2 6 3 5 4"}, {"order=age.desc", "4 5 3 6 2 1"},
	{"order=age.nullsfirst", "4 1 2 6 3 5"}, {"order=age.desc.nullslast,id", "5 3 6 2 1 4"}, {"order=student.asc.nullsfirst,age.desc", "3 6 5 2 4 1"},
	{"order=id.desc&limit=2&offset=1", "5 4"}, {"order=id&offset=4", "5 6"}, {"limit=0", ""}, {"order=id.desc&select=id:id,x:name", "6 5 4 3 2 1"},
	{"select=id,age:name&age=gt.21&order=age.desc", "5 3"}, {"select=id,t&name=eq.Ann", "1"},
}

// unfit are requests with a value that is none of its column's type, or an operator that such a column does not have. Both
// are the caller's mistake, whoever finds it.
var unfit = []string{
	"age=eq.many", "age=eq.5.5", "age=gt.", "age=in.(1,x)", "age=in.()&age=eq.1e1", "age=eq.99999999999", "tiny=eq.-1", "height=eq.tall", "height=gt.x",
	"student=eq.maybe", "born=eq.yesterday", "born=eq.2024-02-30", "born=eq.2023-02-29", "seen=lt.noon", "name=match.(", "name=match.[", "select=name::int&id=eq.1", "select=name::bigint&id=eq.4", "select=name::float8", "select=name::date", "select=name::boolean", "select=name::timestamptz",
	"age=like.1*", "born=ilike.2024*", "name=is.true", "t=eq.1", "nothing=eq.1", "age=near.1", "select=nothing", "order=nothing",
}

// casts are what select makes of the columns of one row, which begins with what it wants.
var casts = []Filter{
	{"select=id::text,age::text,height::text,student::text,born::text&id=eq.1", "1|13|1.5|true|2010-01-01"},
	{"select=name::text,age::bigint,height::int,tiny::int4&id=eq.5", "NULL|90|2|255"}, {"select=a:height::int,b:height::int8,height::float8&id=eq.2", "2|2|1.75"},
	{"select=student::boolean,n:student::int,tiny::boolean,age::double precision&id=eq.1", "true|1|true|13"}, {"select=student::int,age::text,born::date&id=eq.4", "1|NULL|NULL"},
	{"select=d:seen::date,seen::timestamptz,born::date&id=eq.2", "2024-01-01|2024-01-01T12:00:00Z|2005-02-28"}, {"select=day:seen::date&id=eq.6", "2023-12-31"},
}

// PostgREST checks that each operator gives the rows of the table people in d that it gives of every other database. The table
// has the columns id, name, age, height, student, born, seen, "a.b", t and tiny, and six rows, in which every column but the
// id is NULL somewhere. more are requests of a driver's own.
func PostgREST(t *testing.T, d Filtered, more ...Filter) {
	table := tableOf(t, "people")
	cols, err := d.Columns(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(slices.Clip(filters), more...) {
		wantFiltered(t, d, f, table, cols)
	}
	for _, f := range casts {
		if out, st, err := Rest(t, d, f.Query, table, cols); err != nil || len(out.Rows) != 1 || out.Rows[0] != f.Want {
			t.Errorf("%s\n got %v, %v\nwant %s\n%s", f.Query, out, err, f.Want, st.SQL)
		}
	}
	for _, query := range unfit {
		if out, st, err := Rest(t, d, query, table, cols); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: got %v, %v, want fault.Invalid: %s", query, out, err, st.SQL)
		}
	}
}

func wantFiltered(t *testing.T, d Filtered, f Filter, table schema.Table, cols []schema.Column) {
	t.Helper()
	out, st, err := Rest(t, d, f.Query, table, cols)
	if err != nil {
		t.Errorf("%s: %v\n%s", f.Query, err, st.SQL)
		return
	}
	got := make([]string, len(out.Rows))
	for i, row := range out.Rows {
		got[i], _, _ = strings.Cut(row, "|")
	}
	want := strings.Fields(f.Want)
	if !strings.Contains(f.Query, "order=") {
		slices.Sort(got)
		slices.Sort(want)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\n got %q\nwant %q\n%s %q", f.Query, got, want, st.SQL, st.Args)
	}
	if st.Range != (postgrest.Range{Limit: postgrest.NoLimit}) {
		return // the count is of all rows
	}
	var count Rows
	if err := d.Query(t.Context(), st.Count, st.Args, &count); err != nil || !slices.Equal(count.Rows, []string{strconv.Itoa(len(want))}) {
		t.Errorf("%s: count got %q, %v, want %d", f.Query, count.Rows, err, len(want))
	}
}

// Rest answers a PostgREST request, which is written without the escapes of a URL.
func Rest(t *testing.T, d Filtered, query string, table schema.Table, cols []schema.Column) (*Rows, postgrest.Statement, error) {
	t.Helper()
	st, err := postgrest.Translate(postgrest.Request{Query: escaped(query), Prefer: "count=exact"}, table, cols, d.Dialect())
	if err != nil {
		return nil, st, err
	}
	out := new(Rows)
	return out, st, d.Query(t.Context(), st.SQL, st.Args, out)
}

// escaped makes a query string of one that is easy to read.
func escaped(query string) string {
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

// PostgRESTHostile has each hostile text as a column's name and its value, in an empty database, and asks for it in every place of
// a request.
func PostgRESTHostile(t *testing.T, d Filtered) {
	s := newSuite(d, Dialect{})
	rules := destination.RulesOf(d)
	var cols []schema.Column
	known := map[string]bool{rules.Fold(schema.RowID): true}
	row := make([]string, 0, len(Hostile()))
	for _, text := range Hostile() {
		name := rules.ColumnName(text)
		if known[rules.Fold(name)] {
			continue
		}
		known[rules.Fold(name)] = true
		cols = append(cols, column(name, schema.Text))
		row = append(row, jsonText(name)+":"+jsonText(name))
	}
	table := s.create(t, "hostile rows", cols...)
	s.mustLoad(t, table, s.batch("{"+strings.Join(row, ",")+"}"))
	victim := s.create(t, "victim", column("secret", schema.Text))
	s.mustLoad(t, victim, s.batch(`{"secret":"secret"}`))
	have, err := d.Columns(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cols {
		hostileIn(t, d, c.Name, table, have)
	}
	s.wantRows(t, `SELECT "secret" FROM "victim"`, "secret")
	if tables, err := d.Tables(t.Context()); err != nil || len(tables) != 2 {
		t.Errorf("got the tables %v, %v, want two", tables, err)
	}
}

// hostileIn asks for the column name, whose value is its name, by its value, in lists, as an alias and in order.
func hostileIn(t *testing.T, d Filtered, name string, table schema.Table, cols []schema.Column) {
	t.Helper()
	quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
	for _, p := range []url.Values{
		{"select": {quoted}, quoted: {"eq." + name}},
		{"select": {quoted}, "or": {"(" + quoted + ".eq." + quoted + "," + quoted + ".in.(" + quoted + ",x))"}, "order": {quoted + ".desc"}},
		{"select": {quoted + ":" + quoted + "::text"}, quoted: {"eq(any).{" + quoted + "}", "not.isdistinct." + name}},
		{"select": {quoted + ":" + quoted}, quoted: {"not.eq." + name + "x"}},
	} {
		st, err := postgrest.Translate(postgrest.Request{Query: p.Encode()}, table, cols, d.Dialect())
		if err != nil {
			t.Errorf("%s: %v", p, err)
			continue
		}
		var out Rows
		if err := d.Query(t.Context(), st.SQL, st.Args, &out); err != nil {
			t.Errorf("%s: %v\n%s", p, err, st.SQL)
			continue
		}
		if !slices.Equal(out.Columns, []string{name}) || !slices.Equal(out.Rows, []string{name}) {
			t.Errorf("%s: got %q, %q, want %q of each", p, out.Columns, out.Rows, name)
		}
	}
}
