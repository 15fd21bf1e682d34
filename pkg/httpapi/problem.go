package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// problem is an RFC 9457 problem document.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Code      string `json:"code"`
	RequestID string `json:"request_id"`
}

// restProblem is a problem document that PostgREST's clients can read, too: they look for code and these members.
type restProblem struct {
	problem
	Message string  `json:"message"` // the detail
	Details *string `json:"details"`
	Hint    *string `json:"hint"`
}

// documentOf gives the problem p, which err became, as the caller of r reads it.
func documentOf(r *http.Request, err error, p problem) any {
	if !strings.HasPrefix(r.URL.Path, restPrefix) {
		return p
	}
	rest := restProblem{problem: p, Message: p.Detail}
	if hint := fault.HintOf(err); hint != "" {
		rest.Hint = &hint
	}
	return rest
}

// statusClientGone is nginx's code for a client that left; nobody reads it but the logs.
const statusClientGone = 499

// statusOf maps a kind of failure to an HTTP status: the one table that does.
func statusOf(k fault.Kind) int {
	switch k {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unauthorized:
		return http.StatusUnauthorized
	case fault.Denied:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Exists:
		return http.StatusConflict
	case fault.Gone:
		return http.StatusGone
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Unsupported:
		return http.StatusUnsupportedMediaType
	case fault.Unprocessable:
		return http.StatusUnprocessableEntity
	case fault.Limited:
		return http.StatusTooManyRequests
	case fault.Busy, fault.Closed:
		return http.StatusServiceUnavailable
	case fault.Canceled:
		return statusClientGone
	default:
		return http.StatusInternalServerError
	}
}

// These mark mistakes that have a status of their own.
var (
	errMethod = errors.New("method not allowed") // a route that exists, asked with a method that it does not have
	errRange  = errors.New("range not satisfiable")
	errSingle = errors.New("not acceptable") // an answer that does not have the form that was asked for
)

// problemOf describes err for the caller. What is internal stays inside.
func problemOf(err error, requestID string) problem {
	p := problem{Type: "about:blank", Status: statusOf(fault.Of(err)), Detail: fault.TextOf(err), Code: fault.CodeOf(err), RequestID: requestID}
	switch {
	case errors.Is(err, errMethod):
		p.Status, p.Code = http.StatusMethodNotAllowed, "method_not_allowed"
	case errors.Is(err, errRange):
		p.Status = http.StatusRequestedRangeNotSatisfiable
	case errors.Is(err, errSingle):
		p.Status = http.StatusNotAcceptable
	}
	if errors.Is(err, context.DeadlineExceeded) && p.Status == http.StatusInternalServerError {
		p.Status, p.Code, p.Detail = http.StatusServiceUnavailable, "deadline", "the server did not finish in time"
	}
	if p.Status == http.StatusInternalServerError {
		p.Detail = "the server failed; its log has the reason under this request_id"
	}
	p.Title = http.StatusText(p.Status)
	if p.Status == statusClientGone {
		p.Title = "Client Closed Request"
	}
	return p
}

// retryAfter is how many seconds the caller is told to wait when the failure does not say.
const retryAfter = 5 * time.Second

func writeProblem(w http.ResponseWriter, r *http.Request, err error, p problem) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Del("Trailer")
	h.Del("Content-Encoding")
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="scratchdata"`)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		after := fault.AfterOf(err)
		if after <= 0 {
			after = retryAfter
		}
		h.Set("Retry-After", strconv.Itoa(int((after+time.Second-1)/time.Second)))
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(documentOf(r, err, p)) // the client is gone when this fails: nobody is left to tell
}

func notFound(http.ResponseWriter, *http.Request) error {
	return fault.New(fault.NotFound, "no_route", "there is nothing at this path: see api/openapi.yaml for the routes")
}

// methodNotAllowed says which methods the path has, as RFC 9110 asks.
func (s *Server) methodNotAllowed(w http.ResponseWriter, r *http.Request) error {
	allowed := s.methodsAt(r)
	if len(allowed) == 0 { // a method that the router does not know, at a path that it does not know
		return notFound(w, r)
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	return fault.New(fault.Invalid, "method_not_allowed", "%.40s is not spoken at this path", r.Method).Because(errMethod)
}

func (s *Server) methodsAt(r *http.Request) (allowed []string) {
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.Path
	}
	for _, m := range [...]string{http.MethodDelete, http.MethodGet, http.MethodPost, http.MethodPut} {
		if !s.router.Match(chi.NewRouteContext(), m, path) {
			continue
		}
		allowed = append(allowed, m)
		if m == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	return allowed
}
