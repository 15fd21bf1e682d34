package transport

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// maxReason is how much of an error is kept as the reason, in bytes.
const maxReason = 2000

// task is one delivery of a message.
type task struct {
	message    queue.Message
	shipment   Shipment
	unreadable error           // why there is no shipment
	stopping   <-chan struct{} // closed when the workers are to stop
}

// handle does what t's message asks for, then removes the message or gives it back. Meanwhile the lease is extended.
func (w *Workers) handle(ctx context.Context, t task) {
	stop := w.extend(ctx, t)
	again := w.settle(ctx, t)
	stop()
	var err error
	if again > 0 {
		err = w.giveBack(ctx, t, again)
	} else {
		err = w.queue.Delete(ctx, t.message)
	}
	if err != nil {
		w.log.WarnContext(ctx, "message stays until its lease ends", "batch", t.shipment.Batch, "err", err)
	}
}

// giveBack hides t's message for as long as its batch waits to be tried again. A queue that fails is asked again: a lease may be
// much longer than that. It ends with the lease, as the message comes then by itself, or when the workers stop.
func (w *Workers) giveBack(ctx context.Context, t task, again time.Duration) error {
	ends := time.Now().Add(w.cfg.Lease)
	for failures := 1; ; failures++ {
		err := w.queue.Hide(ctx, t.message, again)
		wait := w.backoff.delay(failures)
		if err == nil || !fault.Retryable(err) || time.Now().Add(wait).After(ends) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-t.stopping:
			return err
		}
	}
}

// extend extends the message's lease again and again until stop is called, so that nobody else takes it while the load
// runs. Should the lease end all the same, the batch is loaded by two, and there once.
func (w *Workers) extend(ctx context.Context, t task) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for sleep(ctx, w.cfg.Lease/3) {
			err := w.queue.Hide(ctx, t.message, w.cfg.Lease)
			if err != nil && ctx.Err() == nil {
				w.log.WarnContext(ctx, "lease not extended", "batch", t.shipment.Batch, "err", err)
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// settle brings t's batch as far as it goes now. It returns after how long the message should come again, 0 for never.
func (w *Workers) settle(ctx context.Context, t task) (again time.Duration) {
	if t.unreadable != nil {
		return w.keepUnreadable(ctx, t)
	}
	s := t.shipment
	b, err := w.begin(ctx, t)
	if err != nil {
		return w.later(ctx, s.Batch, "attempt not noted, will retry", err)
	}
	switch b.State {
	case control.StateLoaded:
		return w.clear(ctx, s)
	case control.StateDead:
		return 0 // a person decides about it; the record has the message
	}
	start := time.Now()
	loaded, err := w.load(ctx, s)
	w.metrics.seconds.WithLabelValues(w.label(s)).Observe(time.Since(start).Seconds())
	if err != nil {
		return w.fail(ctx, t, b.Attempts, err)
	}
	o := control.Outcome{State: control.StateLoaded, Rows: loaded.Rows, Rescued: loaded.Rescued}
	if err := w.store.Batches().Settle(ctx, s.Batch, o); err != nil {
		return w.later(ctx, s.Batch, "load not noted, will retry", err)
	}
	w.metrics.batches.WithLabelValues(stageLoaded).Inc()
	w.metrics.rows.WithLabelValues(w.label(s)).Add(float64(loaded.Rows))
	w.metrics.rescue(w.label(s), loaded.Why)
	w.log.DebugContext(ctx, "batch loaded", "batch", s.Batch, "destination", s.Destination, "table", s.Table.String(),
		"rows", loaded.Rows, "rescued", loaded.Rescued, "already", loaded.Already, "attempt", b.Attempts)
	w.news.tell(s.Batch)
	return w.clear(ctx, s)
}

// begin notes one more attempt and returns how far the batch had come. The control store counts the attempts, not the
// queue, as a message is also delivered again when its lane was full or a process died.
func (w *Workers) begin(ctx context.Context, t task) (control.Batch, error) {
	s := t.shipment
	if !s.Died.IsZero() {
		if err := w.revive(ctx, s); err != nil {
			return control.Batch{}, err
		}
	}
	return w.store.Batches().Attempt(ctx, s.record(t.message.Body))
}

// revive makes a dead batch whose replay s is ready for new attempts, if it is still the same death.
func (w *Workers) revive(ctx context.Context, s Shipment) error {
	b, err := w.store.Batches().Find(ctx, s.Batch)
	if errors.Is(err, fault.NotFound) {
		return nil // dropped or forgotten meanwhile: as a batch that comes for the first time
	}
	if err != nil || b.State != control.StateDead || !b.Settled.Equal(s.Died) {
		return err
	}
	if err := w.store.Dead().Revive(ctx, s.Batch); err != nil && !errors.Is(err, fault.NotFound) {
		return err
	}
	w.metrics.dead.Dec()
	w.log.InfoContext(ctx, "dead batch revived", "batch", s.Batch, "destination", s.Destination, "table", s.Table.String())
	return nil
}

// load inserts the batch into its destination.
func (w *Workers) load(ctx context.Context, s Shipment) (loaded destination.Loaded, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Timeout)
	defer cancel()
	loading := w.metrics.loading.WithLabelValues(s.Destination)
	loading.Inc()
	defer loading.Dec()
	var missing atomic.Bool
	err = w.dests.Use(ctx, s.Destination, func(d destination.Destination) (err error) {
		loaded, err = w.loadParts(ctx, d, s, &missing)
		return err
	})
	if err != nil && missing.Load() {
		// The destination asks for the rows only when it has not taken the batch before, so they are missing indeed.
		err = fault.New(fault.NotFound, "blob_missing", "the blob is missing: %s", s.Key).Because(err)
	}
	return loaded, err
}

// open opens the blob of s, and notes whether it is missing.
func (w *Workers) open(ctx context.Context, s Shipment, missing *atomic.Bool) (io.ReadCloser, error) {
	r, err := w.blobs.Get(ctx, s.Key)
	missing.Store(errors.Is(err, fault.NotFound))
	if err != nil {
		return nil, err
	}
	return &whole{ReadCloser: r, shipment: s}, nil
}

// whole reads a blob, and fails at an end where it is not as long as it was made: what was cut between two rows looks whole
// to whoever reads them.
type whole struct {
	io.ReadCloser
	shipment Shipment
	read     int64
}

func (r *whole) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.read += int64(n)
	if err == io.EOF && r.read != r.shipment.Bytes {
		err = fault.New(fault.Internal, "blob_cut", "the blob %s has %d bytes, and was made with %d", r.shipment.Key, r.read, r.shipment.Bytes)
	}
	return n, err
}

