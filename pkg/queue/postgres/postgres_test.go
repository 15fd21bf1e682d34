package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/queue/queuetest"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

const (
	long  = time.Hour              // a lease that does not end within a test
	soon  = 30 * time.Second       // by when what must come has come
	never = 100 * time.Millisecond // how long to look for what must not come
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func config(dsn string) Config {
	cfg := DefaultConfig()
	cfg.DSN = secret.String(dsn)
	return cfg
}

// openQueue opens a queue that the test closes.
func openQueue(t testing.TB, cfg Config) *postgres {
	t.Helper()
	q, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return q.(*postgres)
}

// newQueue opens a queue that is closed when the test ends.
func newQueue(t testing.TB, cfg Config) *postgres {
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

// exec runs sql on a connection of its own.
func exec(t testing.TB, dsn, sql string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // also when the test ends
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx) //nolint:errcheck // the statement's own error tells enough
	if _, err := c.Exec(ctx, sql); err != nil {
		t.Fatal(err)
	}
}

// TestPostgres runs each test with a database of its own on one server.
func TestPostgres(t *testing.T) {
	s := servertest.FindPostgres(t)
	queuetest.Run(t, func(t *testing.T) queue.Queue { return openQueue(t, config(s.Database(t))) })
	queuetest.RunDurable(t, func(t *testing.T) func() queue.Queue {
		cfg := config(s.Database(t))
		return func() queue.Queue { return openQueue(t, cfg) }
	})
	for _, tt := range []struct {
		name  string
		check func(t *testing.T, dsn string)
	}{
		{"a context that ends hides nothing", checkContextEnd},
		{"processes share a table", checkProcesses},
		{"a send wakes a receiver of another process", checkWakes},
		{"a receiver that is not told looks for itself", checkDeaf},
		{"stale receipts", checkStale},
		{"a receipt of another queue", checkForeignReceipt},
		{"close ends receive", checkClose},
		{"a table is made once", checkOpenTogether},
		{"names of tables", checkNames},
		{"without prepared statements", checkModes},
		{"a million messages", checkPlan},
		{"what is wrong is said", checkOpenErrors},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.check(t, s.Database(t)) })
	}
}

// checkContextEnd ends the context at about the time when a message comes. It must come to another process, and to the same
// one, at its first attempt.
func checkContextEnd(t *testing.T, dsn string) {
	const rounds = 1000
	one, other := newQueue(t, config(dsn)), newQueue(t, config(dsn))
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
			m, err = receiveBy(t.Context(), from, long, soon)
		}
		if err != nil || m.Attempt != 1 {
			t.Fatalf("round %d: got attempt %d and %v, want 1", i, m.Attempt, err)
		}
		remove(t, from, m)
	}
	t.Logf("the context ended first in %d of %d rounds", late, rounds)
	wantNone(t, other)
}

