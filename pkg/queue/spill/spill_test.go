package spill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
	blobmemory "github.com/scratchdata/scratchdata/pkg/blobstore/memory"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/fault/faulttest"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/queue/memory"
	"github.com/scratchdata/scratchdata/pkg/queue/queuetest"
)

// limited is a queue that takes short bodies only.
type limited struct {
	queue.Queue
	limit int
}

func (l limited) MaxBody() int { return l.limit }

func (l limited) Send(ctx context.Context, body []byte) error {
	if len(body) > max(l.limit, len(pointer)+26) {
		return fault.New(fault.TooLarge, "message_too_large", "%d bytes", len(body))
	}
	return l.Queue.Send(ctx, body)
}

// deaf is a queue that lets nobody delete a message whose lease has ended, and does not say so, as SQS may do.
type deaf struct{ queue.Queue }

func (d deaf) Delete(ctx context.Context, m queue.Message) error {
	if err := d.Hide(ctx, m, time.Minute); errors.Is(err, fault.NotFound) {
		return nil
	}
	return d.Queue.Delete(ctx, m)
}

// shelf is a blob store that says which keys it has.
type shelf struct {
	blobstore.Store
	mu   sync.Mutex
	keys []string // guarded by mu
}

func (s *shelf) Put(ctx context.Context, key string, r io.Reader) error {
	s.mu.Lock()
	s.keys = append(s.keys, key)
	s.mu.Unlock()
	return s.Store.Put(ctx, key, r)
}

func (s *shelf) Delete(ctx context.Context, key string) error {
	s.mu.Lock()
	s.keys = slices.DeleteFunc(s.keys, func(k string) bool { return k == key })
	s.mu.Unlock()
	return s.Store.Delete(ctx, key)
}

func (s *shelf) want(t *testing.T, n int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.keys) != n {
		t.Errorf("the blob store has %q, want %d", s.keys, n)
	}
}

func openQueue(t *testing.T) queue.Queue {
	t.Helper()
	q, err := memory.Open(t.Context(), memory.DefaultConfig(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func openShelf(t *testing.T) *shelf {
	t.Helper()
	s, err := blobmemory.Open(t.Context(), blobmemory.DefaultConfig(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	return &shelf{Store: s}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestQueue(t *testing.T) {
	for _, limit := range []int{0, 10, 1 << 20} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			queuetest.Run(t, func(t *testing.T) queue.Queue { return Over(limited{openQueue(t), limit}, openShelf(t), quiet()) })
		})
	}
}

func TestQueueWithoutLimitIsLeftAlone(t *testing.T) {
	q := openQueue(t)
	if got := Over(q, openShelf(t), quiet()); got != q {
		t.Errorf("got a %T, want the queue itself", got)
	}
}

func send(t *testing.T, q queue.Queue, body string) {
	t.Helper()
	if err := q.Send(t.Context(), []byte(body)); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, q queue.Queue, lease time.Duration) queue.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	m, err := q.Receive(ctx, lease)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func remove(t *testing.T, q queue.Queue, m queue.Message) {
	t.Helper()
	if err := q.Delete(t.Context(), m); err != nil {
		t.Error(err)
	}
}

func TestWhatIsSpilled(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		blobs      int
	}{
		{"short", "0123456789", 0},
		{"empty", "", 0},
		{"long", "0123456789a", 1},
		{"a pointer", pointer, 1},
		{"a whole pointer", pointer + "01J0000000ZZZZZZZZZZZ00001", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			blobs := openShelf(t)
			q := Over(limited{openQueue(t), 10}, blobs, quiet())
			send(t, q, tt.body)
			blobs.want(t, tt.blobs)
			m := receive(t, q, time.Hour)
			if string(m.Body) != tt.body {
				t.Errorf("got %q, want %q", m.Body, tt.body)
			}
			blobs.want(t, tt.blobs)
			remove(t, q, m)
			blobs.want(t, 0)
		})
	}
}

func TestMessagesOfOthersAreTakenAsTheyAre(t *testing.T) {
	inner := openQueue(t)
	q := Over(limited{inner, 10}, openShelf(t), quiet())
	for _, body := range []string{pointer, pointer + "x", pointer + "../../../../../../../../etc", "SPILL:"} {
		send(t, inner, body)
		m := receive(t, q, time.Hour)
		if string(m.Body) != body {
			t.Errorf("got %q, want %q", m.Body, body)
		}
		remove(t, q, m)
	}
}

func TestBodyThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs, inner := openShelf(t), openQueue(t)
		var said bytes.Buffer
		q := Over(limited{inner, 10}, blobs, slog.New(slog.NewTextHandler(&said, nil)))
		send(t, q, "longer than ten")
		key := blobs.keys[0]
		if err := blobs.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		m := receive(t, q, time.Minute)
		if got, want := string(m.Body), pointer+strings.TrimPrefix(key, folder); got != want {
			t.Errorf("got the body %q, want the pointer %q", got, want)
		}
		if !strings.Contains(said.String(), key) {
			t.Errorf("the log says %q, want the key", said.String())
		}
		remove(t, q, m)
	})
}

