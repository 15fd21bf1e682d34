package copier

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// keeper holds the copy that is worked on: it notes how far it is, keeps the claim, and learns when it is to end. Safe for
// concurrent use.
type keeper struct {
	jobs  control.Jobs
	lease time.Duration
	every time.Duration
	log   *slog.Logger

	turn chan struct{} // whoever's element is in it saves: who counts rows does not wait for the store
	mu   sync.Mutex
	job  control.Job     // guarded by mu
	sent map[string]bool // the batches that this process has sent; guarded by mu
	end  context.CancelCauseFunc
}

func newKeeper(w *Worker, j control.Job, log *slog.Logger) *keeper {
	return &keeper{jobs: w.store.Jobs(), lease: w.cfg.Lease, every: w.cfg.Every, log: log, job: j,
		turn: make(chan struct{}, 1), sent: make(map[string]bool)}
}

// start keeps the copy until stop is called. The context it gives ends when the copy is canceled or lost, too.
func (k *keeper) start(parent context.Context) (ctx context.Context, stop func()) {
	ctx, k.end = context.WithCancelCause(parent)
	done := make(chan struct{})
	quit := make(chan struct{})
	go func() {
		defer close(done)
		k.run(ctx, quit)
	}()
	return ctx, func() {
		close(quit)
		<-done
		k.end(nil)
	}
}

func (k *keeper) run(ctx context.Context, quit <-chan struct{}) {
	tick := time.NewTicker(k.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-quit:
			return
		}
		err := k.save(context.WithoutCancel(ctx), nil) // also when ctx has ended: there is something to wait for still
		if errors.Is(err, errLost) {
			return
		}
		if err != nil {
			k.log.WarnContext(ctx, "how far the copy is was not noted", "err", err)
		}
	}
}

// snapshot gives the copy as it is now.
func (k *keeper) snapshot() control.Job {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.job
}

// count changes what is known of the copy; the next save notes it.
func (k *keeper) count(change func(*control.Job)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(&k.job)
}

// noteSent remembers that the batch was sent.
func (k *keeper) noteSent(batch string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sent[batch] = true
}

func (k *keeper) wasSent(batch string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sent[batch]
}

// note is save for a change on which more depends: it is tried again, and not broken off when ctx ends.
func (k *keeper) note(ctx context.Context, change func(*control.Job)) error {
	return insist(ctx, k.log, "noting how far the copy is", func() error { return k.save(context.WithoutCancel(ctx), change) })
}

// save notes the copy with a change, which may be nil, and extends the claim unless the change sets its end. It ends the
// copy's context when it is to be canceled or is in other hands, and does not change the copy when it fails.
func (k *keeper) save(ctx context.Context, change func(*control.Job)) error {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	was := k.snapshot()
	j := was
	j.Until = now().Add(k.lease)
	if change != nil {
		change(&j)
	}
	canceling, err := k.jobs.Save(ctx, j)
	switch {
	case errors.Is(err, fault.Closed):
		k.end(errLost)
		return errLost
	case err != nil:
		if time.Now().After(was.Until) {
			k.end(errLost) // somebody else may have it by now
		}
		return err
	}
	j.Canceling = canceling && !j.State.Ended()
	k.saved(was, j)
	if j.Canceling {
		k.end(errCanceled)
	}
	return nil
}

// saved makes j, which was noted, what is known of the copy, but for what was counted since it was as it was before.
func (k *keeper) saved(was, j control.Job) {
	k.count(func(now *control.Job) {
		if now.Read != was.Read {
			j.Read = now.Read
		}
		if now.Written != was.Written || now.Rescued != was.Rescued {
			j.Written, j.Rescued = now.Written, now.Rescued
		}
		if now.Counted != was.Counted {
			j.Counted = now.Counted
		}
		*now = j
	})
}
