package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// each runs check over each protocol.
func each(t *testing.T, check func(t *testing.T, server servertest.ClickHouseServer, cfg Config)) {
	server := servertest.ClickHouse(t)
	for _, protocol := range []string{native, overHTTP} {
		t.Run(protocol, func(t *testing.T) {
			s := server.Fresh(t)
			cfg := configOf(s)
			cfg.Protocol = protocol
			check(t, s, cfg)
		})
	}
}

func TestQueryRefusesWhatReachesOut(t *testing.T) {
	each(t, func(t *testing.T, server servertest.ClickHouseServer, cfg Config) {
		cfg2 := cfg
		cfg2.QueryUsername, cfg2.QueryPassword = server.Reader, secret.String(server.Password)
		for name, d := range map[string]*Destination{"the same user": openWith(t, cfg), "a user of its own": openWith(t, cfg2)} {
			for _, sql := range []string{
				"SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a Int64')",
				"SELECT * FROM file('/etc/passwd', 'LineAsString')",
				"SELECT * FROM FILE('/etc/passwd', 'LineAsString')",
				"SELECT * FROM `file`('/etc/passwd', 'LineAsString')",
				"SELECT file('/etc/passwd')",
				"SELECT length(\"file\"('/etc/passwd'))",
				"WITH a AS (SELECT * FROM s3('http://127.0.0.1:1/a/b.csv')) SELECT * FROM a",
				"SELECT 1 IN (SELECT number FROM remote('127.0.0.1', system.numbers))",
				"SELECT * FROM (SELECT 1) AS x JOIN mysql('127.0.0.1:1', 'a', 'b', 'c', 'd') AS y ON 1 = 1",
				"SELECT * FROM view(SELECT * FROM executable('x', 'CSV', 'a Int64'))",
				"SELECT arrayMap(x -> file(x), ['/etc/passwd'])",
				"SELECT 1 UNION ALL SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
				"SELECT count() AS \"x\n\" FROM cluster('default', system.one)",
				"SELECT /* numbers */ * FROM /* x */ sqlite('a', 'b')",
				"SELECT sleep(3)",
				"SELECT * FROM loop(numbers(3))",
				"SELECT * FROM eval('SELECT 1')",
				"SELECT hasColumnInTable('127.0.0.1', 'system', 'one', 'dummy')",
				"SELECT * FROM notYetKnown('x')",
				"SELECT 1 INTO OUTFILE '/tmp/x'",
				"SELECT 1 SETTINGS readonly = 0",
				"SELECT 1 SETTINGS max_execution_time = 9",
				"SHOW TABLES", "DESCRIBE TABLE system.one", "EXPLAIN SELECT 1", "EXISTS system.one", "SET max_threads = 1", "USE system", "SYSTEM FLUSH LOGS",
				"KILL QUERY WHERE 1", "INSERT INTO FUNCTION file('x') SELECT 1", "CREATE TEMPORARY TABLE x (a Int8)", "OPTIMIZE TABLE x",
				"BACKUP DATABASE default TO Disk('a', 'b')", "GRANT ALL ON *.* TO app", "graph = 1 SELECT 1", "optimize = 0 SELECT 1",
			} {
				var out destinationtest.Rows
				err := d.Query(t.Context(), sql, nil, &out)
				if kind := fault.Of(err); kind != fault.Denied && kind != fault.Invalid || out.Began {
					if name == "a user of its own" && strings.Contains(sql, "max_execution_time") {
						continue // its own profile lets it
					}
					t.Errorf("%s: %s: got %v (%v), began %v, want that it is refused", name, sql, err, kind, out.Began)
				}
				if strings.Contains(fmt.Sprint(err), "root:") {
					t.Errorf("%s: %s: got %v", name, sql, err)
				}
			}
		}
	})
}

