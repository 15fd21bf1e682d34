package app

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

const (
	threadsSQL = "select current_setting('threads') as threads, current_setting('memory_limit') as memory"
	oneThread  = "destinations: [{id: 1, type: duckdb, api_keys: [local], settings: {threads: 1, memory_limit: 100MiB}}]\n"
	twoThreads = "destinations: [{id: 1, type: duckdb, api_keys: [local], settings: {threads: 2, memory_limit: 150MiB}}]\n"
)

// Settings change while a query is being read and rows come in: the query ends whole, no row is lost or there twice, and
// then the settings are the new ones.
func TestReloadSettingsUnderLoad(t *testing.T) {
	const rows = 60_000
	r := serveFile(t, oneThread)
	r.put("local", "t", `{"n":-1}`)
	r.ask("local", threadsSQL, "threads,memory\n1,100.0 MiB\n")
	slow := r.stream(fmt.Sprintf("select i, repeat('x', 1000) as x from range(%d) r(i)", rows))

	var inserted atomic.Int64
	inserts, stop := context.WithCancel(t.Context())
	var inserters sync.WaitGroup
	for i := range 4 {
		inserters.Go(func() {
			for n := i; inserts.Err() == nil; n += 4 {
				status, text, err := r.try("POST", "/api/data/insert/t", fmt.Sprintf(`{"n":%d}`, n))
				if err != nil || status != http.StatusOK {
					t.Errorf("insert %d: got %d %s, %v", n, status, text, err)
					return
				}
				inserted.Add(1)
			}
		})
	}
	enough := func() bool { return inserted.Load() > 50 }
	if !until(t, enough) {
		t.Fatal("nothing is inserted")
	}
	r.begin(twoThreads)
	if !until(t, r.queriesWait) {
		t.Fatal("the change does not begin")
	}
	before := inserted.Load()
	if !until(t, func() bool { return inserted.Load() > before+50 }) {
		t.Error("inserts wait for the change")
	}
	if log := r.log.String()[r.read:]; strings.Contains(log, "settings changed") {
		t.Errorf("the settings changed while a query was read: %s", log)
	}
	slow.wantWhole(rows)
	wantLog(t, r.done(), `msg="destination's settings changed" destination=1`, "changes=1 failed=0")
	r.ask("local", threadsSQL, "threads,memory\n2,150.0 MiB\n")
	after := inserted.Load()
	if !until(t, func() bool { return inserted.Load() > after+50 }) {
		t.Error("nothing is inserted after the change")
	}
	stop()
	inserters.Wait()
	n := inserted.Load() + 1
	r.await("select count(*) as n, count(distinct n) as d from t", fmt.Sprintf("n,d\n%d,%d\n", n, n))
	r.mustStop()
}

func TestReloadKeys(t *testing.T) {
	r := serveFile(t, "destinations: [{id: 1, type: duckdb, api_keys: [local, goes-away]}]\n")
	r.wantStatus("goes-away", http.StatusOK)
	r.wantStatus("comes-new", http.StatusUnauthorized)
	log := r.reload("destinations: [{id: 1, type: duckdb, api_keys: [comes-new, local, comes-too]}]\n")
	wantLog(t, log, `msg="destination's API keys changed" destination=1 added=2 removed=1`, "changes=1 failed=0")
	r.wantStatus("goes-away", http.StatusUnauthorized)
	for _, key := range []string{"local", "comes-new", "comes-too"} {
		r.wantStatus(key, http.StatusOK)
	}
	if log := r.reload("destinations: [{id: 1, name: n, type: duckdb, api_keys: [local]}]\n"); !strings.Contains(log, "key=name") {
		t.Errorf("got the log %s, want that the name changed", log)
	}
	wantLog(t, r.reload("destinations: [{id: 1, name: n, type: duckdb, api_keys: [local]}]\n"), "changes=0 failed=0")
	r.mustStop()
	if text := r.log.String(); strings.Contains(text, "goes-away") || strings.Contains(text, "comes-") {
		t.Error("the log has a key")
	}
}

func TestReloadLimitsOfBatches(t *testing.T) {
	const patient = "uploads: {max_file_age: 10m}\ndestinations: [{id: 1, type: duckdb, api_keys: [local]%s}]\n"
	r := serveFile(t, fmt.Sprintf(patient, ", max_rows: 1000"))
	wantLog(t, r.reload(fmt.Sprintf(patient, ", max_rows: 2")), `msg="destination changed" destination=1 key=max_rows`)
	r.insert("t", `{"n":1}`)
	r.insert("t", `{"n":2}`)
	r.await("select count(*) as n from t", "n\n2\n")
	r.mustStop()
}

