package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/ingest"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

func TestInsertBodies(t *testing.T) {
	p := newPlant(t, setup{})
	p.ship()
	p.load()
	const lines = "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n"
	for _, tt := range []struct {
		name, body, coding, typ string
		rows                    int
	}{
		{"object", `{"a":1}`, "", "application/json", 1},
		{"array", `[{"a":1},{"a":2}]`, "", "application/json", 2},
		{"lines", lines, "", "application/x-ndjson", 3},
		{"lines found by looking", lines, "", "application/json", 3},
		{"no type", lines, "", "", 3},
		{"the type that curl sends", `{"a":1}`, "", "application/x-www-form-urlencoded", 1},
		{"byte order mark", "\ufeff" + `{"a":1}`, "", "", 1},
		{"gzip", gzipped(t, lines), "gzip", "", 3},
		{"gzip of two members", gzipped(t, lines) + gzipped(t, lines), "gzip", "", 6},
		{"zstd", zstded(t, lines), "zstd", "", 3},
		{"empty array", `[]`, "", "", 0},
		{"empty array in gzip", gzipped(t, `[]`), "gzip", "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			before := p.one.Count("events")
			got := p.insert("events?wait=true", tt.body, "Content-Encoding: "+tt.coding, "Content-Type: "+tt.typ)
			if got.Rows != tt.rows || (got.Receipt == "") != (tt.rows == 0) {
				t.Errorf("got %+v, want %d rows", got, tt.rows)
			}
			if added := p.one.Count("events") - before; added != tt.rows {
				t.Errorf("%d rows arrived, want %d", added, tt.rows)
			}
		})
	}
}

