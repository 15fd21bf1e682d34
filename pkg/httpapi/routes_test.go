package httpapi

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/ingest"
)

func TestPathsThatAreNotThere(t *testing.T) {
	p := newPlant(t, setup{})
	for _, path := range []string{"/nowhere", "/api", "/api/", "/api/nowhere", "/api/data/insert/", "/data/x", "/api/data/insert/a/b", "/api/dead/", "//", "/healthcheck/"} {
		for _, method := range []string{"GET", "POST", "HEAD"} {
			r := p.do(method, path, "")
			if r.status != http.StatusNotFound {
				t.Errorf("%s %s: got %d, want 404", method, path, r.status)
			}
			if method != "HEAD" {
				wantProblem(t, r, http.StatusNotFound, "no_route")
			}
		}
	}
}

func TestUnknownMethodAtUnknownPath(t *testing.T) {
	p := newPlant(t, setup{})
	for _, path := range []string{"/nowhere", "/api/nowhere", "/api/dead/x/y"} {
		wantProblem(t, p.do("SEARCH", path, ""), http.StatusNotFound, "no_route")
	}
}

// RFC 9110 wants the methods that a path has in Allow.
func TestMethodsThatAPathHasNot(t *testing.T) {
	p := newPlant(t, setup{})
	for path, want := range map[string]string{
		"/":                            "GET, HEAD",
		"/healthcheck":                 "GET, HEAD",
		"/data":                        "POST",
		"/api/data/insert":             "POST",
		"/api/data/insert/events":      "POST",
		"/api/data/insert/a%2Fb":       "POST",
		"/api/data/query":              "GET, HEAD, POST",
		"/api/receipts/x":              "GET, HEAD",
		"/api/data/query/share":        "POST",
		"/api/rest/x":                  "GET, HEAD",
		"/api/queries":                 "GET, HEAD, POST",
		"/api/queries/x":               "DELETE, GET, HEAD, PUT",
		"/api/query/x":                 "GET, HEAD",
		"/query/x":                     "GET, HEAD",
		"/api/openapi.json":            "GET, HEAD",
		"/api/data/copy":               "POST",
		"/api/jobs":                    "GET, HEAD",
		"/api/jobs/x":                  "DELETE, GET, HEAD",
		"/api/shares":                  "GET, HEAD",
		"/api/shares/x":                "DELETE",
		"/share/x":                     "GET, HEAD",
		"/share/x/data.json":           "GET, HEAD",
		"/api/dead":                    "GET, HEAD",
		"/api/dead/x":                  "DELETE, GET, HEAD",
		"/api/dead/x/replay":           "POST",
		"/api/tables":                  "GET, HEAD",
		"/api/tables/a/columns":        "GET, HEAD",
		"/api/tables/a/rescued":        "GET, HEAD",
		"/api/tables/a/rescued/replay": "POST",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "SEARCH"} {
			if slices.Contains(strings.Split(want, ", "), method) {
				continue
			}
			r := p.do(method, path, "")
			switch {
			case method == "HEAD":
			case strings.HasPrefix(path, restPrefix):
				wantRestProblem(t, r, http.StatusMethodNotAllowed, "method_not_allowed", "")
			default:
				wantProblem(t, r, http.StatusMethodNotAllowed, "method_not_allowed")
			}
			if got := r.header.Get("Allow"); r.status != http.StatusMethodNotAllowed || got != want {
				t.Errorf("%s %s: got %d with Allow %q, want 405 with %q", method, path, r.status, got, want)
			}
		}
	}
}

// Where there is GET there is HEAD, the same without a body.
func TestHead(t *testing.T) {
	p := newPlant(t, setup{answers: answers()})
	for _, tt := range []struct {
		path, typ string
		status    int
	}{
		{"/", "text/plain; charset=utf-8", 200},
		{"/healthcheck", "application/json", 200},
		{"/api/dead", "application/json", 200},
		{"/api/data/query?q=three&format=csv", "text/csv; charset=utf-8", 200},
		{"/api/data/query?q=wrong", "application/problem+json", 400},
		{"/api/receipts/x", "application/problem+json", 400},
	} {
		r := p.do("HEAD", tt.path, "")
		if r.status != tt.status || r.header.Get("Content-Type") != tt.typ || r.body != "" {
			t.Errorf("%s: got %d %s %q, want %d %s and no body", tt.path, r.status, r.header.Get("Content-Type"), r.body, tt.status, tt.typ)
		}
	}
}

func TestHome(t *testing.T) {
	p := newPlant(t, setup{})
	r := p.send("GET", "/", nil)
	if r.status != http.StatusOK || r.body != homeText || r.header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("got %d %s %q, want 200 and the text", r.status, r.header.Get("Content-Type"), r.body)
	}
}