func TestQueryOfWhatIsAllowed(t *testing.T) {
	each(t, func(t *testing.T, _ servertest.ClickHouseServer, cfg Config) {
		d := openWith(t, cfg)
		for sql, want := range map[string]string{
			"SELECT sum(number) FROM numbers(4);": "6",
			"SELECT 'a; b -- c' -- d":             "a; b -- c",
			"(SELECT 1) UNION ALL (SELECT 1)":     "1\n1",
			"SELECT 3 INTERSECT SELECT 3":         "3",
			"WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT max(n) FROM r": "3",
			"SELECT number > 0 ? 'a' : 'b' FROM numbers(2)":                                                      "b\na",
			"SELECT sum(number) FROM numbers(3) GROUP BY number % 2 WITH TOTALS ORDER BY 1":                      "1\n2",
			"SELECT $$it's$$, $x$ $1 $x$":                                                                        "it's| $1 ",
		} {
			wantAnswer(t, d, sql, strings.Split(want, "\n")...)
		}
	})
}

func TestQueryBinds(t *testing.T) {
	nasty := "it's \\ \"q\"\t\n\r\x01 é 💥 {p:String} $1 ? '); DROP TABLE x --"
	each(t, func(t *testing.T, _ servertest.ClickHouseServer, cfg Config) {
		d := openWith(t, cfg)
		at := time.Date(2024, 2, 29, 12, 0, 0, 123456000, time.FixedZone("", 3600))
		for _, tt := range []struct {
			name, sql string
			args      []any
			want      string
		}{
			{"in order", "SELECT ?, ? || '?', ?", []any{1, "a", true}, "1|a?|true"},
			{"numbered", "SELECT $2, $1, $2", []any{int64(math.MaxInt64), -1.5}, "-1.5|9223372036854775807|-1.5"},
			{"named", "SELECT $Name, '$name', $name", []any{destination.Named{Name: "nAME", Value: "x"}}, "x|$name|x"},
			{"the server's own form", "SELECT {n:Int32} + 1, {t:String}", []any{destination.Named{Name: "n", Value: 41}, destination.Named{Name: "t", Value: nasty}}, "42|" + nasty},
			{"nothing", "SELECT ? IS NULL, {x:Nullable(Int64)} IS NULL", []any{nil, destination.Named{Name: "x"}}, "1|1"},
			{"text", "SELECT ?, length(?)", []any{nasty, nasty}, nasty + fmt.Sprintf("|%d", len(nasty))},
			{"empty text", "SELECT ? = ''", []any{""}, "1"},
			{"time", "SELECT $at, toTypeName($at)", []any{destination.Named{Name: "at", Value: at}}, "2024-02-29T11:00:00.123456Z|DateTime64(6, 'UTC')"},
			{"float", "SELECT ? = 1e300, isNaN(?), ? > 1e308", []any{1e300, math.NaN(), math.Inf(1)}, "1|1|1"},
			{"in comments and names", "SELECT 1 AS `?`, /* ? $1 */ ? -- ?", []any{2}, "1|2"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				var got destinationtest.Rows
				if err := d.Query(t.Context(), tt.sql, tt.args, &got); err != nil || len(got.Rows) != 1 || got.Rows[0] != tt.want {
					t.Errorf("got %q, %v, want %q", got.Rows, err, tt.want)
				}
			})
		}
		for _, tt := range []struct {
			sql  string
			args []any
		}{
			{"SELECT ?", []any{1, 2}}, {"SELECT ?, ?", []any{1}}, {"SELECT $a", []any{destination.Named{Name: "b", Value: 1}}},
			{"SELECT $1", []any{destination.Named{Name: "b", Value: 1}}}, {"SELECT ?", []any{[]int{1}}}, {"SELECT ?", nil}, {"SELECT $1", nil},
			{"SELECT $a", []any{destination.Named{Name: "a", Value: 1}, destination.Named{Name: "A", Value: 1}}},
		} {
			if err := d.Query(t.Context(), tt.sql, tt.args, &destinationtest.Rows{}); !errors.Is(err, fault.Invalid) {
				t.Errorf("%s of %v: got %v, want fault.Invalid", tt.sql, tt.args, err)
			}
		}
	})
}

