// Package transfer moves blobs over a network: in pieces of bounded memory, watched for standing still, and never taken for
// whole when they are not.
package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// ErrStalled ends a transfer that stands still.
var ErrStalled = errors.New("nothing has moved for too long")

// Watch ends a transfer when nothing has moved for a while. How long all of it takes does not matter.
type Watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	limit  time.Duration

	mu      sync.Mutex
	ended   bool // guarded by mu
	resting bool // guarded by mu; it is this side's turn
}

// NewWatch begins to watch a transfer. Whoever calls it calls End.
func NewWatch(ctx context.Context, limit time.Duration) *Watch {
	w := &Watch{limit: limit}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(limit, func() { w.cancel(ErrStalled) })
	return w
}

// Context is that of the transfer.
func (w *Watch) Context() context.Context { return w.ctx }

// Moved says that something has moved, or that it is the other side's turn from now on.
func (w *Watch) Moved() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.moved()
}

func (w *Watch) moved() {
	w.resting = false
	w.timer.Reset(w.limit)
}

// Heard says that the network has moved something, which means nothing while it is this side's turn.
func (w *Watch) Heard() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.resting && !w.ended {
		w.timer.Reset(w.limit)
	}
}

// Rest says that it is this side's turn, which may take its time.
func (w *Watch) Rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.resting = true
	w.timer.Stop()
}

// Source is r as what a transfer sends: while it is read it is this side's turn.
func (w *Watch) Source(r io.Reader) io.Reader { return &source{r, w} }

type source struct {
	r io.Reader
	w *Watch
}

func (s *source) Read(p []byte) (int, error) {
	s.w.Rest()
	defer s.w.Moved()
	return s.r.Read(p)
}

// End ends the transfer. After it nobody reads from its Body any more.
func (w *Watch) End() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.timer.Stop()
	w.cancel(context.Canceled)
}

// Because gives err, or ErrStalled when that is why the transfer failed.
func (w *Watch) Because(err error) error {
	if err != nil && errors.Is(context.Cause(w.ctx), ErrStalled) {
		return ErrStalled
	}
	return err
}

// Body is b as what a request sends. The watch sees when more of it is asked for. An HTTP transport may go on reading after it
// has returned an answer; b is not touched after End.
func (w *Watch) Body(b []byte) io.ReadSeeker { return &body{bytes.NewReader(b), w} }

// body has no WriteTo, or it would leave all at once and the watch see nothing.
type body struct {
	r *bytes.Reader
	w *Watch
}

// errEnded is what a transport gets that still reads.
var errEnded = errors.New("the transfer has ended")

func (b *body) Read(p []byte) (int, error) {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	if b.w.ended {
		return 0, errEnded
	}
	b.w.moved()
	return b.r.Read(p)
}

func (b *body) Seek(offset int64, whence int) (int64, error) { return b.r.Seek(offset, whence) }
