package clickhouse

import (
	"errors"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
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

func TestPostgREST(t *testing.T) {
	each(t, func(t *testing.T, _ servertest.ClickHouseServer, cfg Config) {
		d := openWith(t, cfg)
		withPeople(t, d)
		destinationtest.PostgREST(t, d, destinationtest.Filter{Query: "price=eq.1.25", Want: "1"}, destinationtest.Filter{Query: "price=gt.4.5", Want: "5 6"},
			destinationtest.Filter{Query: "code=eq.A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11", Want: "1"})
	})
}

// TestPostgRESTMistakes: a value that is none of its column's type is the caller's mistake.
func TestPostgRESTMistakes(t *testing.T) {
	d := openWith(t, configOf(servertest.ClickHouse(t)))
	table, cols := withPeople(t, d)
	for _, query := range []string{"price=eq.x", "code=eq.x"} {
		if out, st, err := destinationtest.Rest(t, d, query, table, cols); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, %v, want fault.Invalid\n%s", query, out, err, st.SQL)
		}
	}
}

func TestPostgRESTHostile(t *testing.T) {
	destinationtest.PostgRESTHostile(t, openWith(t, configOf(servertest.ClickHouse(t))))
}

func TestPostgRESTCasts(t *testing.T) {
	d := openWith(t, configOf(servertest.ClickHouse(t)))
	table, cols := withPeople(t, d)
	for query, want := range map[string]string{
		"select=id::text,age::text,height::numeric&id=eq.1": "1|13|1.5", "select=age::bigint,name::text&id=eq.5": "90|NULL", "select=born::timestamp,student::text&id=eq.1": "2010-01-01T00:00:00Z|true",
		"select=d:seen::date,seen::text&id=eq.2": "2024-01-01|2024-01-01 12:00:00.000000", "select=b:tiny::boolean,tiny::double precision&id=eq.1": "true|1",
	} {
		out, st, err := destinationtest.Rest(t, d, query, table, cols)
		if err != nil || len(out.Rows) != 1 || strings.ReplaceAll(out.Rows[0], "0*2^64+1500000000e-9", "1.5") != want {
			t.Errorf("%s: got %v, %v, want %s\n%s", query, out, err, want, st.SQL)
		}
	}
}

func TestPostgRESTExact(t *testing.T) {
	d := openWith(t, configOf(servertest.ClickHouse(t)))
	mustExec(t, d, `CREATE TABLE exact (id Int64, d Nullable(Decimal(9, 2)), w Nullable(Decimal(38, 10)), h Nullable(Int128)) ENGINE = MergeTree ORDER BY id`)
	mustExec(t, d, `INSERT INTO exact SELECT 1, '2', '2', '2' UNION ALL SELECT 2, NULL, NULL, NULL UNION ALL
		SELECT 3, '-2', '-9999999999999999999999999999.0000000001', '5' UNION ALL
		SELECT 4, '9999999.99', '9999999999999999999999999999.0000000001', '170141183460469231731687303715884105727'`)
	destinationtest.PostgRESTExact(t, d)
}
