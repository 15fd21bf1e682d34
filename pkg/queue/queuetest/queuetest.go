// Package queuetest holds the drivers of queues to their port's promises.
package queuetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
)

const (
	long  = time.Hour              // a lease that does not end within a test
	short = 150 * time.Millisecond // a lease that a test waits for
	soon  = 30 * time.Second       // by when what must come has come
	never = 50 * time.Millisecond  // how long to look for what must not come
	fuzzy = 5 * time.Millisecond   // how much too early a lease may end, as drivers round times
)

// Run tests the queue that open opens. Each subtest has the words of the promise that it checks and an empty queue of its
// own, which the suite closes.
func Run(t *testing.T, open func(t *testing.T) queue.Queue, traits ...Trait) {
	for _, tt := range []struct {
		promise string
		check   func(t *testing.T, q queue.Queue)
	}{
		{"gives each message to a receiver at least once", checkEach},
		{"Safe for concurrent use", func(t *testing.T, q queue.Queue) { checkConcurrent(t, q, slices.Contains(traits, MayGiveTwice)) }},
		{"Send adds a message", checkBodies},
		{"Receive waits for a message", checkWaits},
		{"Receive hides the message from other receivers for lease", checkLease},
		{"Receive returns ctx's error when ctx ends first", checkEnded},
		{"Receive whose ctx ends has hidden nothing", checkHidesNothing},
		{"Hide hides a received message for d from now, longer to extend its lease", checkExtend},
		{"Hide hides a received message for d from now, shorter to give it back", checkGiveBack},
		{"Hide of a message that was deleted meanwhile is fault.NotFound", checkHideDeleted},
		{"Hide by a receiver whose message another has by now does not take it away", checkHideStale},
		{"Delete removes a received message for good", checkDelete},
		{"Deleting it again is not an error", checkDeleteAgain},
		{"Attempt is 1 at the first delivery, one more at each later one", checkAttempt},
	} {
		t.Run(tt.promise, func(t *testing.T) {
			tt.check(t, started(t, open(t)))
		})
	}
}

// Trait is what is special about a driver.
type Trait int

const (
	// LeasesEndWithTheQueue is a trait of a driver whose server takes a message back when the connection ends that it was
	// received through.
	LeasesEndWithTheQueue Trait = iota + 1
	// MayGiveTwice is a trait of a driver whose server may give one message to two receivers who ask at the same time.
	MayGiveTwice
)

