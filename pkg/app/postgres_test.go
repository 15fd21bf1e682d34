package app

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// wants asks and wants a good answer, which is read into answer.
func (c *client) wants(method, path, body string, answer any) {
	c.t.Helper()
	status, text := c.do(method, path, body)
	if err := json.Unmarshal([]byte(text), answer); err != nil || status >= 300 {
		c.t.Fatalf("%s %s: got status %d %s and %v, want it done", method, path, status, text, err)
	}
}

// keyedInsert inserts a row under an idempotency key and gives the answer.
func (c *client) keyedInsert(key, row string) string {
	c.t.Helper()
	req, err := http.NewRequest(http.MethodPost, c.url+"/api/data/insert/events", strings.NewReader(row))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Idempotency-Key", key)
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	var reply struct{ Receipt string }
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil || resp.StatusCode != http.StatusOK {
		c.t.Fatalf("insert: got status %d and %v, want 200", resp.StatusCode, err)
	}
	return reply.Receipt
}

// The server remembers in Postgres all that it remembers in SQLite, also over a restart of its own and of Postgres, and
// nothing of it in its own folder.
func TestServerThatRemembersInPostgres(t *testing.T) {
	database := servertest.StartPostgres(t)
	dir := t.TempDir()
	cfg := twoDatabases(t, dir, "SCRATCH_DATABASE_TYPE=postgres", "SCRATCH_DATABASE_SETTINGS_DSN="+database.Database(t),
		"SCRATCH_DATABASE_SETTINGS_SCHEMA=scratchdata")
	var loaded struct{ Receipt, State string }
	var share struct{ ID string }
	var named struct{ Name string }

	s := serve(t, cfg)
	s.wants("POST", "/api/data/insert/events?wait=true", `[{"n":1,"t":"it's"},{"n":2}]`, &loaded)
	s.query("select n, t from events order by n", "n,t\n1,it's\n2,\n")
	s.insert("events?wait=true", `{"n":"three\u0000"}`)
	s.wants("POST", "/api/data/query/share", `{"query":"select sum(n) as n from events","duration":600}`, &share)
	s.wants("POST", "/api/queries", `{"name":"total","query":"select sum(n) as n from events"}`, &named)
	copied := s.copy("select * from events", "2", "copied")
	s.wantDone(copied, 3)
	s.as("two").query("select n from copied order by n", "n\n0\n1\n2\n")
	first := s.keyedInsert("k", `{"n":4}`)
	s.await("select count(*) as n from events", "n\n4\n")

	database.Crash(t)
	s.insert("events", `{"n":0}`) // a row is safe in its file, and waits there
	if status, text := s.do("GET", "/share/"+share.ID+"/data.csv", ""); status < 500 {
		t.Errorf("a share without the database: got status %d %s, want 5xx", status, text)
	}
	database.Start(t)
	s.await("select count(*) as n from events", "n\n5\n")
	s.mustStop()

	s = serve(t, cfg)
	if got := s.keyedInsert("k", `{"n":4}`); got != first {
		t.Errorf("the insert once more: got receipt %s, want %s", got, first)
	}
	for path, want := range map[string]string{
		"/api/receipts/" + loaded.Receipt:  `"state":"loaded"`,
		"/share/" + share.ID + "/data.csv": "7",
		"/api/query/total?format=csv":      "7",
		"/api/jobs/" + copied:              `"rows_counted":3`,
		"/api/dead":                        "[]",
		"/api/tables/events/columns":       `"created_at"`,
	} {
		if status, text := s.do("GET", path, ""); status != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("%s: got status %d %s, want %s in it", path, status, text, want)
		}
	}
	s.mustStop()
	if _, err := os.Stat(filepath.Join(dir, "control.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("control.db: got %v, want that it is not there", err)
	}
	if strings.Contains(s.log.String(), ":pw@") {
		t.Error("the log has the password")
	}
}

// Two servers that share a Postgres, and nothing else, know what the other remembers.
func TestServersShareWhatTheyRemember(t *testing.T) {
	dsn := servertest.Postgres(t)
	var servers []*running
	for range 2 {
		servers = append(servers, serve(t, load(t, environ(t.TempDir(), "SCRATCH_DATABASE_TYPE=postgres", "SCRATCH_DATABASE_SETTINGS_DSN="+dsn))))
	}
	one, other := servers[0], servers[1]
	var share struct{ ID string }
	var named struct{ Name string }
	one.wants("POST", "/api/data/query/share", `{"query":"select 7 as n","duration":600}`, &share)
	one.wants("POST", "/api/queries", `{"name":"seven","query":"select 7 as n"}`, &named)
	receipt := one.keyedInsert("k", `{"n":4}`)
	one.await("select n from events", "n\n4\n")

	for path, want := range map[string]string{
		"/share/" + share.ID + "/data.csv": "7", "/api/query/seven?format=csv": "7", "/api/receipts/" + receipt: `"state":"loaded"`,
	} {
		if !until(t, func() bool { _, text := other.do("GET", path, ""); return strings.Contains(text, want) }) {
			_, text := other.do("GET", path, "")
			t.Errorf("%s of the other: got %s, want %s in it", path, text, want)
		}
	}
	if got := other.keyedInsert("k", `{"n":4}`); got != receipt {
		t.Errorf("the insert once more, at the other: got receipt %s, want %s", got, receipt)
	}
	if status, text := other.do("DELETE", "/api/shares/"+share.ID, ""); status >= 300 {
		t.Errorf("revoke at the other: got status %d %s", status, text)
	}
	if status, _ := one.do("GET", "/share/"+share.ID+"/data.csv", ""); status != http.StatusNotFound {
		t.Errorf("the share that the other has revoked: got status %d, want 404", status)
	}
	for _, s := range servers {
		s.mustStop()
	}
}
