package copier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Why the context of a copy ended.
var (
	errCanceled = errors.New("the copy was canceled")
	errLost     = errors.New("another process works on the copy")
)

// errLater is why a copy is let be for now: a store that its batches need to get loaded has failed for long.
var errLater = errors.New("the copy goes on later")

// plan is what whoever claims a copy needs to know of what was done.
type plan struct {
	Run  int           `json:"run,omitempty"`  // the claim whose batches the answer is, once it was read
	Seen []schema.Seen `json:"seen,omitempty"` // the answer's columns
	// How the copy is to end, once that is clear: what it has stored and not sent is removed before it ends.
	End    control.JobState `json:"end,omitempty"`
	Reason string           `json:"reason,omitempty"`
}

func planOf(j control.Job) (p plan, err error) {
	if len(j.Plan) == 0 {
		return p, nil
	}
	if err := json.Unmarshal(j.Plan, &p); err != nil {
		return p, fmt.Errorf("read the plan of copy %s: %w", j.ID, err)
	}
	return p, nil
}

// set keeps p with the copy.
func (p plan) set(j *control.Job) {
	j.Plan, _ = json.Marshal(p) // texts and numbers are never refused
}

// work brings the copy j, which was claimed, to its end, or lets go of it when ctx ends.
func (w *Worker) work(ctx context.Context, j control.Job) {
	defer w.metrics.running()()
	log := w.log.With("job", j.ID, "source", j.Source, "destination", j.Destination, "table", j.Table.String())
	log.InfoContext(ctx, "copy begins", "run", j.Run, "state", string(j.State))
	k := newKeeper(w, j, log)
	held, stop := k.start(ctx)
	err := w.steps(held, k)
	cause := context.Cause(held)
	if err != nil && errors.Is(cause, errCanceled) {
		err = errCanceled
	}
	left := ctx.Err() != nil && err != nil && !errors.Is(err, errCanceled)
	if !left && !errors.Is(cause, errLost) && !errors.Is(err, errLater) {
		err = w.finish(ctx, k, err)
		left = err != nil && ctx.Err() != nil
	}
	stop()
	ctx = context.WithoutCancel(ctx)
	switch {
	case errors.Is(cause, errLost) || errors.Is(err, errLost):
		w.yield(ctx, k)
	case left:
		w.release(ctx, k)
	case err != nil:
		log.WarnContext(ctx, "copy not brought to its end, it is tried again when its lease ends", "err", err)
	}
}

// steps reads, loads and counts.
func (w *Worker) steps(ctx context.Context, k *keeper) error {
	j := k.snapshot()
	p, err := planOf(j)
	switch {
	case err != nil || p.End != "":
		return err
	case j.Canceling:
		return errCanceled
	}
	if j.State != control.JobLoading {
		if err := w.readAll(ctx, k); err != nil {
			return err
		}
	}
	if err := w.loadAll(ctx, k); err != nil {
		return err
	}
	return w.compare(ctx, k)
}

// readAll reads the answer into the blob store, and commits to it.
func (w *Worker) readAll(ctx context.Context, k *keeper) error {
	if err := insist(ctx, k.log, "removing what was read before", func() error { return w.discard(ctx, k.snapshot()) }); err != nil {
		return err
	}
	err := k.note(ctx, func(j *control.Job) {
		j.State, j.Plan, j.Error = control.JobReading, nil, ""
		j.Read, j.Written, j.Rescued, j.Counted = control.Amount{}, control.Amount{}, 0, -1
		if j.Started.IsZero() {
			j.Started = now()
		}
	})
	if err != nil {
		return err
	}
	seen, err := w.read(ctx, k)
	if err != nil {
		return err
	}
	return k.note(ctx, func(j *control.Job) {
		j.State = control.JobLoading
		plan{Run: j.Run, Seen: seen}.set(j)
	})
}

// discard removes the batches that were stored by earlier claims of j, which nobody has committed to.
func (w *Worker) discard(ctx context.Context, j control.Job) error {
	staged, err := w.store.Staged().List(ctx, j.ID)
	if err != nil {
		return err
	}
	for _, b := range staged {
		if b.Run < j.Run {
			if err := w.courier.Delete(ctx, keyOf(j, b)); err != nil {
				return err
			}
		}
	}
	return w.store.Staged().Forget(ctx, j.ID, j.Run)
}

// release lets go of the copy, so that it can be claimed at once.
func (w *Worker) release(ctx context.Context, k *keeper) {
	if err := k.save(ctx, func(j *control.Job) { j.Until = now() }); err != nil {
		k.log.WarnContext(ctx, "copy not let go of, it waits for its lease to end", "err", err)
		return
	}
	k.log.InfoContext(ctx, "copy stops, and goes on when the server is back")
}

// now is the time as the control store keeps it.
func now() time.Time { return time.Now().Truncate(time.Microsecond) }
