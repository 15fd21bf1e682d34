package httpapi

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/ingest"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

// keyed is the header of an idempotency key.
func keyed(key string) string { return "Idempotency-Key: " + key }

// headersOf leaves out the empty ones.
func headersOf(list ...string) []string {
	return slices.DeleteFunc(list, func(h string) bool { return h == "" })
}

// wantReplayed checks that again is the answer first, given again.
func wantReplayed(t *testing.T, first, again reply) {
	t.Helper()
	if again.status != first.status || again.body != first.body {
		t.Errorf("replay: got %d %s, want %d %s", again.status, again.body, first.status, first.body)
	}
	if a, b := first.header.Get("Idempotent-Replayed"), again.header.Get("Idempotent-Replayed"); a != "" || b != "true" {
		t.Errorf("Idempotent-Replayed: got %q at first and %q then, want none and true", a, b)
	}
}

func TestReplaysHaveTheFirstAnswer(t *testing.T) {
	p := newPlant(t, setup{ingest: func(c *ingest.Config) { c.Inline = 1 << 10 }})
	p.ship()
	p.load()
	large := strings.Repeat(`{"a":"some text"}`+"\n", 2_000)
	var rows int
	const t1 = "/api/data/insert/t"
	for _, tt := range []struct {
		name, path, body string
		rows             int
		again            string // the path of the replay, when it is another one
		first, both      string // headers of the first insert, and of both
	}{
		{name: "plain", path: t1, body: `{"a":1}`, rows: 1},
		{name: "memory", path: t1 + "?ack=memory", body: `{"a":1}`, rows: 1},
		{name: "row ids", path: t1 + "?row_ids=true", body: `[{"a":1},{"a":2},{"__row_id":"mine"}]`, rows: 3},
		{name: "no rows", path: t1, body: `[]`},
		{name: "waited for", path: t1 + "?wait=true", body: `{"a":1}`, rows: 1},
		{name: "large", path: t1, body: large, rows: 2_000},
		{name: "compressed", path: t1, body: gzipped(t, row), rows: 1, both: "Content-Encoding: gzip"},
		{name: "envelope", path: "/data", body: `{"data":{"a":1},"table":"t"}`, rows: 1, again: "/api/data/insert"},
		{name: "table by header, then by path", path: "/data", body: `{"a":1}`, rows: 1, again: t1, first: "X-SCRATCHDB-TABLE: t"},
		{name: "mode by header, then by query", path: t1, body: `{"a":[1,2]}`, rows: 2, again: t1 + "?flatten=explode", first: "X-SCRATCHDB-FLATTEN: vertical"},
		{name: "tables", path: t1 + "?flatten=multitable", body: `{"a":{"b":1}}`, rows: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			key := keyed(strings.ReplaceAll(tt.name, " ", "-"))
			first := p.do("POST", tt.path, tt.body, headersOf(key, tt.both, tt.first)...)
			if got := decode[insertReply](t, first); first.status != http.StatusOK || got.Rows != tt.rows {
				t.Fatalf("got %d %s, want %d rows", first.status, first.body, tt.rows)
			}
			rows += tt.rows
			for range 2 {
				wantReplayed(t, first, p.do("POST", cmp.Or(tt.again, tt.path), tt.body, headersOf(key, tt.both)...))
			}
		})
	}
	if got := len(p.takenOver()); got != rows {
		t.Errorf("%d rows are stored, want %d", got, rows)
	}
	late := p.do("POST", "/api/data/insert/t", `{"a":1}`, keyed("plain"))
	if got := late.header.Get("Idempotent-Replayed"); got != "true" {
		t.Errorf("after its batch has left: got %d %s, want a replay", late.status, late.body)
	}
}

