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

	mu  sync.Mutex  // one save at a time
	job control.Job // guarded by mu
	end context.CancelCauseFunc
}

func newKeeper(w *Worker, j control.Job, log *slog.Logger) *keeper {
	return &keeper{jobs: w.store.Jobs(), lease: w.cfg.Lease, every: w.cfg.Every, log: log, job: j}
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

// save notes the copy with a change, which may be nil, and extends the claim unless the change sets its end. It ends the
// copy's context when it is to be canceled or is in other hands, and does not change the copy when it fails.
func (k *keeper) save(ctx context.Context, change func(*control.Job)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	j := k.job
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
		if time.Now().After(k.job.Until) {
			k.end(errLost) // somebody else may have it by now
		}
		return err
	}
	k.job = j
	if canceling && !j.State.Ended() {
		k.job.Canceling = true
		k.end(errCanceled)
	}
	return nil
}