func TestPreflight(t *testing.T) {
	const anywhere, here = "https://any.example", "https://app.example"
	for _, tt := range []struct {
		name    string
		origins []string
		origin  string
		allowed string
	}{
		{"any", []string{"*"}, anywhere, "*"},
		{"configured", []string{here}, here, here},
		{"another", []string{here}, anywhere, ""},
		{"pattern", []string{"https://*.example"}, anywhere, anywhere},
		{"the origin with more after it", []string{here}, here + ".evil.test", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlant(t, setup{api: func(c *Config) { c.CORSOrigins = tt.origins }, answers: answers()})
			for _, path := range []string{"/api/data/insert/events", "/api/data/query", "/api/dead/x"} {
				r := p.send("OPTIONS", path, nil, "Origin: "+tt.origin, "Access-Control-Request-Method: POST",
					"Access-Control-Request-Headers: authorization,content-type")
				if got := r.header.Get("Access-Control-Allow-Origin"); r.status != http.StatusOK || got != tt.allowed {
					t.Errorf("preflight of %s: got %d and origin %q, want 200 and %q", path, r.status, got, tt.allowed)
				}
				if got := r.header.Get("Access-Control-Allow-Headers"); (got != "") != (tt.allowed != "") {
					t.Errorf("preflight of %s: got headers %q", path, got)
				}
			}
			for sql, status := range map[string]int{"three": 200, "wrong": 400, "": 400} {
				r := p.do("POST", "/api/data/query", sql, "Origin: "+tt.origin)
				if got := r.header.Get("Access-Control-Allow-Origin"); r.status != status || got != tt.allowed {
					t.Errorf("%q: got %d and origin %q, want %d and %q", sql, r.status, got, status, tt.allowed)
				}
			}
			r := p.send("GET", "/api/dead", nil, "Origin: "+tt.origin)
			wantProblem(t, r, http.StatusUnauthorized, "no_key")
			if got := r.header.Get("Access-Control-Allow-Origin"); got != tt.allowed {
				t.Errorf("without a key: got origin %q, want %q", got, tt.allowed)
			}
		})
	}
}

func TestHealth(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fail")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	unwell := func() []string { return []string{"the moon is full", "so is the disk"} }
	for _, tt := range []struct {
		name    string
		setup   setup
		before  func(p *plant)
		reasons string
	}{
		{"well", setup{health: func() []string { return nil }}, nil, ""},
		{"well, nobody to ask", setup{}, nil, ""},
		{"no fail file", setup{api: func(c *Config) { c.FailFile = file + "2" }}, nil, ""},
		{"fail file", setup{api: func(c *Config) { c.FailFile = file }}, nil, "the fail file is present"},
		{"uploads off", setup{off: true}, nil, "uploads are switched off"},
		{"other reasons", setup{health: unwell}, nil, "the moon is full, so is the disk"},
		{"disk low", setup{ingest: func(c *ingest.Config) { c.FreeSpace = 1 << 62 }}, nil, "free disk space is"},
		{"shutting down", setup{}, (*plant).stopWriter, "the server is shutting down"},
		{"all at once", setup{off: true, health: unwell, api: func(c *Config) { c.FailFile = file }}, nil,
			"the fail file is present, uploads are switched off, the moon is full, so is the disk"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlant(t, tt.setup)
			if tt.before != nil {
				tt.before(p)
			}
			r := p.send("GET", "/healthcheck", nil)
			got := decode[healthReply](t, r)
			status, word, retry := http.StatusOK, "ok", ""
			if tt.reasons != "" {
				status, word, retry = http.StatusServiceUnavailable, "failing", "5"
			}
			if r.status != status || got.Status != word || r.header.Get("Retry-After") != retry {
				t.Errorf("got %d %+v, Retry-After %q, want %d %s, %q", r.status, got, r.header.Get("Retry-After"), status, word, retry)
			}
			if reasons := strings.Join(got.Reasons, ", "); !strings.HasPrefix(reasons, tt.reasons) || tt.reasons == "" && reasons != "" {
				t.Errorf("got reasons %q, want %q", reasons, tt.reasons)
			}
		})
	}
}

func TestRequestIDIsTheCallersOrNew(t *testing.T) {
	p := newPlant(t, setup{})
	if got := p.do("GET", "/", "", "X-Request-Id: mine-1").header.Get("X-Request-Id"); got != "mine-1" {
		t.Errorf("got %q, want the caller's", got)
	}
	first, second := p.do("GET", "/", "").header.Get("X-Request-Id"), p.do("GET", "/", "").header.Get("X-Request-Id")
	if first == "" || first == second {
		t.Errorf("got %q and %q, want two", first, second)
	}
	got := wantProblem(t, p.do("GET", "/api/receipts/x", "", "X-Request-Id: mine-2"), http.StatusBadRequest, "bad_receipt")
	if got.RequestID != "mine-2" || !p.log.has("request failed", "request_id=mine-2") {
		t.Errorf("got %+v, want the caller's id there and in the log", got)
	}
}