// fail notes that try number attempts failed: the batch comes again after a while, or is dead.
func (w *Workers) fail(ctx context.Context, t task, attempts int, cause error) (again time.Duration) {
	s := t.shipment
	b, err := w.store.Batches().Find(ctx, s.Batch)
	if err == nil && b.State == control.StateLoaded {
		return w.clear(ctx, s) // a second delivery was faster, and has taken the blob away from this one
	}
	reason := reasonOf(cause)
	first := attempts > 1 && b.Reason == "" // of all tries, the others ended with their process: that is not the batch's fault
	if !fault.Retryable(cause) || attempts >= w.cfg.MaxAttempts && !first {
		return w.bury(ctx, s.record(t.message.Body), attempts, reason)
	}
	again = w.cfg.Backoff.delay(attempts)
	w.metrics.retries.WithLabelValues(w.label(s)).Inc()
	w.log.WarnContext(ctx, "load failed, will retry", "batch", s.Batch, "destination", s.Destination,
		"table", s.Table.String(), "attempt", attempts, "wait", again, "err", cause)
	if err := w.store.Batches().Settle(ctx, s.Batch, control.Outcome{State: control.StateShipped, Reason: reason}); err != nil {
		w.log.WarnContext(ctx, "failed load not noted", "batch", s.Batch, "err", err)
	}
	return again
}

// bury notes that b is dead. Its blob stays, and the record keeps its message.
func (w *Workers) bury(ctx context.Context, b control.Batch, attempts int, reason string) (again time.Duration) {
	err := w.store.Batches().Settle(ctx, b.ID, control.Outcome{State: control.StateDead, Reason: reason})
	if err != nil {
		return w.later(ctx, b.ID, "dead batch not noted, will retry", err)
	}
	w.metrics.batches.WithLabelValues(stageDead).Inc()
	w.metrics.dead.Inc()
	w.log.ErrorContext(ctx, "batch is dead, it waits to be replayed or dropped", "batch", b.ID,
		"destination", b.Destination, "table", b.Table.String(), "rows", b.Rows, "attempts", attempts, "reason", reason)
	w.news.tell(b.ID)
	return 0
}

// unreadableTable stands for the table of a message that cannot be read.
const unreadableTable = "unreadable"

// keepUnreadable keeps a message that cannot be read as a dead batch. Its id is made of the message, so that the same
// one is kept once.
func (w *Workers) keepUnreadable(ctx context.Context, t task) (again time.Duration) {
	sum := sha256.Sum256(t.message.Body)
	table, err := schema.ParseTable(unreadableTable)
	if err != nil {
		return w.later(ctx, "", "unreadable message not noted, will retry", err)
	}
	b := control.Batch{ID: ulid.ULID(sum[:16]).String(), Table: table, State: control.StateShipped,
		Bytes: int64(len(t.message.Body)), Message: t.message.Body, Created: time.Now()}
	known, err := w.store.Batches().Attempt(ctx, b)
	if err != nil {
		return w.later(ctx, b.ID, "unreadable message not noted, will retry", err)
	}
	if known.State == control.StateDead {
		return 0
	}
	return w.bury(ctx, b, known.Attempts, reasonOf(t.unreadable))
}

// clear removes the blob of a loaded batch.
func (w *Workers) clear(ctx context.Context, s Shipment) (again time.Duration) {
	if err := w.blobs.Delete(ctx, s.Key); err != nil {
		return w.later(ctx, s.Batch, "blob of a loaded batch not removed, will retry", err)
	}
	return 0
}

// later logs what went wrong beside the load itself, and gives the message back for a short while. It is no attempt.
func (w *Workers) later(ctx context.Context, batch, what string, err error) (again time.Duration) {
	again = w.cfg.Backoff.delay(1)
	w.log.WarnContext(ctx, what, "batch", batch, "wait", again, "err", err)
	return again
}

// label gives the destination for a metric: a message's word only when the configuration knows it.
func (w *Workers) label(s Shipment) string {
	if w.dests.Has(s.Destination) {
		return s.Destination
	}
	return "unknown"
}

// reasonOf gives err's text at a length that can be kept.
func reasonOf(err error) string {
	text := err.Error()
	if len(text) > maxReason {
		text = text[:maxReason] + "…"
	}
	return strings.ToValidUTF8(text, "?")
}
