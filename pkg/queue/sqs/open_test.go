package sqs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// answering is a server that always says the same, and notes who signed the requests.
func answering(t *testing.T, status int, body string) (endpoint string, signed *string) {
	t.Helper()
	signed = new(string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*signed = r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL, signed
}

func checkOpenRefuses(t *testing.T, s servertest.SQSServer) {
	for _, tt := range []struct{ name, url, want string }{
		{"a queue that is not there", s.Endpoint + "/123456789012/gone", "gone: "},
		{"a queue that keeps its order", s.NamedQueue(t, "q.fifo", map[string]string{"FifoQueue": "true"}), "a FIFO queue"},
	} {
		q, err := Open(t.Context(), settings(s.Endpoint, tt.url), slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v and %v, want %q", tt.name, q, err, tt.want)
		}
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	refuses, _ := answering(t, http.StatusForbidden, `{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"The security token included in the request is invalid."}`)
	denies, _ := answering(t, http.StatusBadRequest, `{"__type":"com.amazonaws.sqs#AccessDeniedException","message":"User is not authorized to perform: sqs:getqueueattributes"}`)
	gone, _ := answering(t, http.StatusBadRequest, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}`)
	for _, tt := range []struct{ name, endpoint, means, want string }{
		{"wrong credentials", refuses, "the keys are refused", "UnrecognizedClientException: The security token included in the request is invalid."},
		{"rights that are missing", denies, "the keys may not look at the queue (sqs:GetQueueAttributes)", "AccessDeniedException: User is not authorized to perform: sqs:getqueueattributes"},
		{"no queue", gone, "the queue does not exist", "QueueDoesNotExist: The specified queue does not exist."},
		{"nobody there", "http://127.0.0.1:1", "batches", "connection refused"},
	} {
		_, err := Open(t.Context(), settings(tt.endpoint, tt.endpoint+"/1/batches"), slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "look at the queue batches: ") || !strings.Contains(err.Error(), tt.means) {
			t.Errorf("%s: got %v, want %q and %q", tt.name, err, tt.means, tt.want)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, which tells the secret", tt.name, err)
		}
	}
}

func checkOpenEndsWithItsContext(t *testing.T, s servertest.SQSServer) {
	p := servertest.NewProxy(t, strings.TrimPrefix(s.Endpoint, "http://"))
	p.Hold()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := Open(ctx, settings("http://"+p.Addr(), s.Queue(t, nil)), slog.New(slog.DiscardHandler))
	if got := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || got > openWithin/2 {
		t.Errorf("got %v after %v, want deadline exceeded at once", err, got)
	}
}

func checkOpenWarns(t *testing.T, s servertest.SQSServer) {
	dead := s.Queue(t, nil)
	arn := "arn:aws:sqs:us-east-1:123456789012:" + dead[strings.LastIndex(dead, "/")+1:]
	const kept = "1209600" // 14 days
	for _, tt := range []struct {
		name       string
		attributes map[string]string
		want       string // nothing else is said
	}{
		{"nothing to warn of", map[string]string{"MessageRetentionPeriod": kept}, ""},
		{"messages are forgotten", map[string]string{"MessageRetentionPeriod": "345600"}, "MessageRetentionPeriod"},
		{"messages are taken away", map[string]string{"MessageRetentionPeriod": kept,
			"RedrivePolicy": `{"maxReceiveCount":"3","deadLetterTargetArn":"` + arn + `"}`}, "RedrivePolicy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var said bytes.Buffer
			q, err := Open(t.Context(), settings(s.Endpoint, s.Queue(t, tt.attributes)), slog.New(slog.NewTextHandler(&said, nil)))
			if err != nil {
				t.Fatal(err)
			}
			if got := said.String(); !strings.Contains(got, tt.want) || tt.want == "" && got != "" || strings.Count(got, "\n") > 1 {
				t.Errorf("got %q, want %q alone", got, tt.want)
			}
			if err := q.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLimitIsTheQueuesOwn(t *testing.T) {
	for _, tt := range []struct {
		name       string
		attributes string // as the server gives them
		limit      int
	}{
		{"given", `{"MaximumMessageSize":"2048"}`, 2048},
		{"as SQS has it today", `{"MaximumMessageSize":"1048576"}`, 1 << 20},
		{"beyond what is known", `{"MaximumMessageSize":"1000000000"}`, 1 << 20},
		{"not given", `{}`, 256 << 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			endpoint, _ := answering(t, http.StatusOK, `{"Attributes":`+tt.attributes+`}`)
			q, err := Open(t.Context(), settings("", endpoint+"/1/q"), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := q.(queue.Limited).MaxBody(), maxBody(tt.limit); got != want {
				t.Errorf("got %d, want %d", got, want)
			}
			if err := q.Send(t.Context(), bytes.Repeat([]byte("a"), tt.limit+1)); !errors.Is(err, fault.TooLarge) {
				t.Errorf("a byte too many: got %v, want fault.TooLarge", err)
			}
			if err := q.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func checkLargestBodies(t *testing.T, s servertest.SQSServer) {
	q := openURL(t, s.Endpoint, s.Queue(t, map[string]string{"MaximumMessageSize": "2048"}))
	for name, body := range map[string]string{
		"text":   strings.Repeat("a", 2048),
		"binary": strings.Repeat("\x00", q.(queue.Limited).MaxBody()),
	} {
		send(t, q, body)
		if m := receive(t, q, time.Hour); string(m.Body) != body {
			t.Errorf("%s: got %d bytes, want the %d that were sent", name, len(m.Body), len(body))
		}
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}

func TestWhoSigns(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "FROMENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hunter3")
	t.Setenv("AWS_REGION", "eu-north-1")
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"the settings", func(*Config) {}, "Credential=test/DATE/us-east-1/sqs/"},
		{"the environment", func(c *Config) { c.AccessKeyID, c.SecretAccessKey = "", "" }, "Credential=FROMENV/DATE/us-east-1/sqs/"},
		{"the environment's region", func(c *Config) { c.Region = "" }, "Credential=test/DATE/eu-north-1/sqs/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			endpoint, signed := answering(t, http.StatusOK, `{}`)
			cfg := settings(endpoint, endpoint+"/1/q")
			tt.change(&cfg)
			q, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Replace(tt.want, "DATE", time.Now().UTC().Format("20060102"), 1)
			if !strings.Contains(*signed, want) {
				t.Errorf("got %q, want %q", *signed, want)
			}
			if err := q.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("no region at all", func(t *testing.T) {
		t.Setenv("AWS_REGION", "")
		t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
		cfg := settings("", "http://127.0.0.1:1/1/q")
		cfg.Region = ""
		if _, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), "region: ") {
			t.Errorf("got %v, want a word about the region", err)
		}
	})
}
