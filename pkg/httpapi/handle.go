package httpapi

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/scratchdata/scratchdata/pkg/account"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// handler answers a request or says why not; handle turns what it says into a response.
type handler func(w http.ResponseWriter, r *http.Request) error

// call is what is known of a request while it is answered. It is the request's context and its response writer as well,
// so that all of it is one allocation; the hot path has little else to do.
type call struct {
	context.Context
	tracked
	id      string
	grant   account.Grant
	routing *chi.Context
}

type callKey struct{}

// Value gives the call itself, and the router its own things, which it would otherwise copy the request for.
func (c *call) Value(key any) any {
	switch key {
	case callKey{}:
		return c
	case chi.RouteCtxKey:
		return c.routing
	default:
		return c.Context.Value(key)
	}
}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	if c == nil {
		return &call{}
	}
	return c
}

// RequestID gives the id of the request that ctx belongs to, empty when there is none.
func RequestID(ctx context.Context) string { return callOf(ctx).id }

// handle answers with h and maps its error to a problem document. After the first byte of an answer the status is
// gone, so then the connection is cut.
func (s *Server) handle(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil {
			return
		}
		p := problemOf(err, RequestID(r.Context()))
		s.logFailure(r, p, err)
		if c, ok := w.(*call); ok && c.started {
			panic(http.ErrAbortHandler)
		}
		writeProblem(w, r, err, p)
	}
}

func (s *Server) logFailure(r *http.Request, p problem, err error) {
	level := slog.LevelInfo
	if p.Status >= http.StatusInternalServerError && fault.Of(err) == fault.Internal {
		level = slog.LevelError
	}
	s.log.LogAttrs(r.Context(), level, "request failed", slog.String("route", routeOf(r)), slog.Int("status", p.Status),
		slog.String("code", p.Code), slog.Any("err", err))
}

// routeOf gives the pattern of the route, never the URL: that may hold a key or a query.
func routeOf(r *http.Request) string {
	if r.Pattern == "" {
		return "unmatched"
	}
	return r.Pattern
}

// tracked is a response writer that knows what was sent.
type tracked struct {
	http.ResponseWriter
	status  int
	started bool
}

func (t *tracked) WriteHeader(status int) {
	if t.status == 0 {
		t.status = status
	}
	t.started = true
	t.ResponseWriter.WriteHeader(status)
}

func (t *tracked) Write(b []byte) (int, error) {
	if t.status == 0 {
		t.status = http.StatusOK
	}
	t.started = true
	return t.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (t *tracked) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// observe gives each request its id, and counts and logs its end.
func (s *Server) observe(next *chi.Mux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		c := &call{Context: r.Context(), tracked: tracked{ResponseWriter: w}, id: requestID(r), routing: s.takeRouting(next)}
		defer s.routings.Put(c.routing)
		r = r.WithContext(c)
		w.Header()["X-Request-Id"] = []string{c.id}
		defer func() {
			if cut := s.recovered(c, r, recover()); cut {
				s.finish(c, r, start, true)
				if !r.ProtoAtLeast(1, 1) {
					reset(c)
				}
				panic(http.ErrAbortHandler)
			}
			s.finish(c, r, start, false)
		}()
		next.ServeHTTP(c, r)
	})
}

// takeRouting gives the router's memory for one request.
func (s *Server) takeRouting(of chi.Routes) *chi.Context {
	rc, _ := s.routings.Get().(*chi.Context)
	if rc == nil {
		rc = chi.NewRouteContext()
	}
	rc.Reset()
	rc.Routes = of
	return rc
}

// recovered deals with a panic and reports whether the connection must be cut: nothing else is left once the answer has
// begun.
func (s *Server) recovered(c *call, r *http.Request, panicked any) bool {
	if panicked == nil {
		return false
	}
	if panicked != any(http.ErrAbortHandler) {
		s.log.ErrorContext(r.Context(), "handler panicked", "route", routeOf(r), "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
		if !c.started {
			writeProblem(c, r, fault.Internal, problemOf(fault.Internal, RequestID(r.Context())))
			return false
		}
	}
	return true
}

// reset ends the connection so that the client gets an error. An answer by HTTP/1.0, as proxies ask for it, has no chunks:
// it ends where the connection does, and one that was closed as usual would look whole.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // a test's connection
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // when this fails the connection is gone already
	}
	_ = conn.Close()
}

func (s *Server) finish(c *call, r *http.Request, start time.Time, cut bool) {
	status := c.status
	if status == 0 {
		status = http.StatusOK
	}
	took := time.Since(start)
	s.metrics.done(r.Method, routeOf(r), status, cut, took)
	if !s.log.Enabled(c, slog.LevelDebug) {
		return
	}
	s.log.LogAttrs(c, slog.LevelDebug, "request", slog.String("method", r.Method), slog.String("route", routeOf(r)),
		slog.Int("status", status), slog.Bool("cut", cut), slog.Duration("took", took), slog.String("key", c.grant.KeyID))
}

// requestID takes the caller's id when it is short and plain, else makes one.
func requestID(r *http.Request) string {
	if id := first(r.Header, "X-Request-Id"); id != "" && len(id) <= 64 && !strings.ContainsFunc(id, notPlain) {
		return id
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], rand.Uint64())
	return hex.EncodeToString(b[:])
}

func notPlain(c rune) bool {
	return c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
}

// keyed asks for a known key and notes its grant.
func (s *Server) keyed(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		g, err := s.deps.Keys.Find(keyOf(r))
		if err != nil {
			return err
		}
		callOf(r.Context()).grant = g
		return h(w, r)
	}
}

// first gives the first value of a header, whose name is in its canonical form.
func first(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// keyOf finds the caller's key in the places where one may stand.
func keyOf(r *http.Request) string {
	if scheme, key, ok := strings.Cut(first(r.Header, "Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(key)
	}
	for _, name := range [...]string{"X-Api-Key", "Apikey"} {
		if key := first(r.Header, name); key != "" {
			return key
		}
	}
	if r.URL.RawQuery == "" {
		return ""
	}
	return r.URL.Query().Get("api_key")
}

// writing refuses h in read-only mode.
func (s *Server) writing(h handler) handler {
	if !s.cfg.ReadOnly {
		return h
	}
	return func(http.ResponseWriter, *http.Request) error {
		return fault.New(fault.Denied, "read_only", "this server is read-only")
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := w.Write(append(b, '\n')); err != nil {
		return errors.Join(fault.Canceled, err)
	}
	return nil
}
