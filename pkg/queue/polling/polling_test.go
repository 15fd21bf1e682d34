package polling

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/queue/memory"
)

// wait is how long a request waits at the server.
const wait = 20 * time.Second

// server is a queue in memory whose requests wait for a while, whoever asks.
type server struct {
	queue.Queue
	delay time.Duration // of each answer
	fail  error         // the answer, when it is not nil

	mu   sync.Mutex
	took []time.Duration // guarded by mu; the leases that were asked for
	back []string        // guarded by mu; the bodies of messages that came back
}

func newServer(t *testing.T) *server {
	t.Helper()
	q, err := memory.Open(t.Context(), memory.DefaultConfig(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return &server{Queue: q}
}

func (s *server) Take(ctx context.Context, lease time.Duration) (queue.Message, bool, error) {
	s.mu.Lock()
	s.took = append(s.took, lease)
	s.mu.Unlock()
	if s.fail != nil {
		return queue.Message{}, false, s.fail
	}
	waiting, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait)
	defer cancel()
	m, err := s.Receive(waiting, lease)
	if errors.Is(err, context.DeadlineExceeded) {
		return queue.Message{}, false, nil
	}
	select {
	case <-time.After(s.delay):
	case <-ctx.Done():
		return queue.Message{}, false, ctx.Err() // the answer is lost
	}
	return m, err == nil, err
}

func (s *server) GiveBack(ctx context.Context, m queue.Message) error {
	s.mu.Lock()
	s.back = append(s.back, string(m.Body))
	s.mu.Unlock()
	return s.Hide(ctx, m, 0)
}

func (s *server) send(t *testing.T, body string) {
	t.Helper()
	if err := s.Send(t.Context(), []byte(body)); err != nil {
		t.Fatal(err)
	}
}

// want holds what the server was asked for and given back.
func (s *server) want(t *testing.T, took []time.Duration, back []string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.took, took) || !slices.Equal(s.back, back) {
		t.Errorf("took with %v and given back %q, want %v and %q", s.took, s.back, took, back)
	}
}

// during gives what Receive gives when its ctx ends after d.
func during(t *testing.T, p *Poller, lease, d time.Duration) (queue.Message, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return p.Receive(ctx, lease)
}

func wantLeft(t *testing.T, p *Poller, lease, d time.Duration) {
	t.Helper()
	start := time.Now()
	if m, err := during(t, p, lease, d); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != d {
		t.Errorf("got %q and %v after %v, want deadline exceeded after %v", m.Body, err, time.Since(start), d)
	}
}

func wantBody(t *testing.T, p *Poller, lease time.Duration, body string, attempt int) {
	t.Helper()
	m, err := during(t, p, lease, time.Hour)
	if string(m.Body) != body || m.Attempt != attempt || err != nil {
		t.Errorf("got %q, attempt %d, and %v, want %q, attempt %d", m.Body, m.Attempt, err, body, attempt)
	}
}

// bubble runs a test of a poller whose clock is its own.
func bubble(t *testing.T, test func(t *testing.T, s *server, p *Poller)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		p := New(s, slog.New(slog.DiscardHandler))
		test(t, s, p)
		p.Close(time.Minute)
	})
}

func TestRequestGoesOnForTheNextReceiver(t *testing.T) {
	bubble(t, func(t *testing.T, s *server, p *Poller) {
		wantLeft(t, p, time.Hour, time.Second)
		wantLeft(t, p, time.Hour, time.Second)
		go func() {
			time.Sleep(time.Second)
			s.send(t, "a")
		}()
		wantBody(t, p, time.Hour, "a", 1)
		s.want(t, []time.Duration{time.Hour}, nil)
	})
}

func TestMessageForNobodyGoesBack(t *testing.T) {
	bubble(t, func(t *testing.T, s *server, p *Poller) {
		wantLeft(t, p, time.Hour, time.Second)
		s.send(t, "a")
		synctest.Wait()
		s.want(t, []time.Duration{time.Hour}, []string{"a"})
		wantBody(t, p, time.Hour, "a", 2)
	})
}

