package s3

import (
	"context"
	"errors"
	"time"
)

// errStalled ends a transfer that stands still.
var errStalled = errors.New("nothing has moved for too long")

// watch ends a transfer when nothing has moved for a while.
type watch struct {
	ctx    context.Context // of the transfer
	cancel context.CancelCauseFunc
	timer  *time.Timer
	limit  time.Duration
}

// newWatch begins to watch a transfer under ctx.
func newWatch(ctx context.Context, limit time.Duration) *watch {
	w := &watch{limit: limit}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(limit, func() { w.cancel(errStalled) })
	return w
}

// moved says that something has moved, or that it is the other side's turn from now on.
func (w *watch) moved() { w.timer.Reset(w.limit) }

// rest says that it is this side's turn, which may take its time.
func (w *watch) rest() { w.timer.Stop() }

// end ends the transfer.
func (w *watch) end() {
	w.timer.Stop()
	w.cancel(context.Canceled)
}

// because gives err, or that the transfer stood still when it has that from the watch.
func (w *watch) because(err error) error {
	if err != nil && errors.Is(context.Cause(w.ctx), errStalled) {
		return errStalled
	}
	return err
}