// With a mistake nothing is taken over, and all mistakes are said.
func TestReloadMistakes(t *testing.T) {
	r := serveFile(t, oneThread)
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"several", "api: {prot: 1}\nqueue: {type: kafka}\ndestinations: [{id: 1, type: duckdb, api_keys: [other], settings: {threads: 2, colour: red}}]\n",
			[]string{"3 mistakes", "line 2: api.prot", "line 3: queue.type", "colour is not a known key"}},
		{"nothing, as of a file that is being written", "", []string{"destinations: they are not given any more"}},
		{"not YAML", "destinations: [", []string{"not YAML"}},
		{"two of one file, below the folder that the server has", "data_dir: DIR/elsewhere\ndestinations: [{id: 1, type: duckdb, api_keys: [other]}, {id: 2, type: duckdb, settings: {file: DIR/data/data.duckdb}}]\n",
			[]string{"is the file of destinations[0] already"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := r.reload(tt.text)
			wantLog(t, log, append(tt.want, "level=ERROR", "nothing has changed")...)
			r.wantStatus("other", http.StatusUnauthorized)
			r.ask("local", threadsSQL, "threads,memory\n1,100.0 MiB\n")
		})
	}
	if err := os.Remove(r.file); err != nil {
		t.Fatal(err)
	}
	r.hangups <- syscall.SIGHUP
	wantLog(t, r.done(), "no such file", "nothing has changed")
	wantLog(t, r.reload(twoThreads), "changes=1 failed=0") // it is no worse for that
	r.ask("local", threadsSQL, "threads,memory\n2,150.0 MiB\n")
	r.mustStop()
}

func TestReloadAddsAndRemoves(t *testing.T) {
	const one = "{id: 1, type: duckdb, api_keys: [local]}"
	two := func(id, keys string) string {
		return "{id: " + id + ", type: duckdb, api_keys: [" + keys + "], settings: {file: DIR/data/two.duckdb}}"
	}
	list := func(all ...string) string { return "destinations: [" + strings.Join(all, ", ") + "]\n" }
	r := serveFile(t, list(one))
	r.put("local", "t", `{"n":1}`)
	wantLog(t, r.reload(list(two("2", "two"), one)), `msg="destination added" destination=2`, "changes=1 failed=0")
	r.put("two", "t", `{"n":2}`)
	r.ask("two", "select n from t", "n\n2\n")
	r.ask("local", "select n from t", "n\n1\n")

	// Its database under another id: the one can be opened when the other has gone.
	wantLog(t, r.reload(list(one, two("3", "two"))), `msg="destination removed" destination=2`, `msg="destination added" destination=3`, "changes=2 failed=0")
	r.ask("two", "select n from t", "n\n2\n")
	r.put("two", "t", `{"n":3}`)

	wantLog(t, r.reload(list(one)), `msg="destination removed" destination=3`, "changes=1 failed=0")
	r.wantStatus("two", http.StatusUnauthorized)
	r.ask("local", "select n from t", "n\n1\n")
	wantLog(t, r.reload(list(one, two("2", "two"))), "changes=1 failed=0")
	r.ask("two", "select n from t order by n", "n\n2\n3\n")

	// A key that moves goes on at the other.
	wantLog(t, r.reload(list(one, two("2", "local2, moved"))), "changes=1 failed=0")
	wantLog(t, r.reload(list("{id: 1, type: duckdb, api_keys: [local, moved]}", two("2", "local2"))), "changes=2 failed=0")
	r.ask("moved", "select n from t", "n\n1\n")
	r.mustStop()
}

