package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// attack is an entry of testdata/attacks.txt, which says what it is.
type attack struct {
	kind, name, text string
	status           int    // that the answer must have
	code             string // that the problem must have
}

// sectionText is the first line of a section of the corpus.
var sectionText = regexp.MustCompile(`^\[(sql|value|rest)(?: (4\d\d) ([a-z_]+))?\]$`)

// readAttacks reads the entries of a kind.
func readAttacks(t *testing.T, kind string) (attacks []attack) {
	t.Helper()
	corpus, err := os.ReadFile(filepath.Join("testdata", "attacks.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var section attack
	for n, line := range strings.Split(string(corpus), "\n") {
		switch m := sectionText.FindStringSubmatch(line); {
		case line == "" || line[0] == '#':
		case m != nil:
			section = attack{kind: m[1], code: m[3]}
			section.status, _ = strconv.Atoi(m[2])
		default:
			a := section
			var ok bool
			if a.name, a.text, ok = strings.Cut(line, ": "); !ok || a.kind == "" {
				t.Fatalf("attacks.txt:%d: neither a section nor an entry", n+1)
			}
			if a.kind == kind {
				attacks = append(attacks, a)
			}
		}
	}
	if len(attacks) < 50 {
		t.Fatalf("there are %d attacks of the kind %s: the corpus was not read", len(attacks), kind)
	}
	return attacks
}

// besieged is a server, with what it must keep from those who ask it.
type besieged struct {
	*running
	dir     string // the data folder
	watched string // a folder that is none of its business
	fill    *strings.Replacer
}

// canary is in the files that must not be read, and nowhere else.
const canary = "7c1e-the-canary-sings"

// besiege starts a server that has the table victim, beside files that no query may reach.
func besiege(t *testing.T) *besieged {
	t.Helper()
	top := t.TempDir()
	b := &besieged{dir: filepath.Join(top, "data"), watched: filepath.Join(top, "watched")}
	if err := os.Mkdir(b.watched, 0o755); err != nil {
		t.Fatal(err)
	}
	path := func(name string) string { return filepath.Join(b.watched, name) }
	for name, text := range map[string]string{"canary.csv": "secret\n" + canary + "\n", "canary.json": `{"secret":"` + canary + `"}`} {
		if err := os.WriteFile(path(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(b.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	byHand(t, b.dir, "CREATE SEQUENCE s", "COPY (SELECT '"+canary+"' AS secret) TO '"+path("canary.parquet")+"'")
	b.fill = strings.NewReplacer("{canary}", path("canary.csv"), "{json}", path("canary.json"), "{parquet}", path("canary.parquet"),
		"{watched}", b.watched, "{db}", filepath.Join(b.dir, "data.duckdb"), "{data}", b.dir, "{nul}", "\x00", "{nl}", "\n", "{tab}", "\t",
		"{cr}", "\r", "{deep}", strings.Repeat("[", 50_000), "{many}", strings.Repeat("[", 5_000))
	b.running = serve(t, load(t, environ(b.dir)))
	b.insert("victim?wait=true", `[{"name":"Ann","n":1},{"name":"Bob","n":2}]`)
	return b
}

// answer is what came back to an attack.
type answer struct {
	status int
	code   string // of a problem
	body   string
	header http.Header
}

// ask sends a request, as JSON when the body is in braces. Whatever is asked, an answer has nothing of the canary, no failure
// of the server, and when it refuses it says why in the one form that refusals have.
func (b *besieged) ask(method, path, body string) answer {
	b.t.Helper()
	req, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatalf("%s %.200q: %v", method, path, err)
	}
	req.Header.Set("Authorization", "Bearer local")
	if strings.HasPrefix(body, "{") {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := b.http.Do(req)
	if err != nil {
		b.t.Fatalf("%s %.200q: %v", method, path, err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	a := answer{status: resp.StatusCode, body: readAll(b.t, resp), header: resp.Header}
	if strings.Contains(a.body, canary) || a.header.Get("X-Injected") != "" {
		b.t.Errorf("%s %.200q %.200q: the canary is in the answer, or a header of the attacker's: %.300q", method, path, body, a.body)
	}
	if a.status < http.StatusBadRequest {
		return a
	}
	var p struct{ Title, Detail, Code string }
	err = json.Unmarshal([]byte(a.body), &p)
	if a.code = p.Code; err != nil || a.status > 499 || p.Title == "" || p.Detail == "" || p.Code == "" || a.header.Get("Content-Type") != "application/problem+json" {
		b.t.Errorf("%s %.200q %.200q: got %d %.300q, want a 4xx problem", method, path, body, a.status, a.body)
	}
	return a
}

// send is ask with an object as JSON.
func (b *besieged) send(method, path string, o object) answer {
	b.t.Helper()
	var body strings.Builder
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	if err := e.Encode(o); err != nil {
		b.t.Fatal(err)
	}
	return b.ask(method, path, body.String())
}

// state is all that no query may change.
func (b *besieged) state() map[string]string {
	b.t.Helper()
	s := map[string]string{}
	for name, sql := range map[string]string{
		"rows":      "SELECT * FROM victim ORDER BY ALL",
		"settings":  "SELECT name, value FROM duckdb_settings() ORDER BY ALL",
		"tables":    "SELECT database_name, schema_name, table_name, temporary, column_count, comment FROM duckdb_tables() ORDER BY ALL",
		"views":     "SELECT schema_name, view_name, sql FROM duckdb_views() ORDER BY ALL",
		"functions": "SELECT database_name, schema_name, function_name, count(*) FROM duckdb_functions() GROUP BY ALL ORDER BY ALL",
		"databases": "SELECT database_name, path, type FROM duckdb_databases() ORDER BY ALL",
		"sequences": "SELECT sequence_name, last_value FROM duckdb_sequences() ORDER BY ALL",
		"others":    "SELECT (SELECT count(*) FROM duckdb_indexes()) + (SELECT count(*) FROM duckdb_types() WHERE NOT internal), (SELECT count(*) FROM duckdb_schemas())",
		"ledger":    "SELECT count(*) FROM __scratchdata.batches",
	} {
		status, text := b.do("POST", "/api/data/query?format=csv", sql)
		if status != http.StatusOK {
			b.t.Fatalf("%s: got %d %s", name, status, text)
		}
		s[name] = text
	}
	s["control store"] = controlSchema(b.t, b.dir)
	s["watched folder"] = folderText(b.t, b.watched)
	here, err := os.Getwd()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, dir := range []string{b.dir, here} {
		s["files in "+dir] = fileNames(b.t, dir)
	}
	return s
}

// wantSame compares the state with what it was before, and asks whether the server is well.
func (b *besieged) wantSame(before map[string]string) {
	b.t.Helper()
	for name, got := range b.state() {
		if want := before[name]; got != want {
			b.t.Errorf("%s\n got %.2000q\nwant %.2000q", name, got, want)
		}
	}
	if status, text := b.do("GET", "/healthcheck", ""); status != http.StatusOK {
		b.t.Errorf("health: got %d %s", status, text)
	}
	b.insert("victim?wait=true", `{"name":"Cy","n":3}`)
	b.query("SELECT name FROM victim ORDER BY n", "name\nAnn\nBob\nCy\n")
	if strings.Contains(b.log.String(), "handler panicked") || strings.Contains(b.log.String(), "opening it again") {
		b.t.Error("the log has a panic, or a database that had to be opened again")
	}
}

// TestSQLAttacks sends each SQL text by each way that takes SQL.
func TestSQLAttacks(t *testing.T) {
	b := besiege(t)
	before := b.state()
	for _, a := range readAttacks(t, "sql") {
		sql := b.fill.Replace(a.text)
		for _, way := range sqlWays {
			t.Run(way.name+" "+a.name, func(t *testing.T) {
				b := b.in(t)
				got := way.send(b, sql)
				if got.status != a.status || got.code != a.code {
					t.Errorf("%.200q\n got %d %.200q\nwant %d %s", sql, got.status, got.body, a.status, a.code)
				}
			})
		}
	}
	for _, path := range []string{"/api/shares", "/api/queries"} {
		if got := b.ask("GET", path, ""); got.body != "[]\n" {
			t.Errorf("%s: got %.300s, want nothing made", path, got.body)
		}
	}
	b.wantSame(before)
	b.mustStop()
}

// in gives the same server to a subtest.
func (b *besieged) in(t *testing.T) *besieged {
	c, r := *b.client, *b.running
	c.t, r.client = t, &c
	inner := *b
	inner.running = &r
	return &inner
}

// TestTheCorpusIsComplete: whatever the driver's list of the engine's surface says is refused has an attack.
func TestTheCorpusIsComplete(t *testing.T) {
	surface, err := os.ReadFile("../destination/duckdb/testdata/surface.golden")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	words := map[string]bool{}
	for _, a := range readAttacks(t, "sql") {
		fmt.Fprintln(&all, strings.ToLower(a.text))
		for _, w := range regexp.MustCompile(`\w+`).FindAllString(strings.ToLower(a.text), -1) {
			words[w] = true
		}
	}
	looked := 0
	for line := range strings.Lines(string(surface)) {
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		verdict, name, _ := strings.Cut(rest, " ")
		if verdict != "refused" || kind == "setting" {
			continue
		}
		looked++
		if kind == "statement" || kind == "view" {
			name = strings.ToLower(regexp.MustCompile(`\w+$|^\w+ `).FindString(name))
		}
		if !words[strings.TrimSpace(name)] {
			t.Errorf("the corpus has no attack by %s %s", kind, name)
		}
	}
	if looked < 100 {
		t.Errorf("%d entries are refused: the list was not read", looked)
	}
}