// late is a blob store that does something before its first Get, and looks at the context then.
type late struct {
	blobstore.Store
	once   sync.Once
	before func()
}

func (l *late) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	l.once.Do(l.before)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return l.Store.Get(ctx, key)
}

// TestDeletedWhileItIsReceived has a message that is delivered twice, and deleted by one receiver while the other has not
// read its body yet. That one is not bothered with it.
func TestDeletedWhileItIsReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner, blobs := openQueue(t), openShelf(t)
		send(t, Over(limited{inner, 10}, blobs, quiet()), "longer than ten")
		raw := receive(t, inner, time.Second)
		asked := false
		q := Over(limited{inner, 10}, &late{Store: blobs, before: func() {
			asked = true
			remove(t, inner, raw)
			if err := blobs.Delete(t.Context(), blobs.keys[0]); err != nil {
				t.Error(err)
			}
		}}, quiet())
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if m, err := q.Receive(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %q and %v, want no message", m.Body, err)
		}
		if !asked {
			t.Error("nobody has asked for the body")
		}
	})
}

// TestReceiverWhoseLeaseHasEndedLeavesTheBody has a queue that ignores his Delete: another receiver needs the body.
func TestReceiverWhoseLeaseHasEndedLeavesTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := openShelf(t)
		q := Over(limited{deaf{openQueue(t)}, 10}, blobs, quiet())
		send(t, q, "longer than ten")
		first := receive(t, q, time.Minute)
		time.Sleep(time.Minute)
		receive(t, q, time.Minute) // and dies
		remove(t, q, first)
		m := receive(t, q, time.Minute)
		if string(m.Body) != "longer than ten" || m.Attempt != 3 {
			t.Errorf("got %q, attempt %d, want the body again", m.Body, m.Attempt)
		}
		remove(t, q, m)
		blobs.want(t, 0)
	})
}

// TestContextEndsWhileTheBodyIsRead has a message that is there for others at once.
func TestContextEndsWhileTheBodyIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner, blobs := openQueue(t), openShelf(t)
		ctx, cancel := context.WithCancel(t.Context())
		q := Over(limited{inner, 10}, &late{Store: blobs, before: cancel}, quiet())
		send(t, q, "longer than ten")
		if m, err := q.Receive(ctx, time.Hour); !errors.Is(err, context.Canceled) {
			t.Errorf("got %q and %v, want context canceled", m.Body, err)
		}
		start := time.Now()
		if m := receive(t, q, time.Hour); string(m.Body) != "longer than ten" || time.Since(start) != 0 {
			t.Errorf("got %q after %v, want the message at once", m.Body, time.Since(start))
		}
	})
}

// unread is a store that fails for so many reads of one blob, or of all.
type unread struct {
	blobstore.Store
	key   string
	times int
}

func (u *unread) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	if (u.key == key || u.key == "") && u.times > 0 {
		u.times--
		return nil, faulttest.ErrScripted
	}
	return u.Store.Get(ctx, key)
}

