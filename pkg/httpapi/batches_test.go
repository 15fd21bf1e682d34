package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

// receiptIs waits until a receipt is in a state, and gives it.
func (p *plant) receiptIs(receipt, state string) (rec transport.Receipt) {
	p.t.Helper()
	p.await("receipt is "+state, func() bool {
		r := p.do("GET", "/api/receipts/"+receipt, "")
		if r.status != http.StatusOK {
			p.t.Fatalf("receipt: got %d %s, want 200", r.status, r.body)
		}
		rec = decode[transport.Receipt](p.t, r)
		return rec.State == state
	})
	return rec
}

func TestReceiptGoesItsWay(t *testing.T) {
	p := newPlant(t, setup{})
	first := p.insert("two%20words", `[{"a":1},{"a":2}]`).Receipt
	second := p.insert("two%20words", `{"a":3}`).Receipt
	got := p.receiptIs(first, transport.StateAccepted)
	if got.Receipt != first || got.Rows != 2 || got.Batch == "" || got.Destination != "1" || got.Table != "two words" {
		t.Errorf("accepted: got %+v, want 2 rows for two words of 1", got)
	}
	other := p.do("GET", "/api/receipts/"+first, "", "X-API-Key: "+keyTwo)
	wantProblem(t, other, http.StatusNotFound, "unknown_receipt")
	p.ship()
	got = p.receiptIs(first, transport.StateShipped)
	if got.Destination != "1" || got.Table != "two words" || got.Rows != 2 {
		t.Errorf("shipped: got %+v, want 2 rows for two words of 1", got)
	}
	p.load()
	got = p.receiptIs(first, transport.StateLoaded)
	if got.Rows != 2 || got.BatchRows < 2 || got.Rescued != 0 || got.Attempts != 1 || got.Reason != "" {
		t.Errorf("loaded: got %+v, want 2 rows at the first attempt", got)
	}
	if got = p.receiptIs(second, transport.StateLoaded); got.Rows != 1 {
		t.Errorf("second insert: got %+v, want 1 row", got)
	}
	other = p.do("GET", "/api/receipts/"+first, "", "X-API-Key: "+keyTwo)
	wantProblem(t, other, http.StatusNotFound, "unknown_receipt")
}

func TestReceiptsThatAreNone(t *testing.T) {
	p := newPlant(t, setup{})
	for _, tt := range []struct {
		name, id string
		status   int
		code     string
	}{
		{"unknown", "01HX0000000000000000000001", 404, "unknown_receipt"},
		{"too short", "01HX", 400, "bad_receipt"},
		{"not a receipt's letters", strings.Repeat("u", 26), 400, "bad_receipt"},
		{"too large for its letters", strings.Repeat("Z", 26), 400, "bad_receipt"},
		{"escaped", "01HX00000000000000%2F0000001", 400, "bad_receipt"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			wantProblem(t, p.do("GET", "/api/receipts/"+tt.id, ""), tt.status, tt.code)
		})
	}
}

// kill lets an insert die for want of a database that takes it, and gives its receipt and batch.
func (p *plant) kill(rows string) (receipt, batch string) {
	p.t.Helper()
	p.one.refuse(fault.New(fault.Unprocessable, "bad", "it does not fit"))
	r := p.do("POST", "/api/data/insert/events?wait=true", rows)
	receipt = decode[insertReply](p.t, r).Receipt
	batch = p.receiptIs(receipt, transport.StateDead).Batch
	p.one.refuse(nil)
	return receipt, batch
}

