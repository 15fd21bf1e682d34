package endtoend

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/api"
	"github.com/scratchdata/scratchdata/pkg/rig"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// role is what a node is switched to.
type role struct{ noWorkers, noUploads, readOnly, elsewhere bool }

// roles are all that there are. A node whose destination is elsewhere has no workers, and there is none that takes no rows either.
func roles() (all []role) {
	for i := range 8 {
		all = append(all, role{noWorkers: i&1 != 0, noUploads: i&2 != 0, readOnly: i&4 != 0})
	}
	return append(all, role{noWorkers: true, elsewhere: true}, role{noWorkers: true, elsewhere: true, readOnly: true})
}

// switches are the names of those that are on in the environment, and this.
func (r role) switches() (names, env []string) {
	for _, s := range []struct {
		on        bool
		name, env string
	}{
		{r.noWorkers, "no workers", "SCRATCH_WORKERS_ENABLED=false"},
		{r.noUploads, "no uploads", "SCRATCH_UPLOADS_ENABLED=false"},
		{r.readOnly, "read-only", "SCRATCH_API_READ_ONLY=true"},
		{r.elsewhere, "ingest_only", "SCRATCH_DESTINATIONS_0_TYPE=ingest_only"},
	} {
		if s.on {
			names, env = append(names, s.name), append(env, s.env)
		}
	}
	return names, env
}

// ok is what the operation answers where nothing keeps it from that. Of an error there is the code, too.
const ok = ""

// The answers of nodes.
func always(role) string { return ok }

func inserts(r role) string {
	if r.noUploads && !r.readOnly {
		return "503 uploads_off"
	}
	return writes(r)
}

func asks(r role) string {
	if r.elsewhere {
		return "503 destination_elsewhere"
	}
	return ok
}

func writes(r role) string {
	if r.readOnly {
		return "403 read_only"
	}
	return ok
}

// changes are writes for which the database is looked at.
func changes(r role) string {
	if r.readOnly {
		return writes(r)
	}
	return asks(r)
}

// loads are inserts that wait for somebody to load them, who may be fast.
func loads(r role) string {
	if answer := inserts(r); answer != ok || r.noWorkers {
		return answer
	}
	return "200 or 202"
}

func healthy(r role) string {
	if r.noUploads {
		return "503"
	}
	return ok
}

// asked is an operation of the API, as it is asked here.
type asked struct {
	operation  string // as the OpenAPI document has it
	path, body string // {share} stands for the id of a share that is there, and so on
	ok         string
	answer     func(role) string
}

var matrix = []asked{
	{"GET /", "/", "", "200", always},
	{"GET /healthcheck", "/healthcheck", "", "200", healthy},
	{"GET /api/openapi.json", "/api/openapi.json", "", "200", always},

	{"POST /data", "/data?table=events", `{"n":1}`, "200", inserts},
	{"POST /api/data/insert", "/api/data/insert?table=events", `{"n":1}`, "200", inserts},
	{"POST /api/data/insert/{table}", "/api/data/insert/events", `{"n":1}`, "200", inserts},
	{"POST /api/data/insert/{table}", "/api/data/insert/events?ack=loaded&timeout=50ms", `{"n":1}`, "202", loads},
	{"GET /api/receipts/{id}", "/api/receipts/{receipt}", "", "200", always},

	{"GET /api/data/query", "/api/data/query?q=select+1", "", "200", asks},
	{"POST /api/data/query", "/api/data/query", "select 1", "200", asks},
	{"GET /api/rest/{table}", "/api/rest/events", "", "200", asks},
	{"GET /api/tables", "/api/tables", "", "200", asks},
	{"GET /api/tables/{table}/columns", "/api/tables/events/columns", "", "200", asks},
	{"GET /api/tables/{table}/rescued", "/api/tables/events/rescued", "", "200", asks},
	{"POST /api/tables/{table}/rescued/replay", "/api/tables/events/rescued/replay", "", "200", changes},

	{"POST /api/data/query/share", "/api/data/query/share", `{"query":"select 1","duration":60}`, "200", changes},
	{"GET /api/shares", "/api/shares", "", "200", always},
	{"GET /share/{id}", "/share/{share}", "", "200", asks},
	{"GET /share/{id}/{file}", "/share/{share}/data.json", "", "200", asks},
	{"DELETE /api/shares/{id}", "/api/shares/none", "", "404 unknown_share", writes},

	{"GET /api/queries", "/api/queries", "", "200", always},
	{"GET /api/queries/{name}", "/api/queries/one", "", "200", always},
	{"POST /api/queries", "/api/queries", `{"name":"one","query":"select 1 as n"}`, "409 query_exists", changes},
	{"PUT /api/queries/{name}", "/api/queries/one", `{"query":"select 1 as n"}`, "200", changes},
	{"DELETE /api/queries/{name}", "/api/queries/none", "", "404 unknown_query", writes},
	{"GET /api/query/{name}", "/api/query/one", "", "200", asks},
	{"GET /query/{id}", "/query/none", "", "404 unknown_query", always},

	{"POST /api/data/copy", "/api/data/copy", `{"query":"select 1 as n","destination_id":"1","destination_table":"copied"}`, "202", changes},
	{"GET /api/jobs", "/api/jobs", "", "200", always},
	{"GET /api/jobs/{id}", "/api/jobs/none", "", "404 unknown_job", always},
	{"DELETE /api/jobs/{id}", "/api/jobs/none", "", "404 unknown_job", writes},

	{"GET /api/dead", "/api/dead", "", "200", always},
	{"GET /api/dead/{id}", "/api/dead/none", "", "404 unknown_dead_batch", always},
	{"POST /api/dead/{id}/replay", "/api/dead/none/replay", "", "404 unknown_dead_batch", writes},
	{"DELETE /api/dead/{id}", "/api/dead/none", "", "404 unknown_dead_batch", writes},
}

