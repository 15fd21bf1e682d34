package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/ingest"
)

// small makes caps small enough to be passed.
func small() setup {
	return setup{
		api: func(c *Config) { c.MaxBody, c.MaxDecoded = 4_000, 100_000 },
		ingest: func(c *ingest.Config) {
			c.Inline = 1 << 10
			c.Limits.Depth, c.Limits.RowBytes = 5, 2_000
		},
	}
}

func TestBadInserts(t *testing.T) {
	p := newPlant(t, small())
	const row = `{"a":1}` + "\n"
	many := strings.Repeat(row, 5_000)
	for _, tt := range []struct {
		name, body, coding string
		status             int
		code, detail       string
	}{
		{"not JSON", `hello`, "", 400, "invalid_json", "at byte 0 (line 1)"},
		{"cut JSON", `{"a":1,"b":`, "", 400, "invalid_json", "at byte 11"},
		{"on the third line", row + row + `{"a":1,}`, "", 400, "invalid_json", "at byte 23 (line 3)"},
		{"in an array", `[{"a":1},{"a"}]`, "", 400, "invalid_json", "at byte 13"},
		{"a comma at the end of an array", `[{"a":1},]`, "", 400, "invalid_json", "at byte 9"},
		{"more after an array", `[{"a":1}]]`, "", 400, "invalid_json", "at byte 9"},
		{"bad UTF-8", "{\"a\":\"\xff\"}", "", 400, "invalid_json", "at byte 6"},
		{"empty", "", "", 400, "invalid_json", "the body ends"},
		{"empty gzip", "", "gzip", 400, "bad_content_encoding", "gzip"},
		{"empty zstd", "", "zstd", 400, "invalid_json", "the body ends"},
		{"a number", `5`, "", 400, "not_an_object", "element 0"},
		{"a number in an array", `[{"a":1},5]`, "", 400, "not_an_object", "element 1"},
		{"late, in gzip", gzipped(t, many+"{"), "gzip", 400, "invalid_json", "(line 5001)"},
		{"late, in zstd", zstded(t, many+"5"), "zstd", 400, "not_an_object", "element 5000"},
		{"too deep", `{"a":{"a":{"a":{"a":{"a":{"a":1}}}}}}`, "", 422, "too_deep", "5 levels"},
		{"row too large", `{"a":"` + strings.Repeat("x", 3_000) + `"}`, "", 413, "row_too_large", "2000 bytes"},
		{"body too large", strings.Repeat(row, 501), "", 413, "body_too_large", "4000 bytes as sent"},
		{"too large when decoded", gzipped(t, many+many+many), "gzip", 413, "body_too_large", "100000 bytes after decompression"},
		{"not gzip", row, "gzip", 400, "bad_content_encoding", "gzip"},
		{"cut gzip", cutOff(gzipped(t, many)), "gzip", 400, "bad_content_encoding", "gzip"},
		{"more after gzip", gzipped(t, row) + "more", "gzip", 400, "bad_content_encoding", "gzip"},
		{"not zstd", row, "zstd", 400, "bad_content_encoding", "zstd"},
		{"cut zstd", cutOff(zstded(t, many)), "zstd", 400, "bad_content_encoding", "zstd"},
		{"unknown coding", row, "br", 415, "unknown_content_encoding", `"br"`},
	} {
		for _, length := range []string{"known", "chunked"} {
			t.Run(tt.name+" "+length, func(t *testing.T) {
				p.in(t)
				r := p.send("POST", "/api/data/insert/t", bodyOf(tt.body, length), "X-API-Key: "+keyOne, "Content-Encoding: "+tt.coding)
				got := wantProblem(t, r, tt.status, tt.code)
				if !strings.Contains(got.Detail, tt.detail) {
					t.Errorf("got detail %q, want %q in it", got.Detail, tt.detail)
				}
				p.wantNothingStored()
			})
		}
	}
	p.ship()
	p.load()
	p.insert("t?wait=true", row) // the next caller gets nothing of what was refused
	if got := p.one.Count("t"); got != 1 {
		t.Errorf("got %d rows, want the last one alone", got)
	}
}

func TestBadParameters(t *testing.T) {
	p := newPlant(t, setup{})
	for _, tt := range []struct{ name, query, detail string }{
		{"ack", "ack=maybe", "ack"},
		{"wait", "wait=perhaps", "wait"},
		{"row_ids", "row_ids=2", "row_ids"},
		{"timeout", "wait=true&timeout=soon", "timeout"},
		{"negative timeout", "wait=true&timeout=-1", "timeout"},
		{"endless timeout", "wait=true&timeout=inf", "timeout"},
		{"query", "a=%zz", "not well formed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			got := wantProblem(t, p.do("POST", "/api/data/insert/t?"+tt.query, `{"a":1}`), http.StatusBadRequest, "bad_parameter")
			if !strings.Contains(got.Detail, tt.detail) {
				t.Errorf("got detail %q, want %q in it", got.Detail, tt.detail)
			}
		})
	}
	p.wantNothingStored()
}

func cutOff(s string) string { return s[:len(s)/2] }

func TestInsertsThatCannotBeTaken(t *testing.T) {
	for _, tt := range []struct {
		name   string
		setup  setup
		before func(p *plant)
		status int
		code   string
		retry  string
	}{
		{"uploads off", setup{off: true}, nil, 503, "uploads_off", "5"},
		{"read-only", setup{api: func(c *Config) { c.ReadOnly = true }}, nil, 403, "read_only", ""},
		{"disk low", setup{ingest: func(c *ingest.Config) { c.FreeSpace = 1 << 62 }}, nil, 503, "disk_low", "10"},
		{"shutting down", setup{}, (*plant).stopWriter, 503, "shutting_down", "5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlant(t, tt.setup)
			if tt.before != nil {
				tt.before(p)
			}
			for _, path := range []string{"t", "t?ack=memory", "t?wait=true"} {
				r := p.do("POST", "/api/data/insert/"+path, `{"a":1}`)
				wantProblem(t, r, tt.status, tt.code)
				if got := r.header.Get("Retry-After"); got != tt.retry {
					t.Errorf("got Retry-After %q, want %q", got, tt.retry)
				}
			}
			if !tt.setup.off {
				p.wantNothingStored()
			}
		})
	}
}

func TestReadOnlyStillAnswers(t *testing.T) {
	p := newPlant(t, setup{api: func(c *Config) { c.ReadOnly = true }, answers: map[string]answer{"all": numbers(1, nil)}})
	for _, tt := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/api/data/query?q=all", "", 200},
		{"POST", "/api/data/query", "all", 200},
		{"GET", "/api/dead", "", 200},
		{"GET", "/healthcheck", "", 200},
		{"POST", "/api/dead/x/replay", "", 403},
		{"DELETE", "/api/dead/x", "", 403},
	} {
		r := p.do(tt.method, tt.path, tt.body)
		if r.status != tt.status {
			t.Errorf("%s %s: got %d %s, want %d", tt.method, tt.path, r.status, r.body, tt.status)
		}
		if tt.status == http.StatusForbidden {
			wantProblem(t, r, tt.status, "read_only")
		}
	}
}