func TestDeadIsListedAndShown(t *testing.T) {
	p := newPlant(t, setup{})
	p.ship()
	p.load()
	if r := p.do("GET", "/api/dead", ""); strings.TrimSpace(r.body) != "[]" {
		t.Errorf("no dead: got %s, want []", r.body)
	}
	receipt, id := p.kill(`[{"a":1},{"a":2}]`)
	list := decode[[]deadBatch](t, p.do("GET", "/api/dead", ""))
	if len(list) != 1 {
		t.Fatalf("got %d dead batches, want 1", len(list))
	}
	got := list[0]
	if got.Batch != id || got.Destination != "1" || got.Table != "events" || got.Rows != 2 || got.Bytes == 0 || got.Attempts != 1 {
		t.Errorf("got %+v, want batch %s of 2 rows for events of 1", got, id)
	}
	if !strings.Contains(got.Reason, "does not fit") || got.Created.IsZero() || got.Died.Before(got.Created) {
		t.Errorf("got %+v, want the reason and the times", got)
	}
	if shown := decode[deadBatch](t, p.do("GET", "/api/dead/"+id, "")); shown != got {
		t.Errorf("shown: got %+v, want %+v", shown, got)
	}
	if rec := p.receiptIs(receipt, transport.StateDead); !strings.Contains(rec.Reason, "does not fit") {
		t.Errorf("receipt: got %+v, want the reason", rec)
	}
}

func TestDeadIsReplayed(t *testing.T) {
	p := newPlant(t, setup{})
	p.ship()
	p.load()
	receipt, id := p.kill(`[{"a":1},{"a":2}]`)
	r := p.do("POST", "/api/dead/"+id+"/replay", "")
	if got := decode[map[string]string](t, r); r.status != http.StatusAccepted || got["batch"] != id || got["state"] != transport.StateShipped {
		t.Errorf("got %d %v, want 202, the batch and shipped", r.status, got)
	}
	p.receiptIs(receipt, transport.StateLoaded)
	if got := p.one.Count("events"); got != 2 {
		t.Errorf("got %d rows, want 2", got)
	}
	if list := decode[[]deadBatch](t, p.do("GET", "/api/dead", "")); len(list) != 0 {
		t.Errorf("still dead: %+v", list)
	}
	wantProblem(t, p.do("POST", "/api/dead/"+id+"/replay", ""), http.StatusNotFound, "unknown_dead_batch")
}

func TestDeadIsDropped(t *testing.T) {
	p := newPlant(t, setup{})
	p.ship()
	p.load()
	receipt, id := p.kill(`{"a":1}`)
	if r := p.do("DELETE", "/api/dead/"+id, ""); r.status != http.StatusNoContent || r.body != "" {
		t.Errorf("got %d %q, want 204 and nothing", r.status, r.body)
	}
	wantProblem(t, p.do("GET", "/api/dead/"+id, ""), http.StatusNotFound, "unknown_dead_batch")
	wantProblem(t, p.do("DELETE", "/api/dead/"+id, ""), http.StatusNotFound, "unknown_dead_batch")
	wantProblem(t, p.do("GET", "/api/receipts/"+receipt, ""), http.StatusNotFound, "unknown_receipt")
	if got := p.one.Count("events"); got != 0 {
		t.Errorf("got %d rows, want none", got)
	}
}

func TestDeadOfAnother(t *testing.T) {
	p := newPlant(t, setup{})
	p.ship()
	p.load()
	_, id := p.kill(`{"a":1}`)
	other := "X-API-Key: " + keyTwo
	if r := p.do("GET", "/api/dead", "", other); strings.TrimSpace(r.body) != "[]" {
		t.Errorf("list: got %s, want []", r.body)
	}
	for _, route := range []string{"GET /api/dead/", "POST /api/dead/", "DELETE /api/dead/"} {
		method, path, _ := strings.Cut(route, " ")
		path += id
		if method == "POST" {
			path += "/replay"
		}
		wantProblem(t, p.do(method, path, "", other), http.StatusNotFound, "unknown_dead_batch")
	}
	if r := p.do("GET", "/api/dead/"+id, ""); r.status != http.StatusOK {
		t.Errorf("its own: got %d %s, want 200", r.status, r.body)
	}
}
