package clickhouse

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/postgrest"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// withPeople has the people of DuckDB's test, in a table that a person made: every column but the id is NULL somewhere.
func withPeople(t *testing.T, d *Destination) (schema.Table, []schema.Column) {
	t.Helper()
	mustExec(t, d, `CREATE TABLE people (id Int64, name Nullable(String), age Nullable(Int32), height Nullable(Float64), student Nullable(Bool), born Nullable(Date32),
		seen Nullable(DateTime64(6, 'UTC')), "a.b" Nullable(String), t Tuple(id Int64, name String), tiny Nullable(UInt8), price Decimal(9, 2), code UUID) ENGINE = MergeTree ORDER BY id`)
	mustExec(t, d, `INSERT INTO people VALUES
		(1, 'Ann', 13, 1.5, true, '2010-01-01', '2024-01-01 00:00:00', 'x', (9, 'z'), 1, 1.25, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
		(2, 'bob', 18, 1.75, false, '2005-02-28', '2024-01-01 12:00:00', 'y', (8, 'y'), 2, 2, generateUUIDv4()),
		(3, 'O''Hara, "Pat"', 40, 1.8, NULL, '1984-06-30', NULL, 'it''s', (0, ''), 3, 3, generateUUIDv4()),
		(4, 'Otto\\n100%', NULL, NULL, true, NULL, '2024-05-31 22:00:00', NULL, (0, ''), NULL, 4, generateUUIDv4()),
		(5, NULL, 90, 2, false, '1934-12-31', '2025-01-01 00:00:00', '', (0, ''), 255, 5, generateUUIDv4()),
		(6, concat('päivi', char(10), 'O_n'), 21, -1, NULL, '2003-03-03', '2023-12-31 23:59:59.5', 'a.b', (0, ''), 0, 6, generateUUIDv4())`)
	table := tableOf(t, "people")
	cols, err := d.Columns(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	return table, cols
}

// rest answers a PostgREST request.
func (d *Destination) rest(t *testing.T, r postgrest.Request, table schema.Table, cols []schema.Column) (*destinationtest.Rows, postgrest.Statement, error) {
	t.Helper()
	st, err := postgrest.Translate(r, table, cols, d.Dialect())
	if err != nil {
		return nil, st, err
	}
	out := new(destinationtest.Rows)
	return out, st, d.Query(t.Context(), st.SQL, st.Args, out)
}

func TestPostgREST(t *testing.T) {
	d := openWith(t, configOf(servertest.ClickHouse(t)))
	table, cols := withPeople(t, d)
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
		{"price=eq.1.25", "1"}, {"price=gt.4.5", "5 6"}, {"code=eq.A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11", "1"},
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
		var count destinationtest.Rows
		if st.Range != all {
			continue
		}
		if err := d.Query(t.Context(), st.Count, st.Args, &count); err != nil || !slices.Equal(count.Rows, []string{strconv.Itoa(len(want))}) {
			t.Errorf("%s: count got %q, %v, want %d", tt.query, count.Rows, err, len(want))
		}
	}
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

// TestPostgRESTMistakes: a value that is none of its column's type is the caller's mistake.
func TestPostgRESTMistakes(t *testing.T) {
	d := openWith(t, configOf(servertest.ClickHouse(t)))
	table, cols := withPeople(t, d)
	for _, query := range []string{"age=eq.x", "age=eq.1.5", "height=gt.x", "student=eq.maybe", "born=eq.2023-02-30", "born=eq.soon", "seen=lt.soon", "price=eq.x", "code=eq.x",
		"age=in.(1,x)", "name=match.(", "age=like.1*"} {
		if out, st, err := d.rest(t, postgrest.Request{Query: encode(query)}, table, cols); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, %v, want fault.Invalid\n%s", query, out, err, st.SQL)
		}
	}
}

func TestPostgRESTCasts(t *testing.T) {
	d := openWith(t, configOf(servertest.ClickHouse(t)))
	table, cols := withPeople(t, d)
	for query, want := range map[string]string{
		"select=id::text,age::text,height::numeric&id=eq.1": "1|13|1.5", "select=age::bigint,name::text&id=eq.5": "90|NULL", "select=born::timestamp,student::text&id=eq.1": "2010-01-01T00:00:00Z|true",
		"select=d:seen::date,seen::text&id=eq.2": "2024-01-01|2024-01-01 12:00:00.000000", "select=b:tiny::boolean,tiny::double precision&id=eq.1": "true|1",
	} {
		out, st, err := d.rest(t, postgrest.Request{Query: encode(query)}, table, cols)
		if err != nil || len(out.Rows) != 1 || strings.ReplaceAll(out.Rows[0], "0*2^64+1500000000e-9", "1.5") != want {
			t.Errorf("%s: got %v, %v, want %s\n%s", query, out, err, want, st.SQL)
		}
	}
}
