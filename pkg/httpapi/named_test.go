package httpapi

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/query"
)

func namedAnswers() map[string]answer {
	all := answers()
	all[query.First("three", 0)], all[query.First("none", 0)], all[query.First("wrong", 0)] = numbers(0, nil), numbers(0, nil), all["wrong"]
	return all
}

const namedBody = `{"name":"top","query":"three","description":"The top","params":[{"name":"n","type":"int","default":10},{"name":"s"}]}`

func TestNamedQueries(t *testing.T) {
	p := newPlant(t, setup{answers: namedAnswers()})
	r := p.do("POST", "/api/queries", namedBody)
	made := decode[namedReply](t, r)
	if r.status != http.StatusCreated || r.header.Get("Location") != "/api/queries/top" || made.Version != 1 || made.PublicURL != "" {
		t.Fatalf("got %d %v %s", r.status, r.header, r.body)
	}
	wantProblem(t, p.do("POST", "/api/queries", namedBody), http.StatusConflict, "query_exists")
	for _, tt := range []struct{ url, args string }{
		{"?s=x", `[n=10 s="x"]`}, {"?s=x&n=5", `[n=5 s="x"]`}, {"?s=%27%3B+drop+table+t&n=-1&format=csv", `[n=-1 s="'; drop table t"]`},
	} {
		r := p.do("GET", p.path(made.URL)+tt.url, "")
		p.one.mu.Lock()
		if got := shown(p.one.asked, nil); r.status != http.StatusOK || got != tt.args {
			t.Errorf("%s: got %d with %s, want %s", tt.url, r.status, got, tt.args)
		}
		p.one.mu.Unlock()
	}
	problem := wantProblem(t, p.do("GET", p.path(made.URL)+"?s=x&n=many", ""), http.StatusBadRequest, "bad_param")
	if !strings.Contains(problem.Detail, "parameter n:") {
		t.Errorf("got %q, want the parameter's name", problem.Detail)
	}
	wantProblem(t, p.do("GET", p.path(made.URL), ""), http.StatusBadRequest, "missing_param")
	wantProblem(t, p.do("GET", "/api/query/other", ""), http.StatusNotFound, "unknown_query")
	wantProblem(t, p.do("GET", p.path(made.URL)+"?s=x", "", "X-API-Key: "+keyTwo), http.StatusNotFound, "unknown_query")
	wantProblem(t, p.send("GET", p.path(made.URL)+"?s=x", nil), http.StatusUnauthorized, "no_key")
}

