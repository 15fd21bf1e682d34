package duckdb

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/postgrest"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// withPeople opens a database with people, of whom every column but the id is NULL somewhere.
func withPeople(t *testing.T) (*Destination, schema.Table, []schema.Column) {
	t.Helper()
	d, table := withVictim(t), tableOf(t, "people")
	d.sql(t, `CREATE TABLE people (id BIGINT, name VARCHAR, age INTEGER, height DOUBLE, student BOOLEAN, born DATE,
			seen TIMESTAMPTZ, "a.b" VARCHAR, t STRUCT(id BIGINT, name VARCHAR), tiny UTINYINT)`,
		`INSERT INTO people VALUES
			(1, 'Ann', 13, 1.5, true, '2010-01-01', '2024-01-01 00:00:00+00', 'x', {'id': 9, 'name': 'z'}, 1),
			(2, 'bob', 18, 1.75, false, '2005-02-28', '2024-01-01 12:00:00+00', 'y', {'id': 8, 'name': 'y'}, 2),
			(3, 'O''Hara, "Pat"', 40, 1.8, NULL, '1984-06-30', NULL, 'it''s', NULL, 3),
			(4, 'Otto\n100%', NULL, NULL, true, NULL, '2024-06-01 00:00:00+02', NULL, NULL, NULL),
			(5, NULL, 90, 2, false, '1934-12-31', '2025-01-01 00:00:00+00', '', NULL, 255),
			(6, 'päivi' || chr(10) || 'O_n', 21, -1, NULL, '2003-03-03', '2023-12-31 23:59:59.5+00', 'a.b', NULL, 0)`)
	cols, err := d.Columns(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	return d, table, cols
}

// rest answers a PostgREST request.
func (d *Destination) rest(t *testing.T, r postgrest.Request, table schema.Table, cols []schema.Column) (*destinationtest.Rows, postgrest.Statement, error) {
	t.Helper()
	st, err := postgrest.Translate(r, table, cols, postgrest.DuckDB{})
	if err != nil {
		return nil, st, err
	}
	out := new(destinationtest.Rows)
	return out, st, d.Query(t.Context(), st.SQL, st.Args, out)
}

func TestPostgREST(t *testing.T) {
	d, table, cols := withPeople(t)
	all := postgrest.Range{Limit: postgrest.NoLimit}
	for _, tt := range []struct{ query, want string }{
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
		// What a name means does not depend on aliases, nor on a column that is called like the table.
		{"select=id,age:name&age=gt.21&order=age.desc", "5 3"}, {"select=id,t&name=eq.Ann", "1"},
	} {
		out, st, err := d.rest(t, postgrest.Request{Query: encode(tt.query), Prefer: "count=exact"}, table, cols)
		if err != nil {
			t.Errorf("%s: %v\n%s", tt.query, err, st.SQL)
			continue
		}
		got := make([]string, len(out.Rows))
		for i, row := range out.Rows {
			got[i], _, _ = strings.Cut(row, "|")
		}
		want := strings.Fields(tt.want)
		if !strings.Contains(tt.query, "order=") {
			slices.Sort(got)
			slices.Sort(want)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s\n got %q\nwant %q\n%s %q", tt.query, got, want, st.SQL, st.Args)
		}
		if count := d.ask(t, st.Count, st.Args...); st.Range == all && !slices.Equal(count, []string{strconv.Itoa(len(want))}) {
			t.Errorf("%s: count got %q, want %d", tt.query, count, len(want))
		}
	}
	wantVictim(t, d)
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

func TestPostgRESTColumns(t *testing.T) {
	d, table, cols := withPeople(t)
	for _, tt := range []struct{ query, columns, row string }{
		{"select=*&id=eq.1", "id name age height student born seen a.b t tiny", ""},
		{"select=full name:name,id&id=eq.1", "full name,id", "Ann|1"},
		{`select="a.b"&id=eq.1`, "a.b", "x"},
		{`select="x""; DROP TABLE victim; --":id&id=eq.1`, "", ""},
		{`select="x\"; DROP TABLE victim; --":id&id=eq.1`, `x"; DROP TABLE victim; --`, "1"},
		{"select=age::text,id::float8,height::int,born::timestamp,student::boolean,seen::date,tiny::int8,id::integer&id=eq.1",
			"age,id,height,born,student,seen,tiny,id", ""},
		{"select=height::numeric&id=eq.99", "height", ""},
		{"select=name,id:age,age:id&id=eq.1&order=id,age", "name,id,age", "Ann|13|1"},
	} {
		out, st, err := d.rest(t, postgrest.Request{Query: encode(tt.query)}, table, cols)
		if tt.columns == "" {
			if fault.Of(err) != fault.Invalid {
				t.Errorf("%s: got %v, want fault.Invalid", tt.query, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", tt.query, err, st.SQL)
			continue
		}
		if got := strings.Join(out.Columns, ","); got != tt.columns && strings.ReplaceAll(got, ",", " ") != tt.columns {
			t.Errorf("%s: columns got %s, want %s", tt.query, got, tt.columns)
		}
		if got := strings.Join(out.Rows, ";"); tt.row != "" && got != tt.row {
			t.Errorf("%s: rows got %s, want %s", tt.query, got, tt.row)
		}
	}
	wantVictim(t, d)
}

// TestPostgRESTRefuses: a value that its column cannot have is the caller's mistake, whoever finds it.
func TestPostgRESTRefuses(t *testing.T) {
	d, table, cols := withPeople(t)
	for _, query := range []string{
		"age=eq.many", "age=eq.5.5", "age=gt.", "age=in.(1,x)", "age=in.()&age=eq.1e1", "age=eq.99999999999", "tiny=eq.-1", "height=eq.tall", "student=eq.maybe",
		"born=eq.yesterday", "born=eq.2024-02-30", "seen=lt.noon", "name=match.(", "name=match.[", "select=name::int&id=eq.1",
		"age=like.1*", "born=ilike.2024*", "name=is.true", "t=eq.1",
	} {
		out, st, err := d.rest(t, postgrest.Request{Query: encode(query)}, table, cols)
		if fault.Of(err) != fault.Invalid {
			t.Errorf("%s: got %v, %v, want fault.Invalid: %s", query, out, err, st.SQL)
		}
	}
}

// TestPostgRESTHostile sends each hostile text as a value, an alias and a column's name.
func TestPostgRESTHostile(t *testing.T) {
	d, table := withVictim(t), tableOf(t, "hostile rows")
	for _, text := range hostile {
		name := columnName(text)
		d.sql(t, `CREATE OR REPLACE TABLE "hostile rows" (`+quote(name)+` VARCHAR)`, `INSERT INTO "hostile rows" VALUES (`+literal(name)+`)`)
		cols, err := d.Columns(t.Context(), table)
		if err != nil {
			t.Fatal(err)
		}
		inQuotes := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
		for _, p := range []url.Values{
			{inQuotes: {"eq." + name}},
			{"or": {"(" + inQuotes + ".eq." + inQuotes + "," + inQuotes + ".in.(" + inQuotes + ",x))"}, "order": {inQuotes + ".desc"}},
			{"select": {inQuotes + ":" + inQuotes + "::text"}, inQuotes: {"eq(any).{" + inQuotes + "}", "not.isdistinct." + name}},
		} {
			out, st, err := d.rest(t, postgrest.Request{Query: p.Encode()}, table, cols)
			if err != nil {
				t.Errorf("%s: %v\n%s", p, err, st.SQL)
				continue
			}
			if !slices.Equal(out.Columns, []string{name}) || !slices.Equal(out.Rows, []string{name}) {
				t.Errorf("%s: got %q, %q, want %q of each", p, out.Columns, out.Rows, name)
			}
		}
	}
	wantVictim(t, d)
}
