package app

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// withClickHouse is a configuration with DuckDB as destination 1, whose key is local, and ClickHouse as 2, whose key is two.
func withClickHouse(t *testing.T, dir, protocol string) config.Config {
	t.Helper()
	s := servertest.ClickHouse(t)
	name := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`destinations:
  - {id: 1, type: duckdb, api_keys: [local], settings: {file: '%s/one.duckdb'}}
  - {id: 2, type: clickhouse, api_keys: [two], max_rows: 100000, settings: {host: %s, tcp_port: %d, http_port: %d, protocol: %s, username: %s, password: %q, database: %s}}
`, dir, s.Host, s.TCP, s.HTTP, protocol, s.User, s.Password, s.Database)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(name, environ(dir))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// The whole way of a row into ClickHouse and out again, over HTTP.
func TestClickHouseFromRequestToAnswer(t *testing.T) {
	for _, protocol := range []string{"native", "http"} {
		t.Run(protocol, func(t *testing.T) {
			s := serve(t, withClickHouse(t, t.TempDir(), protocol)).as("two")
			s.insert("events?wait=true", `[{"__row_id":"a","n":1,"at":"2024-02-29T12:00:00Z","tags":["x"],"ok":true},{"__row_id":"b","n":2,"day":"2024-03-01"}]`)
			s.insert("events?wait=true", `[{"__row_id":"c","n":"three","price":1.5}]`)
			s.query(`select __row_id, n, "at", tags_0, ok, day, price, __rescued from events order by __row_id`,
				"__row_id,n,at,tags_0,ok,day,price,__rescued\n"+
					`a,1,2024-02-29T12:00:00Z,x,true,1970-01-01,0,""`+"\n"+`b,2,1970-01-01T00:00:00Z,"",false,2024-03-01,0,""`+"\n"+
					`c,0,1970-01-01T00:00:00Z,"",false,1970-01-01,1.5,"{""n"":""three""}"`+"\n")
			if _, text := s.do("GET", "/api/rest/events?n=gt.0&select=n&order=n.desc", ""); strings.Join(strings.Fields(text), "") != `[{"n":2},{"n":1}]` {
				t.Errorf("PostgREST: got %s", text)
			}
			if status, text := s.do("GET", "/api/tables/events/columns", ""); status != 200 || !strings.Contains(text, `"type":"DateTime64(6, 'UTC')"`) {
				t.Errorf("columns: got %d %s", status, text)
			}
			if status, text := s.do("GET", "/api/data/query?query=select+*+from+url('http://127.0.0.1:1/','CSV','a+String')", ""); status != 403 {
				t.Errorf("a query that reaches out: got %d %s, want 403", status, text)
			}
		})
	}
}

// TestClickHouseFailsLate: an answer that fails after its first rows is cut in each format.
func TestClickHouseFailsLate(t *testing.T) {
	for _, protocol := range []string{"native", "http"} {
		s := serve(t, withClickHouse(t, t.TempDir(), protocol))
		for _, f := range result.Formats() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/api/data/query?format="+f.Name,
				strings.NewReader("SELECT throwIf(number = 2000000), number FROM numbers(2100000)"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer two")
			req.Header.Set("Accept-Encoding", "identity")
			resp, err := s.http.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, resp.Body)
			if f.Name == "parquet" && resp.StatusCode == http.StatusBadRequest {
				continue // nothing goes out before the first row group is full, and the server's threads may come to the error before
			}
			if err == nil || n == 0 || resp.StatusCode != http.StatusOK || resp.Trailer.Get("X-Scratch-Status") == "complete" {
				t.Errorf("%s over %s: got %d, %d bytes, %v, trailers %v, want an answer that breaks off", f.Name, protocol, resp.StatusCode, n, err, resp.Trailer)
			}
			_ = resp.Body.Close() // it has broken off
		}
	}
}

func TestCopyBetweenDuckDBAndClickHouse(t *testing.T) {
	s := serve(t, withClickHouse(t, t.TempDir(), "native"))
	two := s.as("two")
	s.wantDone(s.copy(`select i::bigint as i, i::decimal(18,3) as d, [i, null] as l, timestamptz '2024-02-29 12:00:00+00' + interval (i) second as "at", date '2024-02-29' as day,
		'row ' || i as t, {'a': i::integer, 'b': 'x'} as st, map {'k': i} as m, i % 2 = 0 as ok, uuid '00000000-0000-0000-0000-000000000001' as u, i::double / 4 as f
		from range(150000) r(i)`, "2", "big"), 150_000)
	two.query("select count(), sum(i), sum(d), sum(l[1]), countIf(isNull(l[2])), max(at), any(day), max(length(t)), sum(st.a), sum(m['k']), countIf(ok), any(u), max(f) from big",
		"count(),sum(i),sum(d),\"sum(arrayElement(l, 1))\",\"countIf(isNull(arrayElement(l, 2)))\",max(at),any(day),max(length(t)),sum(st.a),\"sum(arrayElement(m, 'k'))\",countIf(ok),any(u),max(f)\n150000,11249925000,11249925000.000,11249925000,150000,2024-03-02T05:39:59Z,2024-02-29,10,11249925000,11249925000,75000,00000000-0000-0000-0000-000000000001,37499.75\n")
	two.query("select name, type from system.columns where database = currentDatabase() and table = 'big' and name not like '\\\\_\\\\_%' order by position",
		"name,type\ni,Int64\nd,\"Decimal(18, 3)\"\nl,Array(Nullable(Int64))\nat,\"DateTime64(6, 'UTC')\"\nday,Date32\nt,String\nst,\"Tuple(a Nullable(Int32), b Nullable(String))\"\nm,\"Map(String, Nullable(Int64))\"\nok,Bool\nu,UUID\nf,Float64\n")
	two.wantDone(two.copy("select * from big", "1", "back"), 150_000)
	s.query(`select count(*) as n, sum(i) as i, sum(d) as d, sum(l[1]) as l, max("at") as "at", any_value(day) as day, sum(st.a) as st, sum(m['k']) as m, typeof(any_value(d)) as td, typeof(any_value(l)) as tl from back`,
		"n,i,d,l,at,day,st,m,td,tl\n150000,11249925000,11249925000.000,11249925000,2024-03-02T05:39:59Z,2024-02-29,11249925000,11249925000,\"DECIMAL(18,3)\",BIGINT[]\n")
	two.wantDone(two.copy("select * from big where i < 10", "2", "again"), 10)
	two.query("select count() as n, sum(d) as total from again", "n,total\n10,45.000\n")
}
