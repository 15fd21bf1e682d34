package copier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// patience is how long a copy that is to end waits for the batches that are on their way.
const patience = time.Minute

// finish ends the copy. It first notes how, then removes what was stored and not sent, and only then it is over, so that
// whoever comes after a crash goes on with it. When ctx ends it waits for nothing more.
func (w *Worker) finish(ctx context.Context, k *keeper, cause error) error {
	end, err := w.endOf(ctx, k, cause)
	if err != nil {
		return err
	}
	if err := k.note(ctx, end.set); err != nil {
		return err
	}
	all := func(control.StagedBatch) bool { return true }
	err = insist(ctx, k.log, "removing batches that are not sent", func() error {
		return w.clean(context.WithoutCancel(ctx), k.snapshot(), all)
	})
	if err != nil {
		return err
	}
	err = k.note(ctx, func(j *control.Job) { j.State, j.Error, j.Plan, j.Finished = end.End, end.Reason, nil, now() })
	if err != nil {
		return err
	}
	w.forget(ctx, k)
	j := k.snapshot()
	w.metrics.ended(j.State)
	k.log.InfoContext(ctx, "copy ended", "state", string(j.State), "read", j.Read.Rows, "written", j.Written.Rows, "rescued", j.Rescued,
		"counted", j.Counted, "took", j.Finished.Sub(j.Created), "err", cause)
	return nil
}

// endOf says how the copy ends: as was noted before, or as it is done, canceled, or failed because of cause.
func (w *Worker) endOf(ctx context.Context, k *keeper, cause error) (plan, error) {
	p, err := planOf(k.snapshot())
	switch {
	case err == nil && p.End != "":
		return p, nil
	case cause == nil:
		return plan{End: control.JobDone}, nil
	}
	var coming int64
	err = insist(ctx, k.log, "finding out what is loaded", func() (err error) { coming, err = w.settle(ctx, k, p); return err })
	if err != nil {
		return plan{}, err
	}
	there := whatIsThere(k.snapshot(), coming)
	if errors.Is(cause, errCanceled) {
		return plan{End: control.JobCanceled, Reason: "canceled; " + there}, nil
	}
	text := fault.TextOf(cause)
	if text == "" {
		text = "internal error: the server's log has it, with the job " + k.snapshot().ID
	}
	return plan{End: control.JobFailed, Reason: text + "; " + there}, nil
}

// whatIsThere says what a copy that did not end well has left in the table. coming are the rows that may still come.
func whatIsThere(j control.Job, coming int64) string {
	if j.State != control.JobLoading {
		return "nothing was loaded"
	}
	more := ""
	if coming > 0 {
		more = fmt.Sprintf(", %d more are on their way", coming)
	}
	return fmt.Sprintf("%d of %d rows were loaded%s, and have the __batch_file %s", j.Written.Rows, j.Read.Rows, more, j.ID)
}

// settle waits a while for the copy's batches that are on their way, and counts what is loaded. It gives how many rows may
// still come. One that was noted as sent when the process died, or the queue failed, may have no message: it is sent now, as
// it would stay on its way for ever.
func (w *Worker) settle(ctx context.Context, k *keeper, p plan) (coming int64, err error) {
	j := k.snapshot()
	if j.State != control.JobLoading {
		return 0, nil
	}
	staged, err := w.store.Staged().List(ctx, j.ID)
	if err != nil {
		return 0, err
	}
	late, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var there control.Amount
	var rescued int64
	for _, b := range staged {
		if b.Run != p.Run {
			continue
		}
		got, err := w.settled(ctx, late, k, p, b)
		switch {
		case errors.Is(err, fault.NotFound): // never sent
		case err != nil:
			return 0, err
		case got.State == control.StateLoaded:
			there.Rows, there.Bytes, there.Batches = there.Rows+got.Rows, there.Bytes+b.Bytes, there.Batches+1
			rescued += got.Rescued
		case got.State == control.StateShipped:
			coming += b.Rows
		}
	}
	w.metrics.written(j.Destination, max(0, there.Rows-j.Written.Rows))
	k.count(func(j *control.Job) { j.Written, j.Rescued = there, rescued })
	return coming, nil
}

// settled tells what has become of a batch, and waits until late if it is on its way.
func (w *Worker) settled(ctx, late context.Context, k *keeper, p plan, b control.StagedBatch) (control.Batch, error) {
	known, err := w.store.Batches().Find(ctx, b.ID)
	if err != nil || known.State != control.StateShipped {
		return known, err
	}
	if err := w.send(ctx, k, p, b); err != nil {
		return known, err
	}
	got, err := w.receipts.WaitBatch(late, b.ID)
	if err != nil && late.Err() != nil {
		return w.store.Batches().Find(ctx, b.ID)
	}
	return got, err
}

// clean removes the blobs of those staged batches that were not sent and never will be: of a copy that ended early, or by
// a process that did not know yet that it had lost the copy.
func (w *Worker) clean(ctx context.Context, j control.Job, which func(control.StagedBatch) bool) error {
	staged, err := w.store.Staged().List(ctx, j.ID)
	if err != nil {
		return err
	}
	for _, b := range staged {
		if !which(b) {
			continue
		}
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

// forget forgets the batches of a copy that has ended. Should it fail, the job is forgotten with them one day.
func (w *Worker) forget(ctx context.Context, k *keeper) {
	id := k.snapshot().ID
	err := insist(ctx, k.log, "forgetting the batches", func() error { return w.store.Staged().Forget(context.WithoutCancel(ctx), id, -1) })
	if err != nil {
		k.log.WarnContext(ctx, "batches of the copy not forgotten", "err", err)
	}
}

// yield removes what this process has stored of a copy that another one has by now, unless that goes on with it. The other
// removes what it finds, but may have looked before the last of it was stored.
func (w *Worker) yield(ctx context.Context, k *keeper) {
	k.log.WarnContext(ctx, "copy is in other hands")
	mine := k.snapshot()
	j, err := w.store.Jobs().Find(ctx, mine.ID)
	if errors.Is(err, fault.NotFound) {
		j, err = mine, nil
		j.State = control.JobCanceled // it ended, and was forgotten
	}
	var p plan
	if err == nil {
		p, err = planOf(j)
	}
	if err == nil && p.Run != mine.Run {
		err = w.clean(ctx, mine, func(b control.StagedBatch) bool { return b.Run == mine.Run })
	}
	if err != nil {
		k.log.WarnContext(ctx, "what was stored of the copy may be left over", "err", err)
		return
	}
	if j.State.Ended() {
		w.forget(ctx, k)
	}
}