// Each node answers what its switches let it, whatever it is asked. A route that is new in the OpenAPI document needs a line.
func TestServices(t *testing.T) {
	public := operations(t)
	for _, line := range matrix {
		if _, known := public[line.operation]; !known {
			t.Errorf("%s is not in the OpenAPI document", line.operation)
		}
	}
	for operation := range public {
		if !slices.ContainsFunc(matrix, func(l asked) bool { return l.operation == operation }) {
			t.Errorf("%s of the OpenAPI document has no line here", operation)
		}
	}
	n := newNode(t, "")
	names := n.plant()
	env := n.Env
	for _, role := range roles() {
		on, switches := role.switches()
		t.Run(strings.Join(on, ", "), func(t *testing.T) {
			n.Env = append(env[:len(env):len(env)], switches...)
			n.start()
			for _, line := range matrix {
				want := line.answer(role)
				if want == ok {
					want = line.ok
				}
				method, _, _ := strings.Cut(line.operation, " ")
				path := names.Replace(line.path)
				if got := n.ask(method, path, line.body, rig.Key); !slices.Contains(strings.Split(want, " or "), got) {
					t.Errorf("%s %s: got %s, want %s", method, line.path, got, want)
				}
				if got := n.ask(method, path, line.body, ""); !public[line.operation] && got != "401 no_key" {
					t.Errorf("%s %s, without a key: got %s, want 401 no_key", method, line.path, got)
				}
			}
			n.mustStop()
		})
	}
}

// Without the API nothing listens at its port, and the metrics tell that the node lives.
func TestServicesWithoutAPI(t *testing.T) {
	port := strconv.Itoa(servertest.FreePort(t))
	n := startNode(t, "", "SCRATCH_API_ENABLED=false", "SCRATCH_API_PORT="+port)
	if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
		t.Errorf("the API's port: got a connection, want it refused")
		_ = c.Close() // it was not expected
	}
	if _, err := n.Metric(t.Context(), "scratchdata_oldest_unloaded_seconds"); err != nil {
		t.Errorf("the metrics: %v", err)
	}
	for operation := range operations(t) {
		method, path, _ := strings.Cut(operation, " ")
		if got := n.ask(method, path, "", rig.Key); got != "404" {
			t.Errorf("%s at the port of the metrics: got %s, want 404", operation, got)
		}
	}
	n.mustStop()
}

// operations reads from the OpenAPI document which there are, and whether each wants no key.
func operations(t *testing.T) map[string]bool {
	t.Helper()
	doc, err := api.Document()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	paths, _ := doc["paths"].(map[string]any)
	for path, item := range paths {
		methods, _ := item.(map[string]any)
		for method, operation := range methods {
			if fields, ok := operation.(map[string]any); ok {
				security, given := fields["security"].([]any)
				found[strings.ToUpper(method)+" "+path] = given && len(security) == 0
			}
		}
	}
	if len(found) < 10 {
		t.Fatalf("the OpenAPI document was not read: got %v", found)
	}
	return found
}

// plant lets a node make what the matrix asks for, stops it, and gives its names.
func (n *node) plant() *strings.Replacer {
	n.t.Helper()
	n.start()
	var inserted struct{ Receipt string }
	n.post("/api/data/insert/events?wait=true", `[{"n":1},{"n":"many"}]`, &inserted)
	var shared struct{ ID string }
	n.post("/api/data/query/share", `{"query":"select 1","duration":600}`, &shared)
	n.post("/api/queries", `{"name":"one","query":"select 1 as n"}`, &struct{}{})
	n.mustStop()
	return strings.NewReplacer("{receipt}", inserted.Receipt, "{share}", shared.ID)
}

// post wants an answer, which is read into answer.
func (n *node) post(path, body string, answer any) {
	n.t.Helper()
	status, text, err := n.Post(n.t.Context(), n.HTTP, path, strings.NewReader(body))
	if err == nil {
		err = json.Unmarshal([]byte(text), answer)
	}
	if err != nil || status >= 300 {
		n.t.Fatalf("%s: got %d %s, %v", path, status, text, err)
	}
}

// ask gives an answer's status and, when it is a problem, its code.
func (n *node) ask(method, path, body, key string) string {
	n.t.Helper()
	req, err := http.NewRequestWithContext(n.t.Context(), method, n.URL+path, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := n.HTTP.Do(req)
	if err != nil {
		n.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end below
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatalf("%s %s: %v", method, path, err)
	}
	if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "" {
		n.t.Errorf("%s %s: got 503 without Retry-After", method, path)
	}
	if resp.Header.Get("Content-Type") != "application/problem+json" {
		return fmt.Sprint(resp.StatusCode)
	}
	var problem struct{ Code string }
	if err := json.Unmarshal(text, &problem); err != nil {
		n.t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, problem.Code)
}
