package copier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Why the context of a copy ended.
var (
	errCanceled = errors.New("the copy was canceled")
	errLost     = errors.New("another process works on the copy")
)

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
	ctx, stop := k.start(ctx)
	err := w.steps(ctx, k)
	stop()
	cause := context.Cause(ctx)
	ctx = context.WithoutCancel(ctx)
	switch {
	case errors.Is(cause, errLost):
		log.WarnContext(ctx, "copy is in other hands")
		return
	case err != nil && errors.Is(cause, errCanceled):
		err = errCanceled
	case err != nil && cause != nil:
		w.release(ctx, k)
		return
	}
	w.finish(ctx, k, err)
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
	j := k.snapshot()
	if err := w.discard(ctx, j, j.Run); err != nil {
		return err
	}
	err := k.save(ctx, func(j *control.Job) {
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
	return k.save(ctx, func(j *control.Job) {
		j.State = control.JobLoading
		plan{Run: j.Run, Seen: seen}.set(j)
	})
}

// discard removes the batches that were stored by claims before run and never sent.
func (w *Worker) discard(ctx context.Context, j control.Job, run int) error {
	staged, err := w.store.Staged().List(ctx, j.ID)
	if err != nil {
		return err
	}
	for _, b := range staged {
		if b.Run < run {
			if err := w.courier.Delete(ctx, keyOf(j, b)); err != nil {
				return err
			}
		}
	}
	return w.store.Staged().Forget(ctx, j.ID, run)
}

// release lets go of the copy, so that it can be claimed at once.
func (w *Worker) release(ctx context.Context, k *keeper) {
	err := k.save(ctx, func(j *control.Job) { j.Until = now() })
	if err != nil {
		k.log.WarnContext(ctx, "copy not let go of, it waits for its lease to end", "err", err)
	}
	k.log.InfoContext(ctx, "copy stops, and goes on when the server is back")
}

// finish ends the copy. It first notes how, then removes what was stored and not sent, and only then it is over, so that
// whoever comes after a crash goes on with it.
func (w *Worker) finish(ctx context.Context, k *keeper, cause error) {
	end := endOf(k.snapshot(), cause)
	err := k.save(ctx, end.set)
	if err == nil {
		err = w.clean(ctx, k)
	}
	if err == nil {
		err = k.save(ctx, func(j *control.Job) {
			j.State, j.Error, j.Plan, j.Finished = end.End, end.Reason, nil, now()
		})
	}
	if err != nil {
		k.log.WarnContext(ctx, "end of the copy not noted, it is tried again when its lease ends", "err", err)
		return
	}
	j := k.snapshot()
	if err := w.store.Staged().Forget(ctx, j.ID, -1); err != nil {
		k.log.WarnContext(ctx, "batches of the copy not forgotten", "err", err)
	}
	w.metrics.ended(j.State)
	k.log.InfoContext(ctx, "copy ended", "state", string(j.State), "read", j.Read.Rows, "written", j.Written.Rows, "rescued", j.Rescued,
		"counted", j.Counted, "took", j.Finished.Sub(j.Started), "err", cause)
}

// endOf says how the copy ends: as was noted before, or as it is done, canceled, or failed because of cause.
func endOf(j control.Job, cause error) plan {
	if p, err := planOf(j); err == nil && p.End != "" {
		return p
	}
	switch {
	case cause == nil:
		return plan{End: control.JobDone}
	case errors.Is(cause, errCanceled):
		return plan{End: control.JobCanceled, Reason: "canceled; " + whatIsThere(j)}
	}
	text := fault.TextOf(cause)
	if text == "" {
		text = "internal error: the server's log has it, with the job " + j.ID
	}
	return plan{End: control.JobFailed, Reason: text + "; " + whatIsThere(j)}
}

// whatIsThere says what a copy that did not end well has left in the table.
func whatIsThere(j control.Job) string {
	if j.State != control.JobLoading {
		return "nothing was loaded"
	}
	return fmt.Sprintf("%d of %d rows were loaded, and have the __batch_file %s", j.Written.Rows, j.Read.Rows, j.ID)
}

// clean removes the blobs of batches that were not sent and never will be: of a copy that ended early, or by a process
// that did not know yet that it had lost the copy.
func (w *Worker) clean(ctx context.Context, k *keeper) error {
	j := k.snapshot()
	staged, err := w.store.Staged().List(ctx, j.ID)
	if err != nil {
		return err
	}
	for _, b := range staged {
		_, err := w.store.Batches().Find(ctx, b.ID)
		if errors.Is(err, fault.NotFound) {
			err = w.courier.Delete(ctx, keyOf(j, b))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// now is the time as the control store keeps it.
func now() time.Time { return time.Now().Truncate(time.Microsecond) }