// A replay that asks to wait waits, although the first answer did not.
func TestReplaysWait(t *testing.T) {
	p := newPlant(t, setup{})
	const path, body = "/api/data/insert/t", `{"a":1}`
	first := decode[insertReply](t, p.do("POST", path, body, keyed("k")))
	soon := p.do("POST", path+"?ack=loaded&timeout=20ms", body, keyed("k"))
	got := decode[insertReply](t, soon)
	if soon.status != http.StatusAccepted || got.State != transport.StateAccepted || got.Receipt != first.Receipt || got.Rows != 1 {
		t.Errorf("nothing is loaded: got %d %s, want 202 and the receipt %s", soon.status, soon.body, first.Receipt)
	}
	if soon.header.Get("Idempotent-Replayed") != "true" {
		t.Error("the answer does not say that it is a replay")
	}
	p.ship()
	p.load()
	late := p.do("POST", path+"?ack=loaded", body, keyed("k"))
	got = decode[insertReply](t, late)
	if late.status != http.StatusOK || got.State != transport.StateLoaded || got.Receipt != first.Receipt || p.one.Count("t") != 1 {
		t.Errorf("got %d %s and %d rows, want 200, loaded and 1 row", late.status, late.body, p.one.Count("t"))
	}
}

// A replay is answered also when its rows were given up and dropped, and so no receipt tells of them.
func TestReplayOfWhatWasDropped(t *testing.T) {
	p := newPlant(t, setup{})
	p.ship()
	p.load()
	p.one.refuse(fault.New(fault.Unprocessable, "bad", "it does not fit"))
	first := decode[insertReply](t, p.do("POST", "/api/data/insert/t", row, keyed("k")))
	batch := p.receiptIs(first.Receipt, transport.StateDead).Batch
	if r := p.do("DELETE", "/api/dead/"+batch, ""); r.status != http.StatusNoContent {
		t.Fatalf("drop: got %d %s", r.status, r.body)
	}
	for path, status := range map[string]int{"t": http.StatusOK, "t?ack=loaded": http.StatusAccepted} {
		r := p.do("POST", "/api/data/insert/"+path, row, keyed("k"))
		if got := decode[insertReply](t, r); r.status != status || got.Receipt != first.Receipt || got.Rows != 1 || got.State != "" {
			t.Errorf("%s: got %d %s, want %d and the first answer", path, r.status, r.body, status)
		}
	}
}

