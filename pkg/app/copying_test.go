package app

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/copier"
)

// twoDatabases is a configuration with the DuckDB destinations 1, whose key is local, 2, whose key is two, and 3, which
// takes copies from nobody.
func twoDatabases(t *testing.T, dir string, more ...string) config.Config {
	t.Helper()
	name := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`destinations:
  - {id: 1, type: duckdb, api_keys: [local], settings: {file: '%[1]s/one.duckdb'}}
  - {id: 2, type: duckdb, api_keys: [two], max_rows: 100000, settings: {file: '%[1]s/two.duckdb'}}
  - {id: 3, type: duckdb, api_keys: [three], copy_from: [], settings: {file: '%[1]s/three.duckdb'}}
`, dir)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(name, environ(dir, more...))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// as gives the same server to somebody with another key.
func (c *client) as(key string) *client {
	other := *c
	other.key = key
	return &other
}

// copy begins a copy and gives its job's id.
func (c *client) copy(sql, destination, table string) string {
	c.t.Helper()
	body, err := json.Marshal(map[string]string{"query": sql, "destination_id": destination, "destination_table": table})
	if err != nil {
		c.t.Fatal(err)
	}
	status, text := c.do("POST", "/api/data/copy", string(body))
	var made struct {
		JobID string `json:"job_id"`
	}
	if err := json.Unmarshal([]byte(text), &made); err != nil || status != http.StatusAccepted || made.JobID == "" {
		c.t.Fatalf("copy: got status %d %s, want 202", status, text)
	}
	return made.JobID
}

func (c *client) job(id string) (j copier.Report) {
	c.t.Helper()
	status, text := c.do("GET", "/api/jobs/"+id, "")
	if err := json.Unmarshal([]byte(text), &j); err != nil || status != http.StatusOK {
		c.t.Fatalf("job %s: got status %d %s, want 200", id, status, text)
	}
	return j
}

// awaitJob waits until the job is in one of the states.
func (c *client) awaitJob(id string, states ...string) (j copier.Report) {
	c.t.Helper()
	ok := until(c.t, func() bool {
		j = c.job(id)
		return strings.Contains(strings.Join(states, " "), j.State)
	})
	if !ok {
		c.t.Fatalf("job %s: got %+v, want one of %q", id, j, states)
	}
	return j
}

// wantDone waits for the job's good end with so many rows.
func (c *client) wantDone(id string, rows int64) {
	c.t.Helper()
	j := c.awaitJob(id, "done", "failed", "canceled")
	if j.State != "done" || j.RowsRead != rows || j.RowsWritten != rows || j.RowsCounted == nil || *j.RowsCounted != rows || *j.Difference != 0 {
		c.t.Errorf("got job %+v, want done with %d rows", j, rows)
	}
}

