package s3

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// answering opens a store whose server answers every request by answer.
func answering(t *testing.T, answer http.HandlerFunc) *store {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	s, err := newStore(t.Context(), Config{Bucket: "b", Endpoint: server.URL, PathStyle: true, AccessKeyID: "k", SecretAccessKey: "s"},
		slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestKindsOfFailures(t *testing.T) {
	for _, tt := range []struct {
		name, code, after string
		status            int
		want              map[string]fault.Kind // by call
		wait              time.Duration
	}{
		{"no blob", "NoSuchKey", "", 404, map[string]fault.Kind{"put": fault.Internal, "get": fault.NotFound, "delete": ""}, 0},
		{"no bucket", "NoSuchBucket", "", 404, all(fault.Internal), 0},
		{"not found by something on the way", "", "", 404, all(fault.Internal), 0},
		{"denied", "AccessDenied", "", 403, all(fault.Internal), 0},
		{"slow down", "SlowDown", "", 503, all(fault.Busy), busyFor},
		{"unavailable, with a time", "ServiceUnavailable", "17", 503, all(fault.Busy), 17 * time.Second},
		{"too many requests", "", "3", 429, all(fault.Busy), 3 * time.Second},
		{"too many requests, with a date", "TooManyRequests", "Fri, 31 Dec 1999 23:59:59 GMT", 429, all(fault.Busy), busyFor},
		{"throttled with another status", "RequestLimitExceeded", "", 400, all(fault.Busy), busyFor},
		{"broken", "InternalError", "", 500, all(fault.Internal), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // the client waits between its tries
			s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
				if tt.after != "" {
					w.Header().Set("Retry-After", tt.after)
				}
				w.Header().Set("Content-Type", "application/xml")
				w.WriteHeader(tt.status)
				if tt.code != "" {
					_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>m</Message></Error>", tt.code) // the client reads it
				}
			})
			_, err := s.Get(t.Context(), "1/a")
			for call, err := range map[string]error{
				"get": err, "put": s.Put(t.Context(), "1/a", strings.NewReader("rows")), "delete": s.Delete(t.Context(), "1/a"),
			} {
				switch want := tt.want[call]; {
				case want == "" && err != nil:
					t.Errorf("%s: got %v, want no error", call, err)
				case want != "" && (err == nil || fault.Of(err) != want):
					t.Errorf("%s: got %v, want kind %v", call, err, want)
				case want != "" && fault.AfterOf(err) != tt.wait:
					t.Errorf("%s: got %v to wait, want %v", call, fault.AfterOf(err), tt.wait)
				case want != "" && want != fault.NotFound && !fault.Retryable(err):
					t.Errorf("%s: got %v, which nobody tries again", call, err)
				}
			}
		})
	}
}

// all says that every call fails with one kind.
func all(k fault.Kind) map[string]fault.Kind {
	return map[string]fault.Kind{"put": k, "get": k, "delete": k}
}

func TestAnswersThatAreNotWhole(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"shorter than said", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "half") // the server then cuts the connection
		}},
		{"without a length, ended by the connection", func(w http.ResponseWriter, _ *http.Request) {
			raw(w, "HTTP/1.0 200 OK\r\n\r\nhalf")
		}},
		{"in pieces, the last missing", func(w http.ResponseWriter, _ *http.Request) {
			raw(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := answering(t, tt.answer)
			r, err := s.Get(t.Context(), "1/a")
			if err != nil {
				return // told at once
			}
			got, err := io.ReadAll(r)
			if err == nil {
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

// AWS says what a blob's CRC-32 is when it is asked, also for one that came in parts.
func TestADownloadIsComparedWithTheSumOfAWS(t *testing.T) {
	for _, tt := range []struct {
		name, sum string
		fine      bool
	}{{"whole", *crcText(crc32.ChecksumIEEE([]byte("rows"))), true}, {"damaged", *crcText(crc32.ChecksumIEEE([]byte("rovs"))), false}} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if got := r.Header.Get("X-Amz-Checksum-Mode"); got != "ENABLED" {
					t.Errorf("the checksum mode is %q, want ENABLED", got)
				}
				w.Header().Set("X-Amz-Checksum-Crc32", tt.sum)
				w.Header().Set("X-Amz-Checksum-Type", "FULL_OBJECT")
				w.Header().Set("ETag", `"0-2"`)  // of one that came in parts
				_, _ = io.WriteString(w, "rows") // the client reads it
			}))
			defer server.Close()
			environment(t, &servertest.S3Server{Endpoint: server.URL, Region: "us-east-1", AccessKeyID: "k", SecretAccessKey: "s"})
			s, err := newStore(t.Context(), Config{Bucket: "b", PathStyle: true}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			r, err := s.Get(t.Context(), "1/a")
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); (err == nil) != tt.fine {
				t.Errorf("got %q and %v, want it fine %t", got, err, tt.fine)
			}
			if err := errors.Join(r.Close(), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// The SDK's own variable lets a store that is found by the environment be one that knows MD5 only.
func TestChecksumsAsTheEnvironmentSays(t *testing.T) {
	server := servertest.S3(t)
	environment(t, server)
	t.Setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
	s := open(t, Config{Bucket: server.Bucket(t), PathStyle: true})
	if !s.md5 {
		t.Error("got CRC-32, want MD5")
	}
	if err := s.Put(t.Context(), "1/a", strings.NewReader("rows")); err != nil {
		t.Error(err)
	}
	if got := content(t, s, "1/a"); got != "rows" {
		t.Errorf("got %q, want rows", got)
	}
}
