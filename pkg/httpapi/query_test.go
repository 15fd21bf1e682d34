package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/query"
)

// answers are what the tests of queries ask for.
func answers() map[string]answer {
	return map[string]answer{
		"three":        numbers(3, nil),
		"none":         numbers(0, nil),
		"many":         numbers(100_000, nil),
		"wrong":        numbers(0, fault.New(fault.Invalid, "invalid_sql", "no such column: m")),
		"refused":      numbers(0, fault.New(fault.Denied, "read_only_query", "only one SELECT")),
		"broken":       numbers(0, errors.New("password=hunter2 in /srv/secret")),
		"broken later": numbers(3, errors.New("password=hunter2 in /srv/secret")),
		"wrong later":  numbers(3, fault.New(fault.Invalid, "invalid_sql", "cannot cast")),
		"panic":        panicking(0),
		"panic later":  panicking(3),
		"select '%+&'": numbers(1, nil),
	}
}

const threeRows = "[\n{\"n\":0},\n{\"n\":1},\n{\"n\":2}\n]\n"

func TestQueriesAreAskedInManyWays(t *testing.T) {
	p := newPlant(t, setup{answers: answers()})
	for _, tt := range []struct{ name, method, path, body, typ string }{
		{"query", "GET", "?query=three", "", ""},
		{"q", "GET", "?q=three", "", ""},
		{"query before q", "GET", "?q=none&query=three", "", ""},
		{"body", "POST", "", "three", ""},
		{"body as text", "POST", "", "three", "text/plain"},
		{"the type that curl sends", "POST", "", "three", "application/x-www-form-urlencoded"},
		{"JSON", "POST", "", `{"query":"three"}`, "application/json"},
		{"JSON with a parameter of its type", "POST", "", `{"query":"three"}` + "\n", "application/JSON; charset=utf-8"},
		{"body before the URL", "POST", "?query=none", "three", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			r := p.do(tt.method, "/api/data/query"+tt.path, tt.body, "Content-Type: "+tt.typ)
			if r.status != http.StatusOK || r.body != threeRows {
				t.Errorf("got %d %q, want 200 %q", r.status, r.body, threeRows)
			}
		})
	}
	r := p.do("GET", "/api/data/query?q="+url.QueryEscape("select '%+&'"), "")
	if want := "[\n{\"n\":0}\n]\n"; r.body != want {
		t.Errorf("escaped: got %d %q, want %q", r.status, r.body, want)
	}
}

func TestFormats(t *testing.T) {
	p := newPlant(t, setup{answers: answers()})
	const ndjson, csv = "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n", "n\r\n0\r\n1\r\n2\r\n"
	for _, tt := range []struct{ name, format, accept, typ, want string }{
		{"default", "", "", "application/json", threeRows},
		{"json", "json", "text/csv", "application/json", threeRows},
		{"ndjson", "ndjson", "", "application/x-ndjson", ndjson},
		{"csv", "CSV", "", "text/csv; charset=utf-8", csv},
		{"accept csv", "", "text/csv", "text/csv; charset=utf-8", csv},
		{"accept ndjson most", "", "application/json;q=0.5, application/x-ndjson", "application/x-ndjson", ndjson},
		{"accept anything", "", "*/*", "application/json", threeRows},
		{"accept what is not there", "", "image/png", "application/json", threeRows},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			r := p.do("GET", "/api/data/query?q=three&format="+tt.format, "", "Accept: "+tt.accept)
			if r.status != http.StatusOK || r.body != tt.want || r.header.Get("Content-Type") != tt.typ {
				t.Errorf("got %d %s %q, want 200 %s %q", r.status, r.header.Get("Content-Type"), r.body, tt.typ, tt.want)
			}
		})
	}
	wantProblem(t, p.do("GET", "/api/data/query?q=three&format=xml", ""), http.StatusBadRequest, "unknown_format")
}

func TestWholeAnswersHaveTrailers(t *testing.T) {
	p := newPlant(t, setup{answers: answers()})
	for sql, rows := range map[string]int{"three": 3, "none": 0, "many": 100_000} {
		for _, format := range []string{"json", "ndjson", "csv"} {
			r := p.do("POST", "/api/data/query?format="+format, sql)
			got := fmt.Sprint(r.trailer)
			want := fmt.Sprint(http.Header{"X-Scratch-Rows": {fmt.Sprint(rows)}, "X-Scratch-Status": {"complete"}})
			if r.status != http.StatusOK || got != want {
				t.Errorf("%s as %s: got %d %s, want %s", sql, format, r.status, got, want)
			}
			if cache := r.header.Get("Cache-Control"); cache != "no-store" {
				t.Errorf("got Cache-Control %q, want no-store", cache)
			}
		}
	}
}