func TestMessageWithAnotherLeaseGoesBack(t *testing.T) {
	bubble(t, func(t *testing.T, s *server, p *Poller) {
		wantLeft(t, p, time.Hour, time.Second)
		go func() {
			time.Sleep(time.Second)
			s.send(t, "a")
		}()
		wantBody(t, p, time.Minute, "a", 2)
		s.want(t, []time.Duration{time.Hour, time.Minute}, []string{"a"})
	})
}

func TestAsksOnlyWhileSomebodyReceives(t *testing.T) {
	bubble(t, func(t *testing.T, s *server, p *Poller) {
		wantLeft(t, p, time.Hour, 50*time.Second)
		time.Sleep(time.Hour)
		s.want(t, []time.Duration{time.Hour, time.Hour, time.Hour}, nil)
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { wantLeft(t, p, time.Minute, time.Second) })
		}
		both.Wait()
		s.want(t, []time.Duration{time.Hour, time.Hour, time.Hour, time.Minute, time.Minute}, nil)
	})
}

func TestErrorGoesToOneReceiver(t *testing.T) {
	bubble(t, func(t *testing.T, s *server, p *Poller) {
		s.fail = errors.New("on fire")
		for range 3 {
			if m, err := during(t, p, time.Hour, time.Minute); !errors.Is(err, s.fail) {
				t.Errorf("got %q and %v, want %v", m.Body, err, s.fail)
			}
		}
		synctest.Wait()
		s.want(t, []time.Duration{time.Hour, time.Hour, time.Hour}, nil)
	})
}

func TestClose(t *testing.T) {
	for _, tt := range []struct {
		name  string
		delay time.Duration // of the server's answer, which is under way when the poller is closed
		after time.Duration // how long closing takes
		back  []string
	}{
		{"an answer that comes is given back", 3 * time.Second, 3 * time.Second, []string{"a"}},
		{"one that does not come is not waited for", time.Hour, time.Minute, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *server, p *Poller) {
				s.delay = tt.delay
				result := make(chan error, 1)
				go func() {
					_, err := p.Receive(t.Context(), time.Hour)
					result <- err
				}()
				s.send(t, "a")
				synctest.Wait()
				start := time.Now()
				p.Close(time.Minute)
				if err := <-result; !errors.Is(err, fault.Closed) {
					t.Errorf("the receiver: got %v, want fault.Closed", err)
				}
				if got := time.Since(start); got != tt.after {
					t.Errorf("closing took %v, want %v", got, tt.after)
				}
				s.want(t, []time.Duration{time.Hour}, tt.back)
				if _, err := p.Receive(t.Context(), time.Hour); !errors.Is(err, fault.Closed) {
					t.Errorf("after it: got %v, want fault.Closed", err)
				}
			})
		})
	}
}

// TestReceiversThatLeave has receivers whose ctx ends when messages come: each message comes once, and none stays hidden.
func TestReceiversThatLeave(t *testing.T) {
	const messages = 1000
	bubble(t, func(t *testing.T, s *server, p *Poller) {
		s.delay = time.Millisecond
		var mu sync.Mutex
		count := make(map[string]int)
		var receivers sync.WaitGroup
		for range 8 {
			receivers.Go(func() {
				for idle := 0; idle < 100; idle++ {
					m, err := during(t, p, time.Hour, rand.N(4*time.Millisecond))
					if err != nil {
						continue
					}
					idle = 0
					mu.Lock()
					count[string(m.Body)]++
					mu.Unlock()
				}
			})
		}
		for i := range messages {
			s.send(t, fmt.Sprint(i))
			time.Sleep(rand.N(time.Millisecond))
		}
		receivers.Wait()
		for body, n := range count {
			if n != 1 {
				t.Errorf("message %s came %d times, want once", body, n)
			}
		}
		if len(count) != messages {
			t.Errorf("got %d messages, want %d", len(count), messages)
		}
	})
}
