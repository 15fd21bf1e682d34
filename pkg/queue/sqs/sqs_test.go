package sqs

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/queue/queuetest"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// settings are those of a queue on a server of the tests. Its requests wait for a short time, as closing waits for them.
func settings(endpoint, url string) Config {
	c := DefaultConfig()
	c.Endpoint, c.URL, c.Region, c.Wait = endpoint, url, "us-east-1", time.Second
	c.AccessKeyID, c.SecretAccessKey = "test", "hunter2"
	return c
}

func openURL(t testing.TB, endpoint, url string) queue.Queue {
	t.Helper()
	cfg := settings(endpoint, url)
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	q, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestEngines(t *testing.T) {
	for engine, start := range map[string]func(testing.TB) servertest.SQSServer{"moto": servertest.SQS, "fauxqs": servertest.Fauxqs} {
		t.Run(engine, func(t *testing.T) {
			s := start(t)
			t.Run("close ends receive", func(t *testing.T) { checkCloseEndsReceive(t, s) }) // alone: it counts goroutines
			for _, tt := range []struct {
				name  string
				check func(t *testing.T, s servertest.SQSServer)
			}{
				{"the port's suite", checkSuite},
				{"the port's suite on a server that does not count", checkServerThatDoesNotCount},
				{"open refuses", checkOpenRefuses},
				{"open ends with its context", checkOpenEndsWithItsContext},
				{"open warns", checkOpenWarns},
				{"largest bodies", checkLargestBodies},
				{"receivers that leave hide nothing", checkReceiversThatLeaveHideNothing},
				{"processes share a queue", checkProcessesShareAQueue},
				{"a stale receipt of another process", checkStaleReceiptOfAnotherProcess},
				{"leases are as long as SQS lets", checkLeasesAreAsLongAsSQSLets},
				{"an answer is lost", checkAnswerIsLost},
				{"the server is away", checkServerIsAway},
				{"the server is silent", checkServerIsSilent},
				{"a foreign receipt", checkForeignReceipt},
			} {
				t.Run(tt.name, func(t *testing.T) {
					t.Parallel()
					tt.check(t, s)
				})
			}
		})
	}
}

func checkSuite(t *testing.T, s servertest.SQSServer) {
	queuetest.Run(t, func(t *testing.T) queue.Queue { return openURL(t, s.Endpoint, s.Queue(t, nil)) }, queuetest.MayGiveTwice)
	queuetest.RunDurable(t, func(t *testing.T) func() queue.Queue {
		url := s.Queue(t, nil)
		return func() queue.Queue { return openURL(t, s.Endpoint, url) }
	})
}

// patience is by when what must come has come.
const patience = 30 * time.Second

func send(t testing.TB, q queue.Queue, body string) {
	t.Helper()
	if err := q.Send(t.Context(), []byte(body)); err != nil {
		t.Errorf("send: %v", err)
	}
}

func receive(t *testing.T, q queue.Queue, lease time.Duration) queue.Message {
	t.Helper()
	m, err := during(t, q, lease, patience)
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	return m
}

// during gives what Receive gives when its ctx ends after d.
func during(t *testing.T, q queue.Queue, lease, d time.Duration) (queue.Message, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return q.Receive(ctx, lease)
}

func wantNone(t *testing.T, q queue.Queue, d time.Duration) {
	t.Helper()
	if m, err := during(t, q, time.Hour, d); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %q and %v, want no message", m.Body, err)
	}
}

func shut(t *testing.T, queues ...queue.Queue) {
	t.Helper()
	for _, q := range queues {
		if err := q.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

// gather lets every queue have receivers until n different messages have come, and counts how often each did.
func gather(t *testing.T, n int, receivers int, take func(ctx context.Context, q queue.Queue) (queue.Message, error), queues ...queue.Queue) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	var mu sync.Mutex
	count := make(map[string]int)
	var wg sync.WaitGroup
	for _, q := range queues {
		for range receivers {
			wg.Go(func() {
				for ctx.Err() == nil {
					m, err := take(ctx, q)
					if err != nil {
						continue
					}
					mu.Lock()
					count[string(m.Body)]++
					if len(count) == n {
						cancel()
					}
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	if len(count) != n {
		t.Errorf("got %d messages, want %d", len(count), n)
	}
	return count
}

func wantOnce(t *testing.T, count map[string]int) {
	t.Helper()
	for body, n := range count {
		if n != 1 {
			t.Errorf("message %s came %d times, want once", body, n)
		}
	}
}

// BenchmarkQueue is one message's whole life, with its three requests.
func BenchmarkQueue(b *testing.B) {
	s := servertest.SQS(b)
	q := openURL(b, s.Endpoint, s.Queue(b, nil))
	body := strings.Repeat("x", 500)
	for b.Loop() {
		send(b, q, body)
		m, err := q.Receive(b.Context(), time.Minute)
		if err := errors.Join(err, q.Delete(b.Context(), m)); err != nil {
			b.Fatal(err)
		}
	}
	if err := q.Close(); err != nil {
		b.Error(err)
	}
}

// BenchmarkTenThousand is 10,000 messages' whole lives, with several senders and receivers at a time. It is on the second
// engine, as moto looks at every message for each that it gives.
func BenchmarkTenThousand(b *testing.B) {
	const messages, hands = 10_000, 8
	s := servertest.Fauxqs(b)
	q := openURL(b, s.Endpoint, s.Queue(b, nil))
	body := strings.Repeat("x", 500)
	for b.Loop() {
		var wg sync.WaitGroup
		for range hands {
			wg.Go(func() {
				for range messages / hands {
					send(b, q, body)
				}
			})
			wg.Go(func() {
				for range messages / hands {
					m, err := q.Receive(b.Context(), time.Hour)
					if err := errors.Join(err, q.Delete(b.Context(), m)); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
	b.ReportMetric(messages*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	if err := q.Close(); err != nil {
		b.Error(err)
	}
}