func TestQueriesThatAreNone(t *testing.T) {
	p := newPlant(t, setup{answers: answers()})
	long := strings.Repeat("x", maxSQL+1)
	for _, tt := range []struct {
		name, method, path, body, typ string
		status                        int
		code                          string
	}{
		{"nothing", "GET", "", "", "", 400, "no_query"},
		{"empty", "GET", "?query=&q=", "", "", 400, "no_query"},
		{"spaces", "GET", "?query=%20%0A", "", "", 400, "no_query"},
		{"no body", "POST", "", "", "", 400, "no_query"},
		{"JSON without it", "POST", "", `{}`, "application/json", 400, "no_query"},
		{"no JSON", "POST", "", `three`, "application/json", 400, "invalid_json"},
		{"JSON of another type", "POST", "", `{"query":3}`, "application/json", 400, "invalid_json"},
		{"JSON with more in it", "POST", "", `{"query":"three","limit":1}`, "application/json", 400, "invalid_json"},
		{"JSON with more after it", "POST", "", `{"query":"three"}{"query":"none"}`, "application/json", 400, "invalid_json"},
		{"cut JSON", "POST", "", `{"query":"three"`, "application/json", 400, "invalid_json"},
		{"too large", "POST", "", long, "", 413, "query_too_large"},
		{"too large JSON", "POST", "", `{"query":"` + long + `"}`, "application/json", 413, "query_too_large"},
		{"unknown to the database", "POST", "", long[1:], "", 400, "invalid_sql"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			r := p.send(tt.method, "/api/data/query"+tt.path, bodyOf(tt.body, "known"), "X-API-Key: "+keyOne, "Content-Type: "+tt.typ)
			wantProblem(t, r, tt.status, tt.code)
		})
	}
	wantProblem(t, p.answerTo("POST /api/data/query HTTP/1.1\r\nHost: x\r\nX-API-Key: "+keyOne+"\r\nContent-Length: 9\r\n\r\nthree"), 400, "truncated_body")
}

// A query that fails before its first row is told as any other failure is.
func TestErrorsBeforeTheFirstByte(t *testing.T) {
	p := newPlant(t, setup{answers: answers(), limits: query.Limits{Rows: 2}})
	for _, tt := range []struct {
		sql    string
		status int
		code   string
		detail string
	}{
		{"wrong", 400, "invalid_sql", "no such column: m"},
		{"refused", 403, "read_only_query", "only one SELECT"},
		{"broken", 500, "internal", "under this request_id"},
		{"panic", 500, "internal", "under this request_id"},
	} {
		for _, format := range []string{"json", "ndjson", "csv"} {
			t.Run(tt.sql+" "+format, func(t *testing.T) {
				p.in(t)
				r := p.do("POST", "/api/data/query?format="+format, tt.sql, "X-Request-Id: of-"+tt.sql+format)
				got := wantProblem(t, r, tt.status, tt.code)
				if !strings.Contains(got.Detail, tt.detail) {
					t.Errorf("got detail %q, want %q in it", got.Detail, tt.detail)
				}
			})
		}
	}
	wantProblem(t, p.do("POST", "/api/data/query", "three", "X-API-Key: "+keyTwo), 400, "invalid_sql")
}

func TestInternalErrorsAreLoggedAndNotTold(t *testing.T) {
	p := newPlant(t, setup{answers: answers()})
	for _, tt := range []struct{ sql, line, why string }{
		{"broken", "request failed", "password=hunter2 in /srv/secret"},
		{"panic", "handler panicked", "the engine's glue is wrong: hunter2"},
	} {
		r := p.do("POST", "/api/data/query", tt.sql)
		got := wantProblem(t, r, http.StatusInternalServerError, "internal")
		if strings.Contains(r.body, "hunter2") || strings.Contains(fmt.Sprint(r.header), "hunter2") {
			t.Errorf("%s: the answer tells it: %s", tt.sql, r.body)
		}
		if !p.log.has("level=ERROR", tt.line, tt.why, "request_id="+got.RequestID, "route=/api/data/query") {
			t.Errorf("%s: the log does not tell it under %s:\n%s", tt.sql, got.RequestID, p.log)
		}
	}
}

func TestQueryLimitsAreTold(t *testing.T) {
	told := make(chan error, 1)
	p := newPlant(t, setup{limits: query.Limits{Timeout: 20 * time.Millisecond, Concurrent: 1},
		answers: map[string]answer{"slow": waiting(0, told)}})
	wantProblem(t, p.do("POST", "/api/data/query", "slow"), http.StatusUnprocessableEntity, "query_timeout")
	if err := <-told; err == nil {
		t.Error("the query went on")
	}
}

// The first rows are sent when they are there, not when the answer is whole.
func TestFirstRowsComeAtOnce(t *testing.T) {
	told := make(chan error, 1)
	p := newPlant(t, setup{answers: map[string]answer{"slow": waiting(1, told)}})
	c := p.dial("GET /api/data/query?q=slow&format=ndjson HTTP/1.1\r\nHost: x\r\nX-API-Key: " + keyOne + "\r\n\r\n")
	var got strings.Builder
	for one := make([]byte, 1); !strings.Contains(got.String(), `{"n":0}`); got.Write(one) {
		if _, err := io.ReadFull(c, one); err != nil {
			t.Fatalf("got %q and %v, want the first row", got.String(), err)
		}
	}
}