func checkProcesses(t *testing.T, dsn string) {
	const messages, processes = 200, 4
	var queues []*postgres
	for range processes {
		queues = append(queues, newQueue(t, config(dsn)))
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

func checkStale(t *testing.T, dsn string) {
	q, other := newQueue(t, config(dsn)), newQueue(t, config(dsn))
	send(t, q, "a")
	stale := receive(t, q, time.Microsecond, "a", 1)
	now := receive(t, other, time.Microsecond, "a", 2)
	if err := q.Hide(t.Context(), stale, long); !errors.Is(err, fault.NotFound) {
		t.Errorf("hide: got %v, want fault.NotFound", err)
	}
	if err := other.Hide(t.Context(), now, long); err != nil { // nobody else has it, though its lease has ended
		t.Errorf("hide: %v", err)
	}
	wantNone(t, q)
	remove(t, q, stale)
	if err := other.Hide(t.Context(), now, 0); !errors.Is(err, fault.NotFound) {
		t.Errorf("hide: got %v, want fault.NotFound", err)
	}
	remove(t, other, now)
	wantNone(t, q)
}

func checkForeignReceipt(t *testing.T, dsn string) {
	q := newQueue(t, config(dsn))
	whole := receipt{id: 1, delivery: newDelivery()}.String()
	for _, text := range []string{"", "of another queue", "1", "1/", "x/" + whole[2:], whole + "0", whole[:len(whole)-1], whole[:len(whole)-2], whole[:len(whole)-1] + "x"} {
		m := queue.Message{Receipt: text}
		for _, err := range []error{q.Hide(t.Context(), m, 0), q.Delete(t.Context(), m)} {
			if !errors.Is(err, fault.Invalid) {
				t.Errorf("%q: got %v, want fault.Invalid", text, err)
			}
		}
	}
	if err := q.Delete(t.Context(), queue.Message{Receipt: whole}); err != nil {
		t.Errorf("one that was deleted: %v", err)
	}
}

func checkClose(t *testing.T, dsn string) {
	q := openQueue(t, config(dsn))
	result := make(chan error, 1)
	go func() {
		_, err := q.Receive(t.Context(), time.Minute)
		result <- err
	}()
	awaitHearing(t, q)
	for range 2 {
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
	m := queue.Message{Receipt: receipt{id: 1, delivery: newDelivery()}.String()}
	_, err := q.Receive(t.Context(), time.Minute)
	for _, err := range []error{<-result, err, q.Send(t.Context(), nil), q.Hide(t.Context(), m, 0), q.Delete(t.Context(), m)} {
		if !errors.Is(err, fault.Closed) {
			t.Errorf("got %v, want fault.Closed", err)
		}
	}
}

func checkOpenTogether(t *testing.T, dsn string) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			q, err := Open(t.Context(), config(dsn), slog.New(slog.DiscardHandler))
			if err == nil {
				err = errors.Join(q.Send(t.Context(), []byte("a")), q.Close())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	q := newQueue(t, config(dsn))
	for range 8 {
		receive(t, q, long, "a", 1)
	}
}

func checkNames(t *testing.T, dsn string) {
	exec(t, dsn, `create schema "Other"`)
	longest := strings.Repeat("q", 63)
	for _, table := range []string{"queue", "Queue", "select", longest, `Other.queue`, "Other." + longest} {
		cfg := config(dsn)
		cfg.Table = table
		for range 2 {
			q := newQueue(t, cfg)
			send(t, q, table)
			remove(t, q, receive(t, q, long, table, 1))
			wantNone(t, q)
		}
	}
}

// checkModes has the ways of asking that a pooler in between may need.
func checkModes(t *testing.T, dsn string) {
	for _, mode := range []string{"exec", "cache_describe", "describe_exec", "simple_protocol"} {
		q := newQueue(t, config(dsn+"?pool_max_conns=1&default_query_exec_mode="+mode))
		send(t, q, "it's \x00\xff")
		m := receive(t, q, long, "it's \x00\xff", 1)
		if err := q.Hide(t.Context(), m, 0); err != nil {
			t.Errorf("%s: hide: %v", mode, err)
		}
		remove(t, q, receive(t, q, long, "it's \x00\xff", 2))
		wantNone(t, q)
	}
}

func TestMicros(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want int64
	}{
		{-time.Hour, 0}, {0, 0}, {1, 1}, {time.Microsecond, 1}, {time.Microsecond + 1, 2}, {time.Hour, 3_600_000_000},
		{math.MaxInt64, math.MaxInt64/1000 + 1},
	} {
		if got := micros(tt.d); got != tt.want {
			t.Errorf("%d ns: got %d µs, want %d", tt.d, got, tt.want)
		}
	}
}

// BenchmarkQueue is one message's whole life, then many sends at a time, then one receiver of a queue that is full.
func BenchmarkQueue(b *testing.B) {
	q := newQueue(b, config(servertest.Postgres(b)))
	body := []byte(strings.Repeat("x", 500))
	work := func() error {
		m, err := q.Receive(b.Context(), time.Minute)
		return errors.Join(err, q.Delete(b.Context(), m))
	}
	b.Run("life", func(b *testing.B) {
		for b.Loop() {
			if err := errors.Join(q.Send(b.Context(), body), work()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("send", func(b *testing.B) {
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
	b.Run("receive", func(b *testing.B) {
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
