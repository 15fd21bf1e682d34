package memory

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/fault/faulttest"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/queue/queuetest"
)

func open(t *testing.T) queue.Queue {
	t.Helper()
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
	q, err := Open(t.Context(), DefaultConfig(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestQueue(t *testing.T) { queuetest.Run(t, open) }

func TestFaultyKeepsThePromises(t *testing.T) {
	queuetest.Run(t, func(t *testing.T) queue.Queue { return queuetest.NewFaulty(open(t)) })
}

func receive(t *testing.T, q queue.Queue, lease time.Duration) queue.Message {
	t.Helper()
	m, err := q.Receive(t.Context(), lease)
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	return m
}

func TestTimeOfABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t)
		if err := q.Send(t.Context(), []byte("a")); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		wantAt := func(m queue.Message, attempt int, at time.Duration) {
			t.Helper()
			if got := time.Since(start); m.Attempt != attempt || got != at {
				t.Errorf("got attempt %d after %v, want %d after %v", m.Attempt, got, attempt, at)
			}
		}
		wantAt(receive(t, q, 5*time.Minute), 1, 0)
		m := receive(t, q, 5*time.Minute)
		wantAt(m, 2, 5*time.Minute)
		time.Sleep(4 * time.Minute)
		if err := q.Hide(t.Context(), m, time.Hour); err != nil {
			t.Fatal(err)
		}
		wantAt(receive(t, q, time.Minute), 3, 69*time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), 59*time.Second)
		defer cancel()
		if _, err := q.Receive(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a second before the lease ends: got %v, want deadline exceeded", err)
		}
	})
}

func TestFaulty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			name    string
			fault   faulttest.Fault
			attempt int           // of the next delivery after a Send, a Receive and a Hide(0), 0 for none
			after   time.Duration // when it comes
		}{
			{"Send not applied", faulttest.Fault{Op: "Send", N: 1}, 0, 0},
			{"Send applied", faulttest.Fault{Op: "Send", N: 1, Applied: true}, 2, 0},
			{"Receive not applied", faulttest.Fault{Op: "Receive", N: 1}, 1, 0},
			{"Receive applied", faulttest.Fault{Op: "Receive", N: 1, Applied: true}, 2, time.Minute},
			{"Hide not applied", faulttest.Fault{Op: "Hide", N: 1}, 2, time.Minute},
			{"Hide applied", faulttest.Fault{Op: "Hide", N: 1, Applied: true}, 2, 0},
		} {
			q, start := open(t), time.Now()
			f := queuetest.NewFaulty(q, tt.fault)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			failed := 0
			err := f.Send(ctx, nil)
			if errors.Is(err, faulttest.ErrScripted) {
				failed++
			}
			if err == nil || tt.fault.Applied {
				m, err := f.Receive(ctx, time.Minute)
				if errors.Is(err, faulttest.ErrScripted) {
					failed++
				} else if errors.Is(f.Hide(ctx, m, 0), faulttest.ErrScripted) {
					failed++
				}
			}
			if failed != 1 || len(f.Unused()) != 0 {
				t.Errorf("%s: got %d failures with %v unused, want 1 and none", tt.name, failed, f.Unused())
			}
			m, err := q.Receive(ctx, time.Minute)
			if got := time.Since(start); m.Attempt != tt.attempt || (err == nil) != (tt.attempt > 0) || err == nil && got != tt.after {
				t.Errorf("%s: got attempt %d after %v and %v, want %d after %v", tt.name, m.Attempt, got, err, tt.attempt, tt.after)
			}
			cancel()
		}
	})
}

func TestCloseEndsReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t)
		result := make(chan error, 1)
		go func() {
			_, err := q.Receive(t.Context(), time.Minute)
			result <- err
		}()
		synctest.Wait()
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		m := queue.Message{Receipt: "1/1"}
		for _, err := range []error{<-result, q.Send(t.Context(), nil), q.Hide(t.Context(), m, 0), q.Delete(t.Context(), m)} {
			if !errors.Is(err, fault.Closed) {
				t.Errorf("got %v, want fault.Closed", err)
			}
		}
	})
}

func TestForeignReceipt(t *testing.T) {
	q, m := open(t), queue.Message{Receipt: "of another queue"}
	for _, err := range []error{q.Hide(t.Context(), m, 0), q.Delete(t.Context(), m)} {
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("got %v, want fault.Invalid", err)
		}
	}
}
