package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/queue/queuetest"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// settings are those of a new queue on a server of the tests.
func settings(url string) Config {
	c := DefaultConfig()
	c.URL, c.Stream = secret.String(url), "test:"+strings.ToLower(rand.Text())
	return c
}

func openQueue(t testing.TB, cfg Config) *redis {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	q, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return q.(*redis)
}

func suite(t *testing.T, fresh func() Config) {
	t.Helper()
	queuetest.Run(t, func(t *testing.T) queue.Queue { return openQueue(t, fresh()) })
	queuetest.RunDurable(t, func(t *testing.T) func() queue.Queue {
		cfg := fresh()
		return func() queue.Queue { return openQueue(t, cfg) }
	})
}

func TestQueue(t *testing.T) {
	url := servertest.Redis(t)
	suite(t, func() Config { return settings(url) })
}

func TestQueueInACluster(t *testing.T) {
	url := servertest.RedisCluster(t)
	suite(t, func() Config { return settings(url) })
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

func remove(t *testing.T, q queue.Queue, m queue.Message) {
	t.Helper()
	if err := q.Delete(t.Context(), m); err != nil {
		t.Errorf("delete: %v", err)
	}
}

func want(t *testing.T, m queue.Message, body string, attempt int) {
	t.Helper()
	if string(m.Body) != body || m.Attempt != attempt {
		t.Errorf("got %q, attempt %d, want %q, attempt %d", m.Body, m.Attempt, body, attempt)
	}
}

func wantNone(t *testing.T, q queue.Queue, d time.Duration) {
	t.Helper()
	if m, err := during(t, q, time.Hour, d); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %q and %v, want no message", m.Body, err)
	}
}

func shut[Q queue.Queue](t testing.TB, queues ...Q) {
	t.Helper()
	for _, q := range queues {
		if err := q.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

// gather lets every queue have receivers until n different messages have come, and counts how often each did.
func gather(t *testing.T, n, receivers int, take func(ctx context.Context, q *redis) (queue.Message, error), queues ...*redis) map[string]int {
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

// work receives a message, extends its lease and deletes it.
func work(ctx context.Context, q *redis) (queue.Message, error) {
	m, err := q.Receive(ctx, time.Hour)
	if err != nil {
		return m, err
	}
	return m, errors.Join(q.Hide(context.WithoutCancel(ctx), m, time.Hour), q.Delete(context.WithoutCancel(ctx), m))
}

func wantOnce(t *testing.T, count map[string]int) {
	t.Helper()
	for body, n := range count {
		if n != 1 {
			t.Errorf("message %s came %d times, want once", body, n)
		}
	}
}

// wantLength holds how many entries the stream has, and that there are as many leases as the group has messages.
func wantLength(t *testing.T, q *redis, entries int64) {
	t.Helper()
	if got, err := q.client.XLen(t.Context(), q.cfg.Stream).Result(); got != entries || err != nil {
		t.Errorf("the stream has %d entries (%v), want %d", got, err, entries)
	}
	leases, err1 := q.client.ZCard(t.Context(), q.keys[1]).Result()
	pending, err2 := q.client.XPending(t.Context(), q.cfg.Stream, q.cfg.Group).Result()
	if err := errors.Join(err1, err2); err != nil {
		t.Error(err)
	} else if leases != pending.Count {
		t.Errorf("there are %d leases of %d messages", leases, pending.Count)
	}
}

// TestReceiversThatLeaveHideNothing has receivers in two processes that leave when messages come. Would one of them leave a
// message hidden, it would not come within the test.
func TestReceiversThatLeaveHideNothing(t *testing.T) {
	const messages = 1000
	cfg := settings(servertest.Redis(t))
	a, b := openQueue(t, cfg), openQueue(t, cfg)
	var sent sync.WaitGroup
	sent.Go(func() {
		for i := range messages {
			send(t, a, fmt.Sprint(i))
		}
	})
	wantOnce(t, gather(t, messages, 2, func(ctx context.Context, q *redis) (queue.Message, error) {
		ctx, cancel := context.WithTimeout(ctx, mathrand.N(5*time.Millisecond))
		defer cancel()
		m, err := work(ctx, q)
		if err == nil && m.Attempt != 1 {
			t.Errorf("message %s is attempt %d, want 1: nobody has seen the others", m.Body, m.Attempt)
		}
		return m, err
	}, a, b))
	sent.Wait()
	wantLength(t, a, 0)
	shut(t, a, b)
}

// TestProcessesShareAQueue has two clients that know nothing of each other, and one that dies with messages in hand.
func TestProcessesShareAQueue(t *testing.T) {
	const messages, lost = 500, 20
	cfg := settings(servertest.Redis(t))
	a, b, dies := openQueue(t, cfg), openQueue(t, cfg), openQueue(t, cfg)
	for i := range messages {
		send(t, a, fmt.Sprint(i))
	}
	for range lost {
		receive(t, dies, 15*time.Second)
	}
	var again atomic.Int32 // deliveries of messages that were delivered before
	wantOnce(t, gather(t, messages, 4, func(ctx context.Context, q *redis) (queue.Message, error) {
		m, err := work(ctx, q)
		if err == nil && m.Attempt > 1 {
			again.Add(1)
		}
		return m, err
	}, a, b))
	if got := again.Load(); got != lost {
		t.Errorf("%d messages came again, want the %d of the process that died", got, lost)
	}
	wantLength(t, a, 0)
	shut(t, a, b, dies)
}

func TestCloseEndsReceive(t *testing.T) {
	cfg := settings(servertest.Redis(t))
	defer servertest.NoLeaks(t, goleak.IgnoreCurrent())
	q := openQueue(t, cfg)
	wantNone(t, q, 10*time.Millisecond) // a request goes on
	result := make(chan error, 1)
	go func() {
		_, err := q.Receive(t.Context(), time.Minute)
		result <- err
	}()
	shut(t, q, q)
	m := queue.Message{Receipt: "1-1/1"}
	for _, err := range []error{<-result, q.Send(t.Context(), nil), q.Hide(t.Context(), m, 0), q.Delete(t.Context(), m)} {
		if !errors.Is(err, fault.Closed) {
			t.Errorf("got %v, want fault.Closed", err)
		}
	}
}

func TestForeignReceipt(t *testing.T) {
	q := openQueue(t, settings(servertest.Redis(t)))
	for _, receipt := range []string{"of another queue", "", "/", "1-1", "1-1/x", "-/1", "1-1 2-2/1"} {
		m := queue.Message{Receipt: receipt}
		for _, err := range []error{q.Hide(t.Context(), m, 0), q.Delete(t.Context(), m)} {
			if !errors.Is(err, fault.Invalid) {
				t.Errorf("%q: got %v, want fault.Invalid", receipt, err)
			}
		}
	}
	shut(t, q)
}

// BenchmarkQueue is one message's whole life.
func BenchmarkQueue(b *testing.B) {
	q := openQueue(b, settings(servertest.Redis(b)))
	body := strings.Repeat("x", 500)
	for b.Loop() {
		send(b, q, body)
		m, err := q.Receive(b.Context(), time.Minute)
		if err := errors.Join(err, q.Delete(b.Context(), m)); err != nil {
			b.Fatal(err)
		}
	}
	shut(b, q)
}

// BenchmarkTenThousand is 10,000 messages' whole lives, with several senders and receivers at a time.
func BenchmarkTenThousand(b *testing.B) {
	const messages, hands = 10_000, 8
	q := openQueue(b, settings(servertest.Redis(b)))
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
	shut(b, q)
}
