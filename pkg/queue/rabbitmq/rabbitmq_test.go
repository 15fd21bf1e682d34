package rabbitmq

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/queue/queuetest"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

const (
	long  = time.Hour              // a lease that does not end within a test
	short = 150 * time.Millisecond // a lease that a test waits for
	soon  = 30 * time.Second       // by when what must come has come
	never = 100 * time.Millisecond // how long to look for what must not come
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newConfig gives settings with a queue of its own, which is removed when the test ends.
func newConfig(t testing.TB, url, kind string) Config {
	t.Helper()
	cfg := Config{URL: secret.String(url), Queue: "test-" + rand.Text(), Type: kind}
	t.Cleanup(func() { removeQueue(t, url, cfg.Queue) })
	return cfg
}

func removeQueue(t testing.TB, url, name string) {
	t.Helper()
	onChannel(t, url, func(ch *amqp091.Channel) error {
		_, err := ch.QueueDelete(name, false, false, false)
		return err
	})
}

// onChannel does something on a channel of its own.
func onChannel(t testing.TB, url string, do func(*amqp091.Channel) error) {
	t.Helper()
	c, err := amqp091.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // what was done tells enough
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := do(ch); err != nil {
		t.Error(err)
	}
}

// openQueue opens a queue that the test closes.
func openQueue(t testing.TB, cfg Config) queue.Queue {
	t.Helper()
	q, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// newQueue opens a queue that is closed when the test ends.
func newQueue(t testing.TB, cfg Config) queue.Queue {
	t.Helper()
	q := openQueue(t, cfg)
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return q
}

func send(t *testing.T, q queue.Queue, body string) {
	t.Helper()
	if err := q.Send(t.Context(), []byte(body)); err != nil {
		t.Fatalf("send: %v", err)
	}
}

func receiveBy(ctx context.Context, q queue.Queue, lease, d time.Duration) (queue.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return q.Receive(ctx, lease)
}

// receive receives the message body at its attempt.
func receive(t *testing.T, q queue.Queue, lease time.Duration, body string, attempt int) queue.Message {
	t.Helper()
	m, err := receiveBy(t.Context(), q, lease, soon)
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	if string(m.Body) != body || m.Attempt != attempt {
		t.Errorf("got %.40q, attempt %d, want %.40q, attempt %d", m.Body, m.Attempt, body, attempt)
	}
	return m
}

// wantNone holds that no message is visible now.
func wantNone(t *testing.T, q queue.Queue) {
	t.Helper()
	if m, err := receiveBy(t.Context(), q, long, never); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %.40q and %v, want no message", m.Body, err)
	}
}

func remove(t *testing.T, q queue.Queue, m queue.Message) {
	t.Helper()
	if err := q.Delete(t.Context(), m); err != nil {
		t.Fatalf("delete: %v", err)
	}
}

// TestRabbitMQ runs each test with a new queue of each type on one server.
func TestRabbitMQ(t *testing.T) {
	url := servertest.RabbitMQ(t)
	for _, kind := range []string{quorum, classic} {
		t.Run(kind, func(t *testing.T) {
			queuetest.Run(t, func(t *testing.T) queue.Queue { return openQueue(t, newConfig(t, url, kind)) })
			queuetest.RunDurable(t, func(t *testing.T) func() queue.Queue {
				cfg := newConfig(t, url, kind)
				return func() queue.Queue { return openQueue(t, cfg) }
			}, queuetest.LeasesEndWithTheQueue)
			for _, tt := range []struct {
				name  string
				check func(t *testing.T, cfg Config)
			}{
				{"a receive takes one message", checkTakesOne},
				{"a context that ends hides nothing", checkContextEnd},
				{"processes share a queue", checkProcesses},
				{"deleted after the lease", checkDeleteAfterTheLease},
				{"messages of others", checkForeignMessages},
				{"a receipt of another queue", checkForeignReceipt},
				{"close ends receive", checkClose},
			} {
				t.Run(tt.name, func(t *testing.T) { tt.check(t, newConfig(t, url, kind)) })
			}
		})
	}
}

func checkTakesOne(t *testing.T, cfg Config) {
	one, other := newQueue(t, cfg), newQueue(t, cfg)
	for range 3 { // both ways: from those that are there, and by waiting
		for i := range 5 {
			send(t, one, fmt.Sprint(i))
		}
		if _, err := receiveBy(t.Context(), one, long, soon); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			m, err := receiveBy(t.Context(), other, long, soon)
			if err != nil {
				t.Fatalf("the others are hidden: %v", err)
			}
			remove(t, other, m)
		}
		wantNone(t, other)
	}
}