// RunDurable tests that messages outlive the queue. fresh returns what opens one new, empty queue again and again.
func RunDurable(t *testing.T, fresh func(t *testing.T) (open func() queue.Queue), traits ...Trait) {
	t.Run("A message is durable when Send returns", func(t *testing.T) {
		open := fresh(t)
		send(t, started(t, open()), "kept")
		// The first queue is not closed, as after a crash.
		wantMessage(t, receive(t, started(t, open()), long), "kept", 1)
	})
	t.Run("Messages stay when the queue is closed", func(t *testing.T) {
		open := fresh(t)
		q := open()
		send(t, q, "hidden")
		receive(t, q, long)
		send(t, q, "deleted")
		remove(t, q, receive(t, q, long))
		send(t, q, "given back")
		hide(t, q, receive(t, q, long), 0)
		if err := q.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		q = started(t, open())
		want := []string{"given back"}
		if slices.Contains(traits, LeasesEndWithTheQueue) {
			want = append(want, "hidden")
		}
		var got []string
		for range want {
			m := receive(t, q, long)
			wantMessage(t, m, string(m.Body), 2)
			got = append(got, string(m.Body))
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		wantNone(t, q)
	})
}

func checkEach(t *testing.T, q queue.Queue) {
	var sent, got []string
	for i := range 20 {
		sent = append(sent, fmt.Sprintf("message %02d", i))
		send(t, q, sent[i])
	}
	for range sent {
		got = append(got, string(receive(t, q, long).Body))
	}
	if slices.Sort(got); !slices.Equal(got, sent) {
		t.Errorf("got %q, want %q", got, sent)
	}
	wantNone(t, q)
}

// checkConcurrent lets senders and receivers work at the same time. While its lease holds a message comes once, unless twice
// lets it come to several receivers, of whom one deletes it under the others' hands.
func checkConcurrent(t *testing.T, q queue.Queue, twice bool) {
	const senders, each, receivers = 4, 25, 8
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				if err := q.Send(t.Context(), fmt.Appendf(nil, "%d/%d", s, i)); err != nil { // ctx ends when all are received
					t.Errorf("send: %v", err)
				}
			}
		})
	}
	var mu sync.Mutex
	count := make(map[string]int)
	for range receivers {
		wg.Go(func() {
			for {
				m, err := q.Receive(ctx, long)
				if err != nil {
					return
				}
				err = q.Hide(ctx, m, long)
				if twice && errors.Is(err, fault.NotFound) {
					err = nil
				}
				if err := errors.Join(err, q.Delete(ctx, m)); err != nil && ctx.Err() == nil {
					t.Errorf("hide and delete: %v", err)
				}
				mu.Lock()
				count[string(m.Body)]++
				if len(count) == senders*each {
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for body, n := range count {
		if n != 1 && !twice {
			t.Errorf("message %s came %d times, want once", body, n)
		}
	}
	if len(count) != senders*each {
		t.Errorf("got %d messages, want %d", len(count), senders*each)
	}
}

func checkBodies(t *testing.T, q queue.Queue) {
	for name, body := range map[string]string{
		"empty": "", "text": `{"batch":"01J8"}`, "binary": "\x00\xff'\"\n", "large": strings.Repeat("0123456789", 20_000),
	} {
		given := []byte(body)
		if err := q.Send(t.Context(), given); err != nil {
			t.Fatalf("send %s: %v", name, err)
		}
		for i := range given {
			given[i] = '?' // the caller may use its memory again
		}
		m := receive(t, q, long)
		wantMessage(t, m, body, 1)
		remove(t, q, m)
	}
}

func checkWaits(t *testing.T, q queue.Queue) {
	for range 3 {
		result := make(chan string, 1)
		go func() {
			m, err := receiveBy(t.Context(), q, long, soon)
			result <- fmt.Sprint(string(m.Body), err)
		}()
		wantNone(t, q)
		send(t, q, "late")
		if got, want := <-result, "late<nil>"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func checkLease(t *testing.T, q queue.Queue) {
	send(t, q, "a")
	start := time.Now()
	wantMessage(t, receive(t, q, short), "a", 1)
	m := receive(t, q, long)
	if got := time.Since(start); got < short-fuzzy {
		t.Errorf("it came again after %v, want %v", got, short)
	}
	wantMessage(t, m, "a", 2)
	wantNone(t, q)
}

func checkEnded(t *testing.T, q queue.Queue) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := q.Receive(ended, long); !errors.Is(err, context.Canceled) {
		t.Errorf("ended before: got %v, want context canceled", err)
	}
	if _, err := receiveBy(t.Context(), q, long, never); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ended while waiting: got %v, want deadline exceeded", err)
	}
	send(t, q, "a")
	if _, err := q.Receive(ended, long); !errors.Is(err, context.Canceled) {
		t.Errorf("ended before, with a message there: got %v, want context canceled", err)
	}
	wantMessage(t, receive(t, q, long), "a", 1)
}

// checkHidesNothing ends the context at about the time when the message comes.
func checkHidesNothing(t *testing.T, q queue.Queue) {
	for i := range 50 {
		body := fmt.Sprint("message ", i)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { send(t, q, body) })
		wg.Go(cancel)
		m, err := q.Receive(ctx, long)
		wg.Wait()
		if err != nil {
			m = receive(t, q, long)
		}
		wantMessage(t, m, body, 1)
		remove(t, q, m)
	}
}

// checkExtend tries it with longer and longer times while the machine is so slow that the lease may have ended before.
func checkExtend(t *testing.T, q queue.Queue) {
	lease := time.Second
	for !extends(t, q, lease) {
		if lease *= 2; lease > soon {
			t.Fatalf("no lease of up to %v could be extended in time", soon)
		}
	}
}

// extends gives false when the lease may have ended before it was extended.
func extends(t *testing.T, q queue.Queue, lease time.Duration) bool {
	t.Helper()
	send(t, q, "a")
	received := time.Now()
	m := receive(t, q, lease)
	start, more := time.Now(), 2*lease
	err := q.Hide(t.Context(), m, more)
	if time.Since(received) > lease-fuzzy {
		remove(t, q, m)
		return false
	}
	if err != nil {
		t.Fatalf("hide: %v", err)
	}
	again := receive(t, q, long)
	if got := time.Since(start); got < more-fuzzy {
		t.Errorf("it came again after %v, want %v", got, more)
	}
	wantMessage(t, again, "a", 2)
	return true
}

func checkGiveBack(t *testing.T, q queue.Queue) {
	send(t, q, "a")
	hide(t, q, receive(t, q, long), 0)
	m := receive(t, q, long)
	wantMessage(t, m, "a", 2)
	start := time.Now()
	hide(t, q, m, short)
	wantMessage(t, receive(t, q, long), "a", 3)
	if got := time.Since(start); got < short-fuzzy {
		t.Errorf("it came again after %v, want %v", got, short)
	}
}

func checkHideDeleted(t *testing.T, q queue.Queue) {
	send(t, q, "a")
	m := receive(t, q, long)
	remove(t, q, m)
	if err := q.Hide(t.Context(), m, 0); !errors.Is(err, fault.NotFound) {
		t.Errorf("got %v, want fault.NotFound", err)
	}
	wantNone(t, q)
}

func checkHideStale(t *testing.T, q queue.Queue) {
	send(t, q, "a")
	stale := receive(t, q, short)
	now := receive(t, q, long)
	if err := q.Hide(t.Context(), stale, 0); !errors.Is(err, fault.NotFound) {
		t.Errorf("got %v, want fault.NotFound", err)
	}
	wantNone(t, q)
	hide(t, q, now, long)
	remove(t, q, now)
}

func checkDelete(t *testing.T, q queue.Queue) {
	send(t, q, "a")
	m := receive(t, q, short)
	send(t, q, "b")
	remove(t, q, m)
	wantMessage(t, receive(t, q, long), "b", 1)
	if _, err := receiveBy(t.Context(), q, long, 2*short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the lease of the deleted message: got %v, want deadline exceeded", err)
	}
}

// checkDeleteAgain deletes for a receiver whose lease has ended too: its work is done, and need not be done again.
func checkDeleteAgain(t *testing.T, q queue.Queue) {
	send(t, q, "a")
	stale := receive(t, q, short)
	now := receive(t, q, 2*short)
	for _, m := range []queue.Message{stale, stale, now, now} {
		remove(t, q, m)
	}
	if _, err := receiveBy(t.Context(), q, long, 3*short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after all leases: got %v, want deadline exceeded", err)
	}
}

func checkAttempt(t *testing.T, q queue.Queue) {
	send(t, q, "a")
	for attempt := 1; attempt <= 20; attempt++ {
		m := receive(t, q, long)
		wantMessage(t, m, "a", attempt)
		hide(t, q, m, 0)
	}
	receive(t, q, long)
	send(t, q, "b")
	wantMessage(t, receive(t, q, long), "b", 1)
}

// started closes q when the test ends.
func started(t *testing.T, q queue.Queue) queue.Queue {
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
		t.Errorf("send: %v", err)
	}
}

// receiveBy waits for d only.
func receiveBy(ctx context.Context, q queue.Queue, lease, d time.Duration) (queue.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return q.Receive(ctx, lease)
}

func receive(t *testing.T, q queue.Queue, lease time.Duration) queue.Message {
	t.Helper()
	m, err := receiveBy(t.Context(), q, lease, soon)
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	return m
}

func hide(t *testing.T, q queue.Queue, m queue.Message, d time.Duration) {
	t.Helper()
	if err := q.Hide(t.Context(), m, d); err != nil {
		t.Fatalf("hide: %v", err)
	}
}

func remove(t *testing.T, q queue.Queue, m queue.Message) {
	t.Helper()
	if err := q.Delete(t.Context(), m); err != nil {
		t.Fatalf("delete: %v", err)
	}
}

func wantMessage(t *testing.T, m queue.Message, body string, attempt int) {
	t.Helper()
	if string(m.Body) != body || m.Attempt != attempt || m.Receipt == "" {
		t.Errorf("got %.40q, attempt %d, receipt %q, want %.40q, attempt %d and a receipt",
			m.Body, m.Attempt, m.Receipt, body, attempt)
	}
}

// wantNone holds that no message is visible now.
func wantNone(t *testing.T, q queue.Queue) {
	t.Helper()
	if m, err := receiveBy(t.Context(), q, long, never); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %.40q and %v, want no message", m.Body, err)
	}
}