// A destination that cannot be opened as it is asked for stays as it is, and its other keys change all the same.
func TestReloadFails(t *testing.T) {
	r := serveFile(t, oneThread)
	r.put("local", "t", `{"n":1}`)
	for _, name := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(r.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const one, two = "{id: 1, type: duckdb, api_keys: [local, other], settings: {file: DIR/a}}", "{id: 2, type: duckdb, api_keys: [two], settings: {file: DIR/b}}"
	for range 2 { // the next time it is tried again
		log := r.reload("destinations: [" + one + ", " + two + "]\n")
		wantLog(t, log, `level=ERROR msg="destination's settings not changed" destination=1`, `level=ERROR msg="destination not added" destination=2`,
			"it is a folder", "failed=2")
		r.ask("other", "select n, current_setting('threads') as threads from t", "n,threads\n1,1\n")
		r.wantStatus("two", http.StatusUnauthorized)
	}
	if err := os.Remove(filepath.Join(r.dir, "b")); err != nil {
		t.Fatal(err)
	}
	wantLog(t, r.reload("destinations: ["+one+", "+two+"]\n"), `msg="destination added" destination=2`, "changes=1 failed=1")
	r.wantStatus("two", http.StatusOK)
	r.mustStop()
}

// What is in memory would be lost: it stays open as it is, and the log says so.
func TestReloadInMemory(t *testing.T) {
	const memory = "destinations: [{id: 1, type: duckdb, api_keys: [%s], settings: {in_memory: true, threads: %d}}]\n"
	r := serveFile(t, fmt.Sprintf(memory, "local", 1))
	r.put("local", "t", `{"n":1}`)
	for _, text := range []string{fmt.Sprintf(memory, "local, other", 2), "destinations: [{id: 1, type: duckdb, api_keys: [local]}]\n"} {
		wantLog(t, r.reload(text), "level=ERROR", `msg="destination's settings not changed" destination=1`, "would lose its rows", "changes=1 failed=1")
		r.ask("local", "select n, current_setting('threads') as threads from t", "n,threads\n1,1\n")
	}
	wantLog(t, r.reload(fmt.Sprintf(memory, "local", 1)), "changes=0 failed=0")
	wantLog(t, r.reload("destinations: [{id: 2, type: duckdb, api_keys: [local], settings: {in_memory: true}}]\n"),
		`msg="destination removed" destination=1`, "its rows are gone")
	r.mustStop()
}

// The limits of queries and who may copy into a destination hold from the reload on.
func TestReloadLimitsAndCopies(t *testing.T) {
	const config = "destinations:\n- {id: 1, type: duckdb, api_keys: [local], settings: {in_memory: true}}\n" +
		"- {id: 2, type: duckdb, api_keys: [two], %s, settings: {in_memory: true}}\n"
	r := serveFile(t, fmt.Sprintf(config, "query: {max_rows: 2}"))
	two := r.as("two")
	if status, text := two.do("POST", "/api/data/query", "select * from range(3)"); status != http.StatusUnprocessableEntity {
		t.Errorf("got status %d %s, want 422", status, text)
	}
	r.wantDone(r.copy("select 1 as a", "2", "t"), 1)
	wantLog(t, r.reload(fmt.Sprintf(config, "query: {max_rows: 3}, copy_from: []")), "failed=0")
	two.query("select count(*) as n from range(3)", "n\n3\n")
	if status, text := two.do("POST", "/api/data/query", "select * from range(3)"); status != http.StatusOK {
		t.Errorf("got status %d %s, want 200", status, text)
	}
	if status, text := r.do("POST", "/api/data/copy", `{"query":"select 1 as a","destination_id":2,"destination_table":"t"}`); status != http.StatusForbidden {
		t.Errorf("got status %d %s, want 403", status, text)
	}
	r.mustStop()
}

func TestReloadSaysWhatNeedsARestart(t *testing.T) {
	r := serveFile(t, "prometheus: {username: u, password: hush1}\n"+oneThread)
	log := r.reload("data_dir: DIR/elsewhere\nlimits: {depth: 3}\nprometheus: {username: u, password: hush2}\nqueue: {settings: {file: DIR/q}}\n" + twoThreads)
	wantLog(t, log, `level=WARN msg="changed keys of the configuration need a restart" keys="[data_dir prometheus.password limits.depth queue.settings]"`, "changes=1 failed=0")
	if strings.Contains(r.log.String(), "hush") {
		t.Error("the log has a password")
	}
	r.ask("local", threadsSQL, "threads,memory\n2,150.0 MiB\n")
	r.mustStop()
}

// A stop does not wait for a change that waits for a query, and the query ends whole.
func TestStopWhileSettingsChange(t *testing.T) {
	const rows = 60_000
	r := serveFile(t, oneThread)
	slow := r.stream(fmt.Sprintf("select i, repeat('x', 1000) as x from range(%d) r(i)", rows))
	r.begin(twoThreads)
	if !until(t, r.queriesWait) {
		t.Fatal("the change does not begin")
	}
	r.quit()
	wantLog(t, r.done(), "settings not changed", "changes=0 failed=1")
	slow.wantWhole(rows)
	r.mustStop()
}