func TestNamedQueriesHaveVersions(t *testing.T) {
	p := newPlant(t, setup{answers: namedAnswers()})
	if r := p.do("PUT", "/api/queries/q", `{"query":"three"}`); r.status != http.StatusCreated {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	if r := p.do("PUT", "/api/queries/q", `{"query":"none","name":"q"}`); r.status != http.StatusOK || decode[namedReply](t, r).Version != 2 {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	wantProblem(t, p.do("PUT", "/api/queries/q", `{"query":"none","name":"other"}`), http.StatusBadRequest, "bad_name")
	for version, want := range map[string]string{"": "none", "?version=1": "three", "?version=2": "none"} {
		if got := decode[namedReply](t, p.do("GET", "/api/queries/q"+version, "")); got.SQL != want {
			t.Errorf("%s: got %s, want %s", version, got.SQL, want)
		}
	}
	if r := p.do("GET", "/api/query/q?version=1", ""); r.body != threeRows {
		t.Errorf("version 1: got %s", r.body)
	}
	wantProblem(t, p.do("GET", "/api/queries/q?version=3", ""), http.StatusNotFound, "unknown_query")
	wantProblem(t, p.do("GET", "/api/queries/q?version=x", ""), http.StatusBadRequest, "bad_parameter")
	if list := decode[[]namedReply](t, p.do("GET", "/api/queries", "")); len(list) != 1 || list[0].Version != 2 {
		t.Errorf("got %+v, want the last version", list)
	}
	if r := p.do("GET", "/api/queries", "", "X-API-Key: "+keyTwo); r.body != "[]\n" {
		t.Errorf("another destination sees %s", r.body)
	}
	if r := p.do("DELETE", "/api/queries/q", ""); r.status != http.StatusNoContent {
		t.Errorf("got %d %s", r.status, r.body)
	}
	for _, path := range []string{"/api/queries/q", "/api/query/q"} {
		wantProblem(t, p.do("GET", path, ""), http.StatusNotFound, "unknown_query")
	}
	wantProblem(t, p.do("DELETE", "/api/queries/q", ""), http.StatusNotFound, "unknown_query")
}

// What GET gives can be changed and PUT, and what only the server says of it counts for nothing.
func TestNamedQueriesAreSentAsTheyWereGiven(t *testing.T) {
	p := newPlant(t, setup{answers: namedAnswers()})
	for i, body := range []string{
		namedBody,
		`{"query":"three","params":[{"name":"n","type":"int","default":null,"description":"d"}]}`,
		`{"query":"three","params":[{"name":"tenant"}],"public":true,"fixed":{"tenant":"acme"}}`,
		`{"query":"three"}`,
	} {
		path := "/api/queries/top"
		first := decode[namedReply](t, p.do("PUT", path, body))
		given := p.do("GET", path, "")
		r := p.do("PUT", path, given.body)
		again := decode[namedReply](t, r)
		if r.status != http.StatusOK || first.Version != 2*i+1 || again.Version != 2*i+2 || again.SavedAt.Before(first.SavedAt) {
			t.Errorf("%s: got %d with version %d, then %d, at %v, then %v", body, r.status, first.Version, again.Version, first.SavedAt, again.SavedAt)
		}
		again.Version, again.SavedAt = first.Version, first.SavedAt
		if !reflect.DeepEqual(again, first) {
			t.Errorf("%s\n got %+v\nwant %+v", body, again, first)
		}
	}
	r := p.do("POST", "/api/queries", `{"name":"other","query":"three","version":7,"url":"http://elsewhere/","public_url":5,"saved_at":null}`)
	got := decode[namedReply](t, r)
	if r.status != http.StatusCreated || got.Version != 1 || got.URL != p.server.URL+"/api/query/other" || got.PublicURL != "" || got.SavedAt.IsZero() {
		t.Errorf("got %d %s", r.status, r.body)
	}
	list := p.do("GET", "/api/queries", "")
	var all []json.RawMessage
	if err := json.Unmarshal([]byte(list.body), &all); err != nil || len(all) != 2 {
		t.Fatalf("got %s, %v, want two queries", list.body, err)
	}
	if r := p.do("PUT", "/api/queries/other", string(all[0])); r.status != http.StatusOK || decode[namedReply](t, r).Version != 2 {
		t.Errorf("one of the list: got %d %s", r.status, r.body)
	}
}

func TestPublicQueries(t *testing.T) {
	p := newPlant(t, setup{answers: namedAnswers()})
	const body = `{"query":"three","params":[{"name":"tenant"},{"name":"n","type":"int","default":1}],"public":true,"fixed":{"tenant":"acme"}}`
	made := decode[namedReply](t, p.do("PUT", "/api/queries/q", body))
	path := p.path(made.PublicURL)
	if !strings.HasPrefix(path, "/query/") || len(path) < len("/query/")+26 {
		t.Fatalf("got the link %s", made.PublicURL)
	}
	r := p.send("GET", path+"?n=7", nil)
	p.one.mu.Lock()
	if got := shown(p.one.asked, nil); r.status != http.StatusOK || r.body != threeRows || got != `[n=7 tenant="acme"]` {
		t.Errorf("got %d %s with %s", r.status, r.body, got)
	}
	p.one.mu.Unlock()
	wantProblem(t, p.send("GET", path+"?tenant=other", nil), http.StatusForbidden, "fixed_param")
	if again := decode[namedReply](t, p.do("PUT", "/api/queries/q", body)); again.PublicURL != made.PublicURL {
		t.Errorf("the link changed from %s to %s", made.PublicURL, again.PublicURL)
	}
	if private := decode[namedReply](t, p.do("PUT", "/api/queries/q", `{"query":"three"}`)); private.PublicURL != "" {
		t.Errorf("got the link %s", private.PublicURL)
	}
	wantProblem(t, p.send("GET", path, nil), http.StatusNotFound, "unknown_query")
}

func TestNamedQueriesThatAreRefused(t *testing.T) {
	p := newPlant(t, setup{answers: namedAnswers()})
	for body, code := range map[string]string{
		`select 1`:                   "invalid_json",
		`{"name":"a","sql":"three"}`: "invalid_json",
		`{"name":"a","query":"three","destination":"2"}`:                  "invalid_json",
		`{"name":"a","query":"three","public_id":"x"}`:                    "invalid_json",
		`{"name":"a","query":"three","url":}`:                             "invalid_json",
		`{"name":"a"}`:                                                    "no_query",
		`{"name":"a b","query":"three"}`:                                  "bad_name",
		`{"name":"a","query":"wrong"}`:                                    "invalid_sql",
		`{"name":"a","query":"three","params":[{"name":"n","type":"x"}]}`: "bad_param",
	} {
		wantProblem(t, p.do("POST", "/api/queries", body), http.StatusBadRequest, code)
	}
	readOnly := newPlant(t, setup{answers: namedAnswers(), api: func(c *Config) { c.ReadOnly = true }})
	wantProblem(t, readOnly.do("POST", "/api/queries", namedBody), http.StatusForbidden, "read_only")
	wantProblem(t, readOnly.do("PUT", "/api/queries/q", namedBody), http.StatusForbidden, "read_only")
	wantProblem(t, readOnly.do("DELETE", "/api/queries/q", ""), http.StatusForbidden, "read_only")
}

// The served document has an operation for each named query, and is otherwise the contract.
func TestServedOpenAPI(t *testing.T) {
	p := newPlant(t, setup{answers: namedAnswers()})
	p.do("POST", "/api/queries", namedBody)
	var doc struct {
		OpenAPI string `json:"openapi"`
		Servers []struct{ URL string }
		Paths   map[string]map[string]json.RawMessage
	}
	r := p.do("GET", "/api/openapi.json", "")
	if err := json.Unmarshal([]byte(r.body), &doc); err != nil {
		t.Fatal(err)
	}
	var op struct {
		Summary    string
		Parameters []struct {
			Name     string
			Required bool
			Schema   struct {
				Type    string
				Default any
			}
		}
	}
	if err := json.Unmarshal(doc.Paths["/api/query/top"]["get"], &op); err != nil {
		t.Fatalf("%v in %s", err, doc.Paths["/api/query/top"])
	}
	if op.Summary != "The top" || len(op.Parameters) != 3 || op.Parameters[1].Name != "n" || op.Parameters[1].Required || op.Parameters[1].Schema.Type != "integer" ||
		op.Parameters[1].Schema.Default != 10.0 || !op.Parameters[2].Required {
		t.Errorf("got the operation %+v", op)
	}
	if doc.Servers[0].URL != p.server.URL || doc.Paths["/api/data/insert/{table}"]["post"] == nil || !strings.HasPrefix(doc.OpenAPI, "3.") {
		t.Errorf("got %s at %v, want the contract", doc.OpenAPI, doc.Servers)
	}
}
