package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

func TestProblemOf(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    error
		status int
		code   string
		detail string
	}{
		{"a fault with a code", fault.New(fault.Invalid, "invalid_json", "at byte 7"), 400, "invalid_json", "at byte 7"},
		{"a wrapped fault shows its own text", fmt.Errorf("insert: %w", fault.New(fault.TooLarge, "body_too_large", "too large")), 413, "body_too_large", "too large"},
		{"a bare kind", fmt.Errorf("columns of t: %w", fault.NotFound), 404, "not_found", "columns of t: not found"},
		{"unauthorized", fault.New(fault.Unauthorized, "no_key", "no key"), 401, "no_key", "no key"},
		{"denied", fault.New(fault.Denied, "read_only", "ro"), 403, "read_only", "ro"},
		{"unprocessable", fault.New(fault.Unprocessable, "too_deep", "deep"), 422, "too_deep", "deep"},
		{"limited", fault.New(fault.Limited, "slow_down", "wait"), 429, "slow_down", "wait"},
		{"busy", fault.New(fault.Busy, "disk_low", "disk"), 503, "disk_low", "disk"},
		{"closed", fault.New(fault.Closed, "shutting_down", "bye"), 503, "shutting_down", "bye"},
		{"gone client", fmt.Errorf("read /srv/data: %w", context.Canceled), 499, "canceled", "canceled"},
		{"deadline", context.DeadlineExceeded, 503, "deadline", "the server did not finish in time"},
		{"wrong method", fault.New(fault.Invalid, "method_not_allowed", "not PUT").Because(errMethod), 405, "method_not_allowed", "not PUT"},
		{"internal stays inside", errors.New("password=hunter2"), 500, "internal", "the server failed; its log has the reason under this request_id"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := problemOf(tt.err, "r1")
			if p.Status != tt.status || p.Code != tt.code || p.Detail != tt.detail || p.RequestID != "r1" || p.Title == "" {
				t.Errorf("got %+v, want status %d, code %s, detail %q", p, tt.status, tt.code, tt.detail)
			}
		})
	}
}

func TestWriteProblem(t *testing.T) {
	for _, tt := range []struct {
		name         string
		err          error
		header, want string
	}{
		{"503 says when to come back", fault.New(fault.Busy, "disk_low", "disk").Retry(10 * time.Second), "Retry-After", "10"},
		{"503 without a time says 5", fault.New(fault.Busy, "disk_low", "disk"), "Retry-After", "5"},
		{"429 rounds up", fault.New(fault.Limited, "slow", "slow").Retry(1500 * time.Millisecond), "Retry-After", "2"},
		{"400 does not", fault.New(fault.Invalid, "bad", "bad"), "Retry-After", ""},
		{"401 names its scheme", fault.New(fault.Unauthorized, "no_key", "no"), "WWW-Authenticate", `Bearer realm="scratchdata"`},
		{"the media type", fault.New(fault.Invalid, "bad", "bad"), "Content-Type", "application/problem+json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			writeProblem(w, httptest.NewRequest("GET", "/", nil), tt.err, problemOf(tt.err, "r1"))
			if got := w.Header().Get(tt.header); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.header, got, tt.want)
			}
			var p problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code {
				t.Errorf("body %s: %v", w.Body, err)
			}
		})
	}
}

func TestRequestID(t *testing.T) {
	for _, tt := range []struct {
		name, given string
		kept        bool
	}{
		{"a plain one is kept", "abc-123_X", true},
		{"none is made", "", false},
		{"one with a space is not kept", "a b", false},
		{"one that could forge a log line is not kept", "a\nlevel=ERROR", false},
		{"a long one is not kept", strings.Repeat("a", 65), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			if tt.given != "" {
				r.Header["X-Request-Id"] = []string{tt.given}
			}
			got := requestID(r)
			if (got == tt.given) != tt.kept || got == "" {
				t.Errorf("given %q, got %q; kept should be %t", tt.given, got, tt.kept)
			}
		})
	}
}

func TestKeyOf(t *testing.T) {
	for _, tt := range []struct {
		name, header, value, url, want string
	}{
		{"bearer", "Authorization", "Bearer k1", "/", "k1"},
		{"bearer in any case", "Authorization", "bearer k1", "/", "k1"},
		{"another scheme", "Authorization", "Basic k1", "/", ""},
		{"X-API-Key", "X-API-Key", "k2", "/", "k2"},
		{"apikey", "apikey", "k3", "/", "k3"},
		{"query", "", "", "/?api_key=k4", "k4"},
		{"a header wins over the query", "X-API-Key", "k2", "/?api_key=k4", "k2"},
		{"none", "", "", "/?q=1", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", tt.url, nil)
			if tt.header != "" {
				r.Header.Set(tt.header, tt.value)
			}
			if got := keyOf(r); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
