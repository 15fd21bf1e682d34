package queuetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/queue"
)

const (
	senders   = 2
	receivers = 3
	some      = 50              // messages that come before more returns
	patience  = 5 * time.Minute // for all of it
)

// Disturb sends and receives messages while disturb runs, and holds that each comes whose Send has returned nil. disturb
// calls more between what it does, which waits until some more messages have come.
func Disturb(t *testing.T, q queue.Queue, disturb func(more func())) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d := &disturbed{queue: q, open: make(map[string]bool), came: make(map[string]bool)}
	d.changed = sync.NewCond(&d.mu)
	defer context.AfterFunc(ctx, d.changed.Broadcast)()
	sending, stopSending := context.WithCancel(ctx)
	receiving, stopReceiving := context.WithCancel(ctx)
	var sends, receives sync.WaitGroup
	for i := range senders {
		sends.Go(func() { d.send(sending, i) })
	}
	for range receivers {
		receives.Go(func() { d.receive(receiving) })
	}
	d.more(ctx)
	disturb(func() { d.more(ctx) })
	d.more(ctx)
	stopSending()
	sends.Wait()
	d.wait(ctx, func() bool { return len(d.open) == 0 })
	stopReceiving()
	receives.Wait()
	t.Logf("%d messages came, %d of them again; %d sends and %d other calls failed", len(d.came), d.again, d.unsent, d.failed)
	if len(d.open) > 0 || ctx.Err() != nil {
		t.Errorf("%d messages are lost, or too late, want none", len(d.open))
	}
}

// disturbed is messages on their way.
type disturbed struct {
	queue   queue.Queue
	mu      sync.Mutex
	changed *sync.Cond
	open    map[string]bool // guarded by mu; those that must come yet
	came    map[string]bool // guarded by mu
	again   int             // guarded by mu; deliveries of those that had come before
	unsent  int             // guarded by mu; sends that failed: their messages may come or not
	failed  int             // guarded by mu; other calls that failed
}

func (d *disturbed) send(ctx context.Context, sender int) {
	for i := 0; ctx.Err() == nil; i++ {
		body := fmt.Sprintf("%d/%d", sender, i)
		err := d.queue.Send(ctx, []byte(body))
		d.note(func() {
			switch {
			case err != nil:
				d.unsent++
			case !d.came[body]: // it may be here before Send returns
				d.open[body] = true
			}
		})
	}
}

func (d *disturbed) receive(ctx context.Context) {
	for ctx.Err() == nil {
		m, err := d.queue.Receive(ctx, time.Minute)
		if err == nil {
			d.note(func() {
				if d.came[string(m.Body)] {
					d.again++
				}
				d.came[string(m.Body)] = true
				delete(d.open, string(m.Body))
			})
			err = d.queue.Delete(context.WithoutCancel(ctx), m)
		}
		if err != nil && ctx.Err() == nil {
			d.note(func() { d.failed++ })
		}
	}
}

func (d *disturbed) note(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
	d.changed.Broadcast()
}

// more waits until some more messages have come.
func (d *disturbed) more(ctx context.Context) {
	d.mu.Lock()
	want := len(d.came) + some
	d.mu.Unlock()
	d.wait(ctx, func() bool { return len(d.came) >= want })
}

func (d *disturbed) wait(ctx context.Context, is func() bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for !is() && ctx.Err() == nil {
		d.changed.Wait()
	}
}
