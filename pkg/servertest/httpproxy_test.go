package servertest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestHTTPProxy(t *testing.T) {
	var mu sync.Mutex
	var heard []string // guarded by mu
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, r.Host+r.URL.String()+" "+string(body))
		_, _ = io.WriteString(w, "done") // the client looks
	}))
	defer server.Close()
	p := NewHTTPProxy(t, server.URL)
	say := func(what string, status int, want string) http.Header {
		t.Helper()
		resp, err := http.Post("http://"+p.Addr()+"/a?b=c", "text/plain", strings.NewReader(what))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status || string(body) != want {
			t.Errorf("%s: got %d, %q and %v, want %d and %q", what, resp.StatusCode, body, err, status, want)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		return resp.Header
	}
	say("one", 200, "done")
	met := p.Answer(2, HTTPAnswer{Status: 503, Header: http.Header{"Retry-After": {"1"}}, Body: "SlowDown"})
	for range 2 {
		if got := say("two", 503, "SlowDown").Get("Retry-After"); got != "1" {
			t.Errorf("got Retry-After %q, want 1", got)
		}
	}
	<-met
	p.Twice(true)
	say("three", 200, "done")
	p.Twice(false)
	say("four", 200, "done")
	at := p.Addr() + "/a?b=c "
	mu.Lock()
	defer mu.Unlock()
	if want := []string{at + "one", at + "three", at + "three", at + "four"}; !slices.Equal(heard, want) {
		t.Errorf("the server has heard %q, want %q", heard, want)
	}
}

// A server that does not answer is none.
func TestHTTPProxyOfAServerThatIsGone(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	p := NewHTTPProxy(t, server.URL)
	server.Close()
	for _, twice := range []bool{false, true} {
		p.Twice(twice)
		if resp, err := http.Get("http://" + p.Addr()); err == nil {
			t.Errorf("twice %t: got %d and %v, want no answer", twice, resp.StatusCode, resp.Body.Close())
		}
	}
}