// TestQueryThatFailsLate: an error after the first rows is an error, and the answer has no end.
func TestQueryThatFailsLate(t *testing.T) {
	each(t, func(t *testing.T, _ servertest.ClickHouseServer, cfg Config) {
		d := openWith(t, cfg)
		var out destinationtest.Rows
		err := d.Query(t.Context(), "SELECT throwIf(number = 3000000), number FROM numbers(4000000)", nil, &out)
		if !errors.Is(err, fault.Invalid) || !strings.Contains(fault.TextOf(err), "throwIf") || !out.Began || out.Ended {
			t.Errorf("got %v, began %v, ended %v, want fault.Invalid that names throwIf, after the beginning and without an end", err, out.Began, out.Ended)
		}
	})
}

// TestCancelReachesTheServer: a query that nobody waits for ends, whatever the user may tell the server. There is no deadline that
// the server could keep by itself.
func TestCancelReachesTheServer(t *testing.T) {
	each(t, func(t *testing.T, server servertest.ClickHouseServer, cfg Config) {
		for who, d := range map[string]*Destination{"the same user": openWith(t, cfg), "who only reads": asked(t, server, cfg, server.Strict)} {
			for name, sql := range map[string]string{"before the first row": "SELECT sum(cityHash64(number)) AS endless FROM system.numbers",
				"among rows": "SELECT number AS endless FROM system.numbers"} {
				t.Run(who+" "+name, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					done := once(func() {
						if err := d.Query(ctx, sql, nil, &destinationtest.Rows{}); !errors.Is(err, context.Canceled) {
							t.Errorf("got %v, want context.Canceled", err)
						}
					})
					const running = "FROM system.processes WHERE query LIKE 'SELECT % AS endless %' AND query NOT LIKE '%processes%'"
					awaitServer(t, server, d, "SELECT count() "+running)
					cancel()
					<-done
					awaitServer(t, server, d, "SELECT count() = 0 "+running)
					server.Exec(t, "KILL QUERY WHERE query LIKE 'SELECT % AS endless %' ASYNC") // that a failure leaves
				})
			}
		}
	})
}

