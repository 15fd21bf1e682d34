package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// reply is an answer as the client has it.
type reply struct {
	status  int
	header  http.Header
	body    string
	trailer http.Header
	err     error // of reading the body
}

// send sends a request, with headers such as "Accept: text/csv", and without a key but those.
func (p *plant) send(method, path string, body io.Reader, headers ...string) reply {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.server.URL+path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := p.server.Client().Do(req)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b), resp.Trailer, errors.Join(err, resp.Body.Close())}
}

// do sends a request with the first destination's key. Its body must come whole.
func (p *plant) do(method, path, body string, headers ...string) reply {
	p.t.Helper()
	r := p.send(method, path, strings.NewReader(body), append([]string{"X-API-Key: " + keyOne}, headers...)...)
	if r.err != nil {
		p.t.Errorf("%s %s: the answer is broken: %v", method, path, r.err)
	}
	return r
}

// insert inserts rows that must be accepted.
func (p *plant) insert(path, body string, headers ...string) insertReply {
	p.t.Helper()
	r := p.do("POST", "/api/data/insert/"+path, body, headers...)
	if r.status != http.StatusOK {
		p.t.Fatalf("insert into %s: got %d %s, want 200", path, r.status, r.body)
	}
	return decode[insertReply](p.t, r)
}

func decode[T any](t *testing.T, r reply) (v T) {
	t.Helper()
	if got := r.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("got Content-Type %q, want application/json", got)
	}
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("answer %s: %v", r.body, err)
	}
	return v
}

// wantProblem checks that r is a whole problem document of that status and code.
func wantProblem(t *testing.T, r reply, status int, code string) problem {
	t.Helper()
	got := onlyOf[problem](t, r)
	wantDocument(t, r, got, status, code)
	return got
}

// wantRestProblem is wantProblem of a path that PostgREST's clients use: the problem has what they look for.
func wantRestProblem(t *testing.T, r reply, status int, code, hint string) {
	t.Helper()
	got := onlyOf[restProblem](t, r)
	wantDocument(t, r, got.problem, status, code)
	if got.Message != got.Detail || got.Details != nil || !strings.Contains(r.body, `"details":null,"hint":`) {
		t.Errorf("got %s, want the detail as message, and null details", r.body)
	}
	if (got.Hint != nil) != (hint != "") || hint != "" && *got.Hint != hint {
		t.Errorf("got %s, want the hint %q", r.body, hint)
	}
}

// onlyOf reads a body that has nothing but the members of T.
func onlyOf[T any](t *testing.T, r reply) (v T) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(r.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("got %d %q, which is no problem document: %v", r.status, r.body, err)
	}
	return v
}

func wantDocument(t *testing.T, r reply, got problem, status int, code string) {
	t.Helper()
	if r.status != status || got.Status != status || got.Code != code {
		t.Errorf("got status %d, %+v, want %d with code %s", r.status, got, status, code)
	}
	if got.Type != "about:blank" || got.Title == "" || got.Detail == "" {
		t.Errorf("got %+v, want type, title and detail", got)
	}
	if id := r.header.Get("X-Request-Id"); got.RequestID == "" || got.RequestID != id {
		t.Errorf("got request_id %q and header %q, want the same", got.RequestID, id)
	}
	if typ, cache := r.header.Get("Content-Type"), r.header.Get("Cache-Control"); typ != "application/problem+json" || cache != "no-store" {
		t.Errorf("got Content-Type %q and Cache-Control %q", typ, cache)
	}
	if _, ok := r.header["Trailer"]; ok || len(r.trailer) > 0 || r.header.Get(statusTrailer) != "" {
		t.Errorf("got headers %v and trailers %v with a problem", r.header, r.trailer)
	}
}

// dial opens a connection and sends text as it stands.
func (p *plant) dial(text string) *net.TCPConn {
	p.t.Helper()
	c, err := net.Dial("tcp", p.server.Listener.Addr().String())
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.Close() }) // some tests close it before
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		p.t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		p.t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// bodyOf is a body whose length the client tells, or does not know.
func bodyOf(s, length string) io.Reader {
	if length == "chunked" {
		return io.MultiReader(strings.NewReader(s))
	}
	return strings.NewReader(s)
}
