package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/queue/queuetest"
)

func openFile(t testing.TB, file string) queue.Queue {
	t.Helper()
	q, err := Open(t.Context(), Config{File: file}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func openNew(t testing.TB) queue.Queue {
	t.Helper()
	q := openFile(t, filepath.Join(t.TempDir(), "queue.db"))
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return q
}

func TestQueue(t *testing.T) {
	queuetest.Run(t, func(t *testing.T) queue.Queue { return openFile(t, filepath.Join(t.TempDir(), "queue.db")) })
	queuetest.RunDurable(t, func(t *testing.T) func() queue.Queue {
		file := filepath.Join(t.TempDir(), "data", "queue.db")
		return func() queue.Queue { return openFile(t, file) }
	})
}

// TestSendWakesAReceiver passes a message to and fro between receivers who do not look by themselves.
func TestSendWakesAReceiver(t *testing.T) {
	const turns = 40
	there, back := openNew(t), openNew(t)
	there.(*local).poll, back.(*local).poll = time.Hour, time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	pass := func(from, to queue.Queue) {
		for range turns {
			m, err := from.Receive(ctx, 2*time.Hour)
			if err := errors.Join(err, to.Send(t.Context(), m.Body)); err != nil {
				t.Errorf("pass on: %v", err)
				return
			}
		}
	}
	wg.Go(func() { pass(there, back) })
	wg.Go(func() { pass(back, there) })
	if err := there.Send(t.Context(), []byte("ball")); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
}

// TestProcessesShareAFile has two queues on one file, which know nothing of each other, as two processes have.
func TestProcessesShareAFile(t *testing.T) {
	const messages, receivers = 60, 4
	file := filepath.Join(t.TempDir(), "queue.db")
	queues := [2]queue.Queue{openFile(t, file), openFile(t, file)}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	count := make(map[string]int)
	for i := range receivers {
		wg.Go(func() {
			for {
				m, err := queues[i%2].Receive(ctx, time.Hour)
				if err != nil {
					return
				}
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
		if err := queues[0].Send(t.Context(), fmt.Append(nil, i)); err != nil {
			t.Errorf("send: %v", err)
		}
	}
	wg.Wait()
	for _, q := range queues {
		if err := q.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	for body, n := range count {
		if n != 1 {
			t.Errorf("message %s came %d times, want once", body, n)
		}
	}
	if len(count) != messages {
		t.Errorf("got %d messages, want %d", len(count), messages)
	}
}

func TestReceiveUsesItsIndexAlone(t *testing.T) {
	q := openNew(t).(*local)
	rows, err := q.db.QueryContext(t.Context(), `explain query plan select id from goqite
		where queue = ? and ? >= timeout and received < ? order by priority desc, created limit 1`, name, "", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // read to its end below
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(plan, "; "); !strings.Contains(got, "COVERING INDEX goqite_receive_idx") || strings.Contains(got, "B-TREE") {
		t.Errorf("got the plan %q, want a covering index and no sort", got)
	}
}

func TestCloseEndsReceive(t *testing.T) {
	q := openFile(t, filepath.Join(t.TempDir(), "queue.db"))
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
	m := queue.Message{Receipt: "m_1/1"}
	for _, err := range []error{<-result, q.Send(t.Context(), nil), q.Hide(t.Context(), m, 0), q.Delete(t.Context(), m)} {
		if !errors.Is(err, fault.Closed) {
			t.Errorf("got %v, want fault.Closed", err)
		}
	}
}

func TestForeignReceipt(t *testing.T) {
	q, m := openNew(t), queue.Message{Receipt: "of another queue"}
	for _, err := range []error{q.Hide(t.Context(), m, 0), q.Delete(t.Context(), m)} {
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("got %v, want fault.Invalid", err)
		}
	}
}

func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default: got %v, want no mistake", err)
	}
	if err := (Config{}).Validate(); err == nil {
		t.Error("no file: got no mistake")
	}
}

// BenchmarkQueue is one message's whole life, with its three commits.
func BenchmarkQueue(b *testing.B) {
	q := openNew(b)
	body := []byte(strings.Repeat("x", 500))
	for b.Loop() {
		if err := q.Send(b.Context(), body); err != nil {
			b.Fatal(err)
		}
		m, err := q.Receive(b.Context(), time.Minute)
		if err := errors.Join(err, q.Delete(b.Context(), m)); err != nil {
			b.Fatal(err)
		}
	}
}