// wantNoBatches checks that no batch is left in the blob store or on its way there.
func wantNoBatches(t *testing.T, dir string) {
	t.Helper()
	for _, of := range []string{"blobs", "copy"} {
		err := filepath.WalkDir(filepath.Join(dir, of), func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				t.Errorf("%s is left over", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestCopyToAnotherDatabaseAndOntoItself(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, twoDatabases(t, dir))
	s.insert("events?wait=true", `[{"__row_id":"a","n":1,"at":"2024-02-29T12:00:00Z","tags":["x"]},{"__row_id":"b","n":2}]`)
	s.insert("events?wait=true", `[{"__row_id":"c","n":"three"}]`)
	two := s.as("two")

	id := s.copy("select * from events", "2", "shop.events")
	s.wantDone(id, 3)
	two.query(`select __row_id, __batch_file = '`+id+`', n, "at", tags_0, __rescued from shop.events order by 1`,
		"__row_id,(__batch_file = '"+id+"'),n,at,tags_0,__rescued\n"+
			"a,true,1,2024-02-29T12:00:00Z,x,\nb,true,2,,,\n"+`c,true,0,,,"{""n"":""three""}"`+"\n")
	two.query("select typeof(n) as n, typeof(\"at\") as t from shop.events limit 1", "n,t\nBIGINT,TIMESTAMP WITH TIME ZONE\n")

	var shape struct {
		Columns []struct{ Receipt string }
	}
	if _, text := two.do("GET", "/api/tables/shop.events/columns", ""); json.Unmarshal([]byte(text), &shape) != nil || len(shape.Columns) == 0 {
		t.Fatalf("got columns %s", text)
	}
	status, text := two.do("GET", "/api/receipts/"+shape.Columns[0].Receipt, "")
	if status != http.StatusOK || !strings.Contains(text, `"batch":"`+id+`"`) || !strings.Contains(text, `"state":"loaded","rows":3`) {
		t.Errorf("the receipt of a column that was made for a copy: got %d %s", status, text)
	}

	s.wantDone(s.copy("select * from events", "1", "events"), 3)
	s.query("select count(*) as n from events", "n\n6\n")

	s.wantDone(s.copy("select 1 as a where false", "2", "empty"), 0)
	two.query("select count(*) as n, count(a) as a from empty", "n,a\n0,0\n")

	// More than one batch, as destination 2 has it.
	s.wantDone(s.copy("select i, i::decimal(18,3) as d, [i] as l from range(350000) r(i)", "2", "big"), 350_000)
	two.query("select count(*) as n, count(distinct i) as i, sum(d) as d, max(l[1]) as l from big", "n,i,d,l\n350000,350000,61249825000.000,349999\n")
	wantNoBatches(t, dir)

	id = two.copy("select 1 as x", "1", "from_two")
	if status, _ := s.do("GET", "/api/jobs/"+id, ""); status != http.StatusNotFound {
		t.Errorf("the job of another key: got status %d, want 404", status)
	}
	status, text = s.do("POST", "/api/data/copy", `{"query":"select 1 as x","destination_id":3,"destination_table":"t"}`)
	if status != http.StatusForbidden || !strings.Contains(text, "copy_not_allowed") {
		t.Errorf("a copy into a destination that takes none: got %d %s, want 403", status, text)
	}
}

// Every type of the engine arrives as the nearest one, and what has no place is in __rescued.
func TestCopyOfAllTypes(t *testing.T) {
	s := serve(t, twoDatabases(t, t.TempDir()))
	s.wantDone(s.copy("select * from test_all_types()", "2", "types"), 3)
	s.wantDone(s.copy("select * from test_all_types()", "1", "types"), 3)
	s.as("two").query("select count(*) as n from types", "n\n3\n")
	const changed = `select count(*) as n from (select * from test_all_types()) a where not exists (
		select 1 from types t where t.bigint is not distinct from a.bigint and t.float is not distinct from a.float and t.double is not distinct from a.double and t.hugeint is not distinct from a.hugeint and t.dec38_10 is not distinct from a.dec38_10
		and t.uuid is not distinct from a.uuid and t.interval is not distinct from a.interval and t.varchar is not distinct from a.varchar
		and t.blob is not distinct from a.blob and t.int_array is not distinct from a.int_array and t.struct_of_arrays is not distinct from a.struct_of_arrays
		and t.map is not distinct from a.map and t.small_enum::varchar is not distinct from a.small_enum::varchar)`
	s.query(changed, "n\n0\n")
}

func TestCopyIsCanceled(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, twoDatabases(t, dir))
	id := s.copy("select i from range(100000000000) r(i)", "2", "endless")
	until(t, func() bool { return s.job(id).RowsRead > 0 })
	if status, text := s.do("DELETE", "/api/jobs/"+id, ""); status != http.StatusAccepted {
		t.Errorf("cancel: got status %d %s, want 202", status, text)
	}
	if j := s.awaitJob(id, "canceled", "failed", "done"); j.State != "canceled" || j.Error != "canceled; nothing was loaded" {
		t.Errorf("got job %+v, want it canceled", j)
	}
	s.as("two").query("select count(*) as n from duckdb_tables() where table_name = 'endless'", "n\n0\n")
	wantNoBatches(t, dir)
	if status, _ := s.do("DELETE", "/api/jobs/"+id, ""); status != http.StatusOK {
		t.Errorf("cancel again: got status %d, want 200", status)
	}
}

func TestCopyOfAQueryThatFailsHalfWay(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, twoDatabases(t, dir))
	id := s.copy("select case when i = 900000 then error('no more') else i end as i from range(1000000) r(i)", "2", "half")
	j := s.awaitJob(id, "canceled", "failed", "done")
	if j.State != "failed" || !strings.Contains(j.Error, "no more") || !strings.Contains(j.Error, "nothing was loaded") {
		t.Errorf("got job %+v, want it failed with the engine's words", j)
	}
	s.as("two").query("select count(*) as n from duckdb_tables() where table_name = 'half'", "n\n0\n")
	wantNoBatches(t, dir)
}

// A server that is stopped lets go of its copies, and the next one brings them to their end.
func TestCopySurvivesRestarts(t *testing.T) {
	dir := t.TempDir()
	cfg := twoDatabases(t, dir)
	for _, state := range []string{"reading", "loading"} {
		t.Run(state, func(t *testing.T) {
			s := serve(t, cfg)
			id := s.copy("select i, 'row ' || i as t from range(250000) r(i)", "2", state)
			s.awaitJob(id, state, "done")
			s.mustStop()
			s = serve(t, cfg)
			s.wantDone(id, 250_000)
			s.as("two").query("select count(*) as n, count(distinct i) as i from "+state, "n,i\n250000,250000\n")
			s.mustStop()
			wantNoBatches(t, dir)
		})
	}
}

// Floats of any size arrive as they are: large ones are written without a point, and are no integers all the same.
func TestCopyOfFloats(t *testing.T) {
	s := serve(t, twoDatabases(t, t.TempDir()))
	const floats = "select i, (1.2345678901234567e0 * pow(10, i))::double as d, (1.2345678 * pow(10, i))::float as f from range(-37, 39) r(i)"
	s.wantDone(s.copy(floats, "1", "floats"), 76)
	s.query("select count(*) as n from ("+floats+") a join floats t using (i) where t.d = a.d and t.f = a.f", "n\n76\n")
	s.query("select count(*) as n from duckdb_columns() where table_name = 'floats' and column_name = '__rescued'", "n\n0\n")
}