// TestBodyThatCannotBeReadNow: its message comes again, and keeps no others waiting meanwhile. When none can be read the receiver hears.
func TestBodyThatCannotBeReadNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := openShelf(t)
		store := &unread{Store: blobs}
		q := Over(limited{openQueue(t), 10}, store, quiet())
		send(t, q, "longer than ten")
		store.key, store.times = blobs.keys[0], 2
		send(t, q, "another long one")
		start := time.Now()
		for i, want := range []struct {
			body  string
			after time.Duration
		}{{"another long one", 0}, {"longer than ten", 2 * pause}} {
			if m := receive(t, q, time.Hour); string(m.Body) != want.body || time.Since(start) != want.after {
				t.Errorf("message %d: got %q after %v, want %q after %v", i, m.Body, time.Since(start), want.body, want.after)
			}
		}
		store.key, store.times = "", 100
		send(t, q, "a third long one")
		if m, err := q.Receive(t.Context(), time.Hour); !errors.Is(err, faulttest.ErrScripted) || store.times != 100-passedOver-1 {
			t.Errorf("got %q and %v after %d reads, want the store's error after %d", m.Body, err, 100-store.times, passedOver+1)
		}
	})
}

// TestFaults sends, receives and deletes a long body, again and again until it works, while one call fails.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name   string
		queue  []faulttest.Fault
		blobs  []faulttest.Fault
		copies int // that are received and deleted
		left   int // blobs
	}{
		{"nothing", nil, nil, 1, 0},
		{"Put not applied", nil, []faulttest.Fault{{Op: "Put", N: 1}}, 1, 0},
		{"Put applied", nil, []faulttest.Fault{{Op: "Put", N: 1, Applied: true}}, 1, 1},
		{"Send not applied", []faulttest.Fault{{Op: "Send", N: 1}}, nil, 1, 1},
		{"Send applied", []faulttest.Fault{{Op: "Send", N: 1, Applied: true}}, nil, 2, 0},
		{"Receive not applied", []faulttest.Fault{{Op: "Receive", N: 1}}, nil, 1, 0},
		{"Receive applied", []faulttest.Fault{{Op: "Receive", N: 1, Applied: true}}, nil, 1, 0},
		{"Get not applied", nil, []faulttest.Fault{{Op: "Get", N: 1}}, 1, 0},
		{"Get applied", nil, []faulttest.Fault{{Op: "Get", N: 1, Applied: true}}, 1, 0},
		{"Get and giving back", []faulttest.Fault{{Op: "Hide", N: 1}}, []faulttest.Fault{{Op: "Get", N: 1}}, 1, 0},
		{"Hide not applied", []faulttest.Fault{{Op: "Hide", N: 1}}, nil, 1, 0},
		{"Hide applied", []faulttest.Fault{{Op: "Hide", N: 1, Applied: true}}, nil, 1, 0},
		{"Delete not applied", []faulttest.Fault{{Op: "Delete", N: 1}}, nil, 1, 0},
		{"Delete applied", []faulttest.Fault{{Op: "Delete", N: 1, Applied: true}}, nil, 1, 1},
		{"Delete of the blob not applied", nil, []faulttest.Fault{{Op: "Delete", N: 1}}, 1, 1},
		{"Delete of the blob applied", nil, []faulttest.Fault{{Op: "Delete", N: 1, Applied: true}}, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shelf := openShelf(t)
				inner, blobs := queuetest.NewFaulty(openQueue(t), tt.queue...), blobstoretest.NewFaulty(shelf, tt.blobs...)
				q := Over(limited{inner, 10}, blobs, quiet())
				again(t, func(ctx context.Context) error { return q.Send(ctx, []byte("longer than ten")) })
				for range tt.copies {
					var m queue.Message
					again(t, func(ctx context.Context) (err error) { m, err = q.Receive(ctx, time.Minute); return err })
					if string(m.Body) != "longer than ten" {
						t.Errorf("got %q", m.Body)
					}
					again(t, func(ctx context.Context) error { return q.Delete(ctx, m) })
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				if m, err := q.Receive(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %q and %v, want no more", m.Body, err)
				}
				shelf.want(t, tt.left)
				if unused := append(inner.Unused(), blobs.Unused()...); len(unused) > 0 {
					t.Errorf("nothing hit %v", unused)
				}
			})
		})
	}
}

// again makes a call until it works, which must be at the second time.
func again(t *testing.T, call func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	err := call(ctx)
	if errors.Is(err, faulttest.ErrScripted) {
		err = call(ctx)
	}
	if err != nil {
		t.Error(err)
	}
}

func TestForeignReceipt(t *testing.T) {
	q := Over(limited{openQueue(t), 10}, openShelf(t), quiet())
	m := queue.Message{Receipt: "of another queue"}
	for _, err := range []error{q.Hide(t.Context(), m, 0), q.Delete(t.Context(), m)} {
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("got %v, want fault.Invalid", err)
		}
	}
}
