package duckdb

import (
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
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

func TestPostgREST(t *testing.T) {
	d, _, _ := withPeople(t)
	destinationtest.PostgREST(t, d)
	wantVictim(t, d)
}

func TestPostgRESTHostile(t *testing.T) {
	cfg := DefaultConfig()
	cfg.InMemory = true
	destinationtest.PostgRESTHostile(t, openWith(t, cfg))
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
		out, st, err := destinationtest.Rest(t, d, tt.query, table, cols)
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

func TestPostgRESTExact(t *testing.T) {
	d := withVictim(t)
	d.sql(t, `CREATE TABLE exact (id BIGINT, d DECIMAL(9, 2), w DECIMAL(38, 10), h HUGEINT)`,
		`INSERT INTO exact VALUES (1, 2, 2, 2), (2, NULL, NULL, NULL), (3, -2, -9999999999999999999999999999.0000000001, 5),
			(4, 9999999.99, 9999999999999999999999999999.0000000001, 170141183460469231731687303715884105727)`)
	destinationtest.PostgRESTExact(t, d)
}
