package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/account"
	"github.com/scratchdata/scratchdata/pkg/secret"
)

// ways are the places where a key may stand.
var ways = []struct {
	name  string
	place func(key string) (query, header string)
}{
	{"bearer", func(key string) (string, string) { return "", "Authorization: Bearer " + key }},
	{"X-API-Key", func(key string) (string, string) { return "", "X-API-Key: " + key }},
	{"apikey", func(key string) (string, string) { return "", "apikey: " + key }},
	{"query", func(key string) (string, string) { return "api_key=" + key, "Accept: */*" }},
}

// keyedRoutes are the routes that ask for a key.
var keyedRoutes = []string{
	"POST /data", "POST /api/data/insert", "POST /api/data/insert/events", "GET /api/tables", "GET /api/tables/t/columns",
	"GET /api/tables/t/rescued", "POST /api/tables/t/rescued/replay", "GET /api/data/query", "POST /api/data/query", "GET /api/receipts/x",
	"GET /api/dead", "GET /api/dead/x", "POST /api/dead/x/replay", "DELETE /api/dead/x",
}

func TestEveryWayToGiveAKey(t *testing.T) {
	p := newPlant(t, setup{})
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			p.in(t)
			query, header := way.place(keyOne)
			r := p.send("POST", "/api/data/insert/events?"+query, strings.NewReader(`{"a":1}`), header)
			if r.status != http.StatusOK {
				t.Errorf("known key: got %d %s, want 200", r.status, r.body)
			}
			query, header = way.place(noKey)
			r = p.send("POST", "/api/data/insert/events?"+query, strings.NewReader(`{"a":1}`), header)
			wantProblem(t, r, http.StatusUnauthorized, "unknown_key")
		})
	}
}

func TestEveryRouteAsksForAKey(t *testing.T) {
	p := newPlant(t, setup{api: func(c *Config) { c.ReadOnly = true }})
	for _, route := range keyedRoutes {
		method, path, _ := strings.Cut(route, " ")
		for _, tt := range []struct{ name, header, code string }{
			{"none", "Accept: */*", "no_key"},
			{"empty", "X-API-Key: ", "no_key"},
			{"unknown", "X-API-Key: " + noKey, "unknown_key"},
			{"another scheme", "Authorization: Basic " + keyOne, "no_key"},
			{"more than the key", "Authorization: Bearer " + keyOne + "x", "unknown_key"},
		} {
			t.Run(route+" "+tt.name, func(t *testing.T) {
				p.in(t)
				r := p.send(method, path, strings.NewReader(`{"a":1}`), tt.header)
				wantProblem(t, r, http.StatusUnauthorized, tt.code)
				if got := r.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer ") {
					t.Errorf("got WWW-Authenticate %q, want Bearer", got)
				}
			})
		}
	}
	p.wantNothingStored()
}

// A key must not be in any line of the log, wherever it was in the request and whatever came of that.
func TestKeysAreNotLogged(t *testing.T) {
	p := newPlant(t, setup{answers: map[string]answer{
		"all": numbers(3, nil), "wrong": numbers(0, http.ErrHijacked), "cut": numbers(3, http.ErrHijacked), "panic": panicking(0),
	}})
	p.ship()
	p.load()
	for _, way := range ways {
		for _, key := range []string{keyOne, keyTwo, noKey} {
			for _, tt := range []struct{ method, path, body string }{
				{"POST", "/api/data/insert/events?wait=true", `{"a":1}`},
				{"POST", "/api/data/insert/events", `{"a":`},
				{"POST", "/api/data/insert/bad%00name", `{"a":1}`},
				{"POST", "/api/data/insert/events?ack=maybe", `{"a":1}`},
				{"GET", "/api/data/query?q=all", ""},
				{"GET", "/api/data/query?q=wrong", ""},
				{"GET", "/api/data/query?q=cut", ""},
				{"GET", "/api/data/query?q=panic", ""},
				{"GET", "/api/data/query?a=%zz", ""},
				{"GET", "/api/receipts/x", ""},
				{"GET", "/api/dead", ""},
				{"DELETE", "/api/dead/x", ""},
				{"GET", "/nowhere", ""},
				{"PUT", "/api/dead", ""},
				{"GET", "/healthcheck", ""},
				{"GET", "/", ""},
			} {
				query, header := way.place(key)
				path := tt.path + "?" + query
				if strings.Contains(tt.path, "?") {
					path = tt.path + "&" + query
				}
				if r := p.send(tt.method, path, strings.NewReader(tt.body), header); strings.Contains(r.body, key) {
					t.Errorf("%s %s: the answer has the key: %s", tt.method, path, r.body)
				}
			}
		}
	}
	log := p.log.String()
	for line := range strings.Lines(log) {
		if strings.Contains(line, "key-of-") || strings.Contains(line, "api_key=") {
			t.Errorf("a key is in the log: %s", line)
		}
	}
	grant, err := account.New(map[secret.String]string{keyOne: "1"}).Find(keyOne)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"level=DEBUG", "level=INFO", "level=ERROR", "key=" + grant.KeyID, "handler panicked"} {
		if !strings.Contains(log, part) {
			t.Errorf("the log has no %q, so nothing is proven", part)
		}
	}
}