// checkContextEnd ends the context at about the time when a message comes. It must come to another process, and
// to the same one.
func checkContextEnd(t *testing.T, cfg Config) {
	const rounds = 1000
	one, other := newQueue(t, cfg), newQueue(t, cfg)
	late := 0
	for i := range rounds {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%100)*50*time.Microsecond)
		var wg sync.WaitGroup
		wg.Go(func() { send(t, other, "a") })
		m, err := one.Receive(ctx, long)
		wg.Wait()
		cancel()
		from := one
		if err != nil {
			late++
			if i%2 == 0 {
				from = other
			}
			if m, err = receiveBy(t.Context(), from, long, soon); err != nil {
				t.Fatalf("round %d: it does not come again: %v", i, err)
			}
		}
		if from == one && m.Attempt != 1 {
			t.Errorf("round %d: got attempt %d, want 1", i, m.Attempt)
		}
		remove(t, from, m)
	}
	t.Logf("the context ended first in %d of %d rounds", late, rounds)
	wantNone(t, other)
}

func checkProcesses(t *testing.T, cfg Config) {
	const messages, processes = 200, 4
	var queues []queue.Queue
	for range processes {
		queues = append(queues, newQueue(t, cfg))
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	count := make(map[string]int)
	for i := range 2 * processes {
		q := queues[i%processes]
		wg.Go(func() {
			for {
				m, err := q.Receive(ctx, long)
				if err != nil {
					return
				}
				remove(t, q, m)
				mu.Lock()
				count[string(m.Body)]++
				if len(count) == messages {
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	for i := range messages {
		send(t, queues[i%processes], fmt.Sprint(i))
	}
	wg.Wait()
	for body, n := range count {
		if n != 1 {
			t.Errorf("message %s came %d times, want once", body, n)
		}
	}
	if len(count) != messages {
		t.Errorf("got %d messages, want %d", len(count), messages)
	}
}

func checkDeleteAfterTheLease(t *testing.T, cfg Config) {
	q := newQueue(t, cfg)
	send(t, q, "a")
	m := receive(t, q, time.Millisecond, "a", 1)
	onChannel(t, cfg.URL.Reveal(), func(ch *amqp091.Channel) error { // its lease has ended when the server has it again
		for {
			state, err := ch.QueueDeclarePassive(cfg.Queue, true, false, false, false, nil)
			if err != nil || state.Messages == 1 {
				return err
			}
		}
	})
	remove(t, q, m)
	if err := q.Hide(t.Context(), m, long); !errors.Is(err, fault.NotFound) {
		t.Errorf("hide: got %v, want fault.NotFound", err)
	}
	wantNone(t, q)
	wantNone(t, newQueue(t, cfg))
}

// checkForeignMessages has messages that others have sent, whose ids need not be unique.
func checkForeignMessages(t *testing.T, cfg Config) {
	q := newQueue(t, cfg)
	onChannel(t, cfg.URL.Reveal(), func(ch *amqp091.Channel) error {
		if err := ch.Confirm(false); err != nil { // what is not confirmed may be lost when the channel ends
			return err
		}
		for _, id := range []string{"same", "same", ""} {
			sent, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", cfg.Queue, true, false, amqp091.Publishing{MessageId: id, Body: []byte("x")})
			if err != nil {
				return err
			}
			if ok, err := sent.WaitContext(t.Context()); err != nil || !ok {
				return errors.Join(errors.New("not confirmed"), err)
			}
		}
		return nil
	})
	for range 3 {
		m := receive(t, q, long, "x", 1)
		if err := q.Hide(t.Context(), m, long); err != nil {
			t.Error(err)
		}
		remove(t, q, m)
	}
	wantNone(t, q)
}

func checkForeignReceipt(t *testing.T, cfg Config) {
	q, m := newQueue(t, cfg), queue.Message{Receipt: "of another queue"}
	for _, err := range []error{q.Hide(t.Context(), m, 0), q.Delete(t.Context(), m)} {
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("got %v, want fault.Invalid", err)
		}
	}
}

func checkClose(t *testing.T, cfg Config) {
	q := openQueue(t, cfg)
	result := make(chan error, 1)
	go func() {
		_, err := q.Receive(t.Context(), time.Minute)
		result <- err
	}()
	for range 2 {
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
	m := queue.Message{Receipt: "m/1"}
	_, err := q.Receive(t.Context(), time.Minute)
	for _, err := range []error{<-result, err, q.Send(t.Context(), nil), q.Hide(t.Context(), m, 0), q.Delete(t.Context(), m)} {
		if !errors.Is(err, fault.Closed) {
			t.Errorf("got %v, want fault.Closed", err)
		}
	}
}

// BenchmarkQueue is one message's whole life, then many sends at a time, then one receiver of a queue that is full.
func BenchmarkQueue(b *testing.B) {
	url := servertest.RabbitMQ(b)
	body := []byte(strings.Repeat("x", 500))
	for _, kind := range []string{quorum, classic} {
		q := newQueue(b, newConfig(b, url, kind))
		work := func() error {
			m, err := q.Receive(b.Context(), time.Minute)
			return errors.Join(err, q.Delete(b.Context(), m))
		}
		b.Run(kind+"/life", func(b *testing.B) {
			for b.Loop() {
				if err := errors.Join(q.Send(b.Context(), body), work()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(kind+"/send", func(b *testing.B) {
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := q.Send(b.Context(), body); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
		b.Run(kind+"/receive", func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				if err := q.Send(b.Context(), body); err != nil { // so that it stays full
					b.Fatal(err)
				}
				b.StartTimer()
				if err := work(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