func TestKeysOfOtherInserts(t *testing.T) {
	p := newPlant(t, setup{})
	p.ship()
	p.load()
	const path, body = "/api/data/insert/t", `{"a":[1]}`
	p.insert("t", body, keyed("k"))
	for _, tt := range []struct{ name, path, body string }{
		{"another body", path + "?", `{"a":[2]}`},
		{"white space", path + "?", `{"a": [1]}`},
		{"no rows", path + "?", `[]`},
		{"a body that is no JSON", path + "?", `hello`},
		{"another table", "/api/data/insert/u?", body},
		{"another mode", path + "?flatten=vertical&", body},
		{"an envelope", "/data?", `{"table":"t","data":` + body + `}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			for _, ack := range []string{"disk", "loaded"} {
				r := p.do("POST", tt.path+"ack="+ack, tt.body, keyed("k"))
				wantProblem(t, r, http.StatusUnprocessableEntity, "idempotency_key_reused")
				if got := r.header.Get("Idempotent-Replayed"); got != "" {
					t.Errorf("got Idempotent-Replayed %q with a refusal", got)
				}
			}
		})
	}
	r := p.do("POST", path, `{"a":[2]}`, keyed("k"), "X-API-Key: "+keyTwo) // another destination's key is another one
	if r.status != http.StatusOK || r.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("another destination: got %d %s, want it stored", r.status, r.body)
	}
	p.wantTables([]string{`t: {"a_0":1}`})
	if got := p.two.Count("t"); got != 1 {
		t.Errorf("the other destination has %d rows, want 1", got)
	}
}

// An insert that was refused is not remembered: the same key may be used again, also for another body.
func TestRefusedInsertsKeepNoKey(t *testing.T) {
	p := newPlant(t, setup{api: func(c *Config) { c.MaxBody = 100_000 }})
	const path = "/api/data/insert/t?row_ids=true"
	cases := []struct {
		name, body, header string
		status             int
		code               string
	}{
		{"no-key", row, "X-API-Key: ", 401, "no_key"},
		{"unknown-key", row, "X-API-Key: " + noKey, 401, "unknown_key"},
		{"no-JSON", "{", "", 400, "invalid_json"},
		{"too-large", strings.Repeat(row, 100_000/rowLen+1), "", 413, "body_too_large"},
		{"unknown-coding", row, "Content-Encoding: br", 415, "unknown_content_encoding"},
		{"too-many-row-ids", strings.Repeat(row, 10_001), "", 422, "too_many_row_ids"},
	}
	for _, tt := range cases {
		wantProblem(t, p.do("POST", path, tt.body, headersOf(tt.header, keyed(tt.name))...), tt.status, tt.code)
	}
	p.wantNothingStored()
	p.wantNoKeys()
	for _, tt := range cases {
		r := p.do("POST", path, `{"b":2}`, keyed(tt.name))
		if r.status != http.StatusOK || r.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("%s: afterwards got %d %s, want it stored", tt.name, r.status, r.body)
		}
	}
}

func TestServersThatTakeNothingKeepNoKey(t *testing.T) {
	for _, tt := range []struct {
		setup  setup
		status int
		code   string
	}{
		{setup{api: func(c *Config) { c.ReadOnly = true }}, 403, "read_only"},
		{setup{ingest: func(c *ingest.Config) { c.FreeSpace = 1 << 62 }}, 503, "disk_low"},
		{setup{off: true}, 503, "uploads_off"},
	} {
		p := newPlant(t, tt.setup)
		for range 2 {
			for _, path := range []string{"/api/data/insert/t", "/api/data/insert?table=t", "/data?table=t", "/data"} {
				wantProblem(t, p.do("POST", path, row, keyed("k")), tt.status, tt.code)
			}
		}
		p.wantNoKeys()
	}
}

// wantNoKeys checks that the control store knows no idempotency key.
func (p *plant) wantNoKeys() {
	p.t.Helper()
	left, err := p.control.Keys().Forget(p.t.Context(), time.Time{}, 1)
	if err != nil || left.Count != 0 {
		p.t.Errorf("got %+v, %v, want no key remembered", left, err)
	}
}

func TestIdempotencyKeys(t *testing.T) {
	p := newPlant(t, setup{})
	for _, tt := range []struct {
		name, lines string
		good        bool
	}{
		{"one character", "Idempotency-Key: !", true},
		{"a UUID", "idempotency-key: 8e03978e-40d5-43dd-bc93-6894a57f9324", true},
		{"quoted", `Idempotency-Key: "8e03978e"`, true},
		{"the longest", "Idempotency-Key: " + strings.Repeat("~", 255), true},
		{"too long", "Idempotency-Key: " + strings.Repeat("~", 256), false},
		{"empty", "Idempotency-Key:", false},
		{"a space", "Idempotency-Key: a b", false},
		{"a tab", "Idempotency-Key: a\tb", false},
		{"not ASCII", "Idempotency-Key: \u00e4", false},
		{"two", "Idempotency-Key: a\r\nIdempotency-Key: a", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			text := insertHead(tt.lines+"\r\nContent-Length: 8") + row
			r := p.readReply(p.dial(text))
			if !tt.good {
				wantProblem(t, r, http.StatusBadRequest, "bad_idempotency_key")
				return
			}
			wantReplayed(t, r, p.readReply(p.dial(text)))
		})
	}
}

func TestPagesSeeWhatWasReplayed(t *testing.T) {
	p := newPlant(t, setup{})
	const origin = "Origin: https://any.example"
	for range 2 {
		r := p.do("POST", "/api/data/insert/t", row, keyed("k"), origin)
		if got := r.header.Get("Access-Control-Expose-Headers"); r.status != http.StatusOK || !strings.Contains(got, "Idempotent-Replayed") {
			t.Errorf("got %d and exposed headers %q, want Idempotent-Replayed among them", r.status, got)
		}
	}
	r := p.send("OPTIONS", "/api/data/insert/t", nil, origin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: idempotency-key")
	if got := r.header.Get("Access-Control-Allow-Headers"); !strings.EqualFold(got, "Idempotency-Key") && got != "*" {
		t.Errorf("got allowed headers %q, want Idempotency-Key", got)
	}
}