func TestInsertReplies(t *testing.T) {
	p := newPlant(t, setup{})
	for _, tt := range []struct{ name, path, want string }{
		{"plain", "events", `{"rows":2,"receipt":"R"}`},
		{"memory", "events?ack=memory", `{"rows":2,"receipt":"R"}`},
		{"disk", "events?ack=disk&row_ids=false", `{"rows":2,"receipt":"R"}`},
		{"row ids", "events?row_ids=true", `{"rows":2,"receipt":"R","row_ids":["I","mine"]}`},
		{"no rows", "events?row_ids=true", `{"rows":0,"receipt":""}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			body := `[{"a":1},{"a":2,"__row_id":"mine"}]`
			if tt.name == "no rows" {
				body = "[]"
			}
			r := p.do("POST", "/api/data/insert/"+tt.path, body)
			got := decode[insertReply](t, r)
			text := strings.TrimSuffix(r.body, "\n")
			if got.Receipt != "" {
				if _, _, count, err := rowid.ParseReceipt(got.Receipt); err != nil || count != 2 {
					t.Errorf("receipt %q: got %d rows and %v, want 2", got.Receipt, count, err)
				}
				text = strings.Replace(text, got.Receipt, "R", 1)
			}
			if len(got.RowIDs) == 2 && len(got.RowIDs[0]) == rowid.Len {
				text = strings.Replace(text, got.RowIDs[0], "I", 1)
			}
			if r.status != http.StatusOK || text != tt.want {
				t.Errorf("got %d %s, want 200 %s", r.status, text, tt.want)
			}
		})
	}
}

func TestInsertWaits(t *testing.T) {
	p := newPlant(t, setup{})
	soon := p.do("POST", "/api/data/insert/events?ack=loaded&timeout=20ms", `{"a":1}`)
	got := decode[insertReply](t, soon)
	if soon.status != http.StatusAccepted || got.State != transport.StateAccepted || got.Rows != 1 || got.Receipt == "" {
		t.Errorf("nothing is loaded: got %d %+v, want 202, accepted, 1 row and the receipt", soon.status, got)
	}
	p.ship()
	p.load()
	for _, path := range []string{"events?ack=loaded", "events?wait=true", "events?wait=true&timeout=20", "events?wait=1&ack=memory&row_ids=1"} {
		before := p.one.Count("events")
		got := p.insert(path, `{"a":1}`)
		if got.State != transport.StateLoaded || p.one.Count("events") <= before {
			t.Errorf("%s: got %+v and %d rows, want it loaded", path, got, p.one.Count("events"))
		}
		if ids := strings.Contains(path, "row_ids"); (len(got.RowIDs) == 1) != ids {
			t.Errorf("%s: got row ids %q", path, got.RowIDs)
		}
	}
	p.one.refuse(fault.New(fault.Unprocessable, "bad", "it does not fit"))
	dead := p.do("POST", "/api/data/insert/events?wait=true", `{"a":1}`)
	if got := decode[insertReply](t, dead); dead.status != http.StatusAccepted || got.State != transport.StateDead || !strings.Contains(got.Reason, "does not fit") {
		t.Errorf("refused by the database: got %d %+v, want 202, dead and the reason", dead.status, got)
	}
}

// hardToFind has something happen before a batch is found.
type hardToFind struct {
	control.Batches
	first func(context.Context) error
}

func (h hardToFind) Find(ctx context.Context, id string) (control.Batch, error) {
	if h.first != nil {
		if err := h.first(ctx); err != nil {
			return control.Batch{}, err
		}
	}
	return h.Batches.Find(ctx, id)
}

// Rows that were accepted have their receipt in the answer, however the server fares that should tell where they are: a
// client that got none would send them again.
func TestAcceptedInsertHasItsReceipt(t *testing.T) {
	fails := errors.New("the control store is on fire")
	slow := func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
			return nil
		}
	}
	for _, tt := range []struct {
		name    string
		finding func(context.Context) error
		logged  bool
	}{
		{"it takes longer than the client waits", slow, false},
		{"it fails", func(context.Context) error { return fails }, true},
		{"it does not finish in time", func(context.Context) error { return context.DeadlineExceeded }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlant(t, setup{finding: tt.finding})
			for range 2 { // the second is a replay
				r := p.do("POST", "/api/data/insert/t?ack=loaded&timeout=20ms", row, keyed("k"))
				got := decode[insertReply](t, r)
				if r.status != http.StatusAccepted || got.State != transport.StateAccepted || got.Receipt == "" || got.Rows != 1 {
					t.Errorf("got %d %s, want 202, accepted and the receipt", r.status, r.body)
				}
			}
			if got := p.log.has("level=WARN", "before it was known to be loaded"); got != tt.logged {
				t.Errorf("it is logged: %v, want %v\n%s", got, tt.logged, p.log)
			}
		})
	}
}

func TestInsertNamesTheTable(t *testing.T) {
	p := newPlant(t, setup{})
	p.ship()
	p.load()
	longest := strings.Repeat("q", 127) + "." + strings.Repeat("t", 127)
	for _, tt := range []struct{ name, path, table string }{
		{"plain", "events", "events"},
		{"space", "two%20words", "two words"},
		{"needless escape", "%65vents_2", "events_2"},
		{"escaped dot", "a%2Eb", "a.b"},
		{"qualified", "a.c-d", "a.c-d"},
		{"longest", longest, longest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			p.insert(tt.path+"?wait=true", `{"a":1}`)
			if got := p.one.Count(tt.table); got != 1 {
				t.Errorf("got %d rows in %s, want 1", got, tt.table)
			}
		})
	}
	if p.two.Count("events") != 0 {
		t.Error("rows went to the other key's destination")
	}
}

// The way out of the folder is through the table's name, if anywhere.
func TestTableNamesStayInTheFolder(t *testing.T) {
	p := newPlant(t, setup{})
	before := strings.Join(p.files(""), "\n")
	for _, tt := range []struct {
		name, path string
		status     int
	}{
		{"up, as it stands", "../../etc/passwd", 404},
		{"up", "..%2F..%2Fetc%2Fpasswd", 400},
		{"up, all escaped", "%2e%2e%2f", 400},
		{"up, escaped twice", "%252e%252e%252f", 400},
		{"dots", "..", 400},
		{"dot", ".", 400},
		{"escaped twice", "two%2520words", 400},
		{"escaped percent", "100%25", 400},
		{"absolute", "%2Fetc%2Fpasswd", 400},
		{"backslash", "..%5C..%5Cwindows", 400},
		{"drive", "C%3A", 400},
		{"SQL", "a%22%3B%20drop%20table%20x%3B%20--", 400},
		{"quote", "a'b", 400},
		{"NUL", "a%00b", 400},
		{"newline", "a%0Ab", 400},
		{"too long", strings.Repeat("a", 128), 400},
		{"far too long", strings.Repeat("a", 4000), 400},
		{"three parts", "a.b.c", 400},
		{"empty part", "a.", 400},
		{"space at the edge", "%20a", 400},
		{"not UTF-8", "%ff", 400},
		{"not ASCII", "t%C3%A4ble", 400},
		{"empty", "", 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			code := "bad_table_name"
			if tt.status == http.StatusNotFound {
				code = "no_route"
			}
			got := wantProblem(t, p.do("POST", "/api/data/insert/"+tt.path, `{"a":1}`), tt.status, code)
			if len(got.Detail) > 1000 {
				t.Errorf("the detail has %d bytes of what the caller sent", len(got.Detail))
			}
		})
	}
	if after := strings.Join(p.files(""), "\n"); after != before {
		t.Errorf("files\n got %s\nwant %s", after, before)
	}
}

func TestLargeInsertIsOneReceipt(t *testing.T) {
	p := newPlant(t, setup{ingest: func(c *ingest.Config) { c.Inline = 1 << 10 }})
	p.ship()
	p.load()
	const rows = 20_000
	body := io.MultiReader(strings.NewReader(strings.Repeat(`{"a":"some text"}`+"\n", rows))) // of a length that is not told
	r := p.send("POST", "/api/data/insert/events?wait=true", body, "X-API-Key: "+keyOne)
	if got := decode[insertReply](t, r); r.status != http.StatusOK || got.Rows != rows || p.one.Count("events") != rows {
		t.Errorf("got %d %+v and %d rows, want %d", r.status, got, p.one.Count("events"), rows)
	}
}
