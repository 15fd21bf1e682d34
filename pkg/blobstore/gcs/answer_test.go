package gcs

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

func TestKindsOfFailures(t *testing.T) {
	for _, tt := range []struct {
		name, reason, after string
		status              int
		want                fault.Kind
		wait                time.Duration
	}{
		{"no token", "authError", "", 401, fault.Internal, 0},
		{"denied", "forbidden", "", 403, fault.Internal, 0},
		{"too fast for the JSON API", "userRateLimitExceeded", "", 403, fault.Busy, busyFor},
		{"too many requests", "rateLimitExceeded", "3", 429, fault.Busy, 3 * time.Second},
		{"too many requests, with a date", "rateLimitExceeded", "Fri, 31 Dec 1999 23:59:59 GMT", 429, fault.Busy, busyFor},
		{"unavailable", "backendError", "17", 503, fault.Busy, 17 * time.Second},
		{"broken", "internalError", "", 500, fault.Internal, 0},
		{"redirected", "", "", 307, fault.Internal, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			s := f.opened()
			f.before = func(w http.ResponseWriter, _ *http.Request) bool {
				if tt.after != "" {
					w.Header().Set("Retry-After", tt.after)
				}
				w.Header().Set("Location", "http://127.0.0.1:1/")
				fail(w, tt.status, tt.reason, "text")
				return true
			}
			_, err := s.Get(t.Context(), "1/a")
			for call, err := range map[string]error{
				"get": err, "put": s.Put(t.Context(), "1/a", strings.NewReader("rows")), "delete": s.Delete(t.Context(), "1/a"),
				"put in pieces": s.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: 20 << 20}),
			} {
				switch {
				case err == nil || fault.Of(err) != tt.want:
					t.Errorf("%s: got %v, want kind %v", call, err, tt.want)
				case fault.AfterOf(err) != tt.wait:
					t.Errorf("%s: got %v to wait, want %v", call, fault.AfterOf(err), tt.wait)
				case !fault.Retryable(err):
					t.Errorf("%s: got %v, which nobody tries again", call, err)
				}
			}
		})
	}
}

// A missing blob can never be loaded, a missing bucket can be made again: they must not be taken for each other.
func TestAMissingBucketIsNoMissingBlob(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lists int // the status of a list of the bucket
		get   fault.Kind
		fine  bool // a Delete
	}{
		{"there is no blob", 200, fault.NotFound, true},
		{"there is no bucket", 404, fault.Internal, false},
		{"nobody can say", 500, fault.Internal, false},
		{"nobody can say now", 503, fault.Busy, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			s := f.opened()
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				switch {
				case !strings.HasSuffix(r.URL.Path, "/o"):
					fail(w, 404, "notFound", "text")
					return true
				case tt.lists != 200:
					fail(w, tt.lists, "notFound", "text")
					return true
				}
				return false
			}
			if _, err := s.Get(t.Context(), "1/a"); fault.Of(err) != tt.get {
				t.Errorf("get: got %v, want kind %v", err, tt.get)
			}
			if err := s.Delete(t.Context(), "1/a"); (err == nil) != tt.fine {
				t.Errorf("delete: got %v, want it fine %t", err, tt.fine)
			}
		})
	}
}

func TestAnswersThatAreNotWhole(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter)
	}{
		{"shorter than said", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "half") // the server then cuts the connection
		}},
		{"without a length, ended by the connection", func(w http.ResponseWriter) { raw(w, "HTTP/1.0 200 OK\r\n\r\nhalf") }},
		{"in pieces, the last missing", func(w http.ResponseWriter) {
			raw(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			s := f.opened()
			f.before = func(w http.ResponseWriter, _ *http.Request) bool {
				tt.answer(w)
				return true
			}
			r, err := s.Get(t.Context(), "1/a")
			if err != nil {
				return // told at once
			}
			if got, err := io.ReadAll(r); err == nil {
				t.Errorf("got %q and no error", got)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// raw answers with text and ends the connection.
func raw(w http.ResponseWriter, text string) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	_, err = io.WriteString(c, text)
	if err := errors.Join(err, c.Close()); err != nil {
		panic(err)
	}
}

func TestADamagedBlobIsAnError(t *testing.T) {
	f := newFake(t)
	s := f.opened()
	if err := s.Put(t.Context(), "1/a", strings.NewReader("rows")); err != nil {
		t.Fatal(err)
	}
	f.damage = sumOf([]byte("rovs"))
	r, err := s.Get(t.Context(), "1/a")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %q and %v, want that it is damaged", got, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	for name, put := range map[string]io.Reader{"a blob": strings.NewReader("rows"), "pieces": &blobstoretest.Pattern{Size: 20 << 20}} {
		f.before = func(w http.ResponseWriter, r *http.Request) bool { // the store has something else than was sent
			last := !strings.HasSuffix(r.Header.Get("Content-Range"), "/*") && r.URL.Query().Get("uploadType") != "resumable"
			if r.Method != http.MethodDelete && last {
				_, _ = io.Copy(io.Discard, r.Body) // the client sends all of it
				_, _ = io.WriteString(w, `{"crc32c":"AAAAAA=="}`)
				return true
			}
			return false
		}
		if err := s.Put(t.Context(), "1/b", put); !errors.Is(err, errDamaged) {
			t.Errorf("%s: got %v, want that it is damaged", name, err)
		}
	}
}