func TestReadTypes(t *testing.T) {
	each(t, func(t *testing.T, _ servertest.ClickHouseServer, cfg Config) {
		d := openWith(t, cfg)
		for _, tt := range []struct{ sql, want string }{
			{"toInt8(-1)", "-1"}, {"toUInt64('18446744073709551615')", "18446744073709551615"}, {"toInt128('-170141183460469231731687303715884105728')", "-170141183460469231731687303715884105728"},
			{"toUInt256('115792089237316195423570985008687907853269984665640564039457584007913129639935')", "115792089237316195423570985008687907853269984665640564039457584007913129639935"},
			{"toInt256('-5')", "-5"}, {"toFloat32(1.5)", "1.5"}, {"toBFloat16(1.5)", "1.5"}, {"nan", "null"}, {"true", "true"}, {"NULL", "null"},
			{"toDecimal32('-1.25', 2)", "-1.25"}, {"toDecimal128('1234567890123456789012345678.5', 9)", "1234567890123456789012345678.500000000"},
			{"toDecimal256('-0.05', 3)", "-0.050"}, {"'é\"'", `"é\""`}, {"toFixedString('ab', 2)", `"ab"`}, {"toLowCardinality('x')", `"x"`},
			{"toLowCardinality(toNullable('x'))", `"x"`}, {"CAST(NULL, 'LowCardinality(Nullable(String))')", "null"},
			{"CAST('b', 'Enum8(\\'a\\' = -1, \\'b\\' = 2)')", `"b"`}, {"toUUID('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11')", `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`},
			{"toIPv4('1.2.3.4')", `"1.2.3.4"`}, {"toIPv6('2001:db8::1')", `"2001:db8::1"`}, {"toDate('2024-02-29')", `"2024-02-29"`}, {"toDate32('1912-06-23')", `"1912-06-23"`},
			{"toDateTime('2024-02-29 12:00:00', 'Europe/Oslo')", `"2024-02-29T11:00:00Z"`}, {"toDateTime64('2024-02-29 12:00:00.12', 2, 'UTC')", `"2024-02-29T12:00:00.12Z"`},
			{"toDateTime64('1969-12-31 23:59:59.123456789', 9, 'UTC')", `"1969-12-31T23:59:59.123456789Z"`},
			{"[1, 2, NULL]", "[1,2,null]"}, {"[[], ['a']]", `[[],["a"]]`}, {"map('a', 1, 'b', 2)", `{"a":1,"b":2}`}, {"map(1, ['x'])", `[{"key":1,"value":["x"]}]`},
			{"tuple(1, 'a', NULL)", `[1,"a",null]`}, {"CAST(tuple(1, 'x'), 'Tuple(a Int8, `b c` String)')", `{"a":1,"b c":"x"}`}, {"CAST('{\"a\":{\"b\":1}}', 'JSON')", `{"a":{"b":1}}`},
			{"['{\"a\":1}'::JSON]", `[{"a":1}]`}, {"INTERVAL 3 DAY", `"P3D"`}, {"toLowCardinality(toInt256(7))", "7"}, {"CAST(NULL, 'Variant(Int64, String)')", "null"}, {"CAST(NULL, 'Dynamic')", "null"},
			{"tuple('Code: 5. ', CAST(NULL, 'Variant(Int64, String)'))", `"('Code: 5. ',NULL)"`}, {"CAST(tuple(1.5, 2), 'Point')", "[1.5,2]"}, {"[toLowCardinality('x')]", `["x"]`},
			{"CAST('x', 'Variant(Int64, String)')", `"x"`}, {"CAST(5, 'Dynamic')", `"5"`}, {"CAST('01:02:03', 'Time')", `"01:02:03"`}, {"[CAST(toInt64(5), 'Variant(Int64, String)')]", `"[5]"`},
			{"toNullable([1][1])", "1"}, {"[]", "[]"}, {"tuple(toNullable(1), [tuple(2)])", "[1,[[2]]]"},
		} {
			t.Run(tt.sql, func(t *testing.T) {
				var out strings.Builder
				if err := d.Query(t.Context(), "SELECT "+tt.sql+" AS v FROM numbers(3)", nil, result.NewNDJSON(&out)); err != nil {
					t.Fatal(err)
				}
				line := `{"v":` + tt.want + "}\n"
				if got := out.String(); got != line+line+line {
					t.Errorf("got %s, want %s three times", got, line)
				}
			})
		}
		for _, sql := range []string{"SELECT 'Code: 241. ', INTERVAL 3000000000 DAY", "SELECT [INTERVAL 9223372036854775807 HOUR]", "SELECT INTERVAL -200000000 YEAR"} {
			var out destinationtest.Rows
			if err := d.Query(t.Context(), sql, nil, &out); !errors.Is(err, fault.Invalid) || !strings.Contains(fault.TextOf(err), "longer than answers can have") || out.Ended {
				t.Errorf("%s: got %q, %v, want that it is out of range", sql, out.Rows, err)
			}
		}
		wantAnswer(t, d, "SELECT sumState(number) AS s, 1 AS n FROM numbers(4)", "6|1")
		wantAnswer(t, d, "SELECT number AS n, if(number % 3 = 0, NULL, number) AS m FROM numbers(100000) WHERE n IN (0, 1, 99999, 70000) ORDER BY n", "0|NULL", "1|1", "70000|70000", "99999|NULL")
	})
}
