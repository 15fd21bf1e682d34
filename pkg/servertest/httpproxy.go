package servertest

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// HTTPProxy passes requests on to a server, until it is told to answer itself, or to ask twice. Safe for concurrent use.
type HTTPProxy struct {
	target *url.URL
	pass   *httputil.ReverseProxy
	front  *httptest.Server

	mu      sync.Mutex
	answers []*given // guarded by mu; for the next requests
	twice   bool     // guarded by mu
}

// HTTPAnswer is what an HTTPProxy says in place of the server.
type HTTPAnswer struct {
	Status int
	Header http.Header
	Body   string
}

// given is an answer that waits for so many requests.
type given struct {
	HTTPAnswer
	left int
	met  chan struct{} // closed when none is left
}

// NewHTTPProxy returns a proxy for the server at target, a URL. It ends with the test. The host that clients ask for is passed
// on, as it may be signed.
func NewHTTPProxy(t testing.TB, target string) *HTTPProxy {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	p := &HTTPProxy{target: u, pass: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, // no answer is none
	}}
	p.front = httptest.NewServer(p)
	t.Cleanup(func() {
		p.front.CloseClientConnections()
		p.front.Close()
	})
	return p
}

// Addr is the host and port that clients connect to.
func (p *HTTPProxy) Addr() string { return p.front.Listener.Addr().String() }

// Answer answers the next n requests in place of the server. What it returns is closed when it has.
func (p *HTTPProxy) Answer(n int, a HTTPAnswer) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := &given{HTTPAnswer: a, left: n, met: make(chan struct{})}
	p.answers = append(p.answers, g)
	return g.met
}

// Twice asks the server twice for each request, as a client does that tries again, and gives the second answer.
func (p *HTTPProxy) Twice(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.twice = yes
}

// ServeHTTP implements http.Handler.
func (p *HTTPProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a, any := p.next(); any {
		_, _ = io.Copy(io.Discard, r.Body) // as a server that reads what it refuses
		maps.Copy(w.Header(), a.Header)
		w.WriteHeader(a.Status)
		_, _ = io.WriteString(w, a.Body) // a client that has left misses nothing
		return
	}
	if p.asksTwice() {
		p.ask(r)
	}
	p.pass.ServeHTTP(w, r)
}

func (p *HTTPProxy) next() (a HTTPAnswer, any bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.answers) == 0 {
		return a, false
	}
	g := p.answers[0]
	if g.left--; g.left == 0 {
		close(g.met)
		p.answers = p.answers[1:]
	}
	return g.HTTPAnswer, true
}

func (p *HTTPProxy) asksTwice() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.twice
}

// ask makes the request and drops the answer. Its body can be read once more.
func (p *HTTPProxy) ask(r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the client has left in the middle of it
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	first := r.Clone(r.Context())
	first.RequestURI, first.URL.Scheme, first.URL.Host = "", p.target.Scheme, p.target.Host
	first.Body = io.NopCloser(bytes.NewReader(body))
	answer, err := http.DefaultTransport.RoundTrip(first)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close() // the second answer counts
}
