package copier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

// inFlight is how many batches of a copy are on their way at a time: enough to keep the workers busy, few enough that
// inserts are not held up, and that little is left to do when the copy is canceled.
const inFlight = 4

// patience is how long a copy that is to end waits for the batches that are on their way.
const patience = time.Minute

// loadAll sends the copy's batches, some at a time, and waits until each is loaded. Those that were sent before a crash are
// sent again if they are not loaded, and are loaded once.
func (w *Worker) loadAll(ctx context.Context, k *keeper) error {
	j := k.snapshot()
	p, err := planOf(j)
	if err != nil {
		return err
	}
	staged, err := w.store.Staged().List(ctx, j.ID)
	if err != nil {
		return err
	}
	k.count(func(j *control.Job) { j.Written, j.Rescued = control.Amount{}, 0 })
	g, sending := errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for _, b := range staged {
		if sending.Err() != nil {
			break
		}
		if b.Run != p.Run {
			continue // of a process that did not know yet that it had lost the copy
		}
		g.Go(func() error { return w.loadOne(sending, k, p, b) })
	}
	err = g.Wait()
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// loadOne sends a batch and waits until it is loaded. One that is on its way when ctx ends is waited for, a while.
func (w *Worker) loadOne(ctx context.Context, k *keeper, p plan, b control.StagedBatch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := k.snapshot()
	if err := w.send(ctx, j, p, b); err != nil {
		return err
	}
	got, err := w.receipts.WaitBatch(ctx, b.ID)
	if err != nil && ending(ctx) {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		got, err = w.receipts.WaitBatch(late, b.ID)
	}
	switch {
	case err != nil:
		return fmt.Errorf("load batch %s: %w", b.ID, err)
	case got.State == control.StateDead:
		return fault.New(fault.Unprocessable, "batch_dead", "batch %s could not be loaded, and waits among the dead ones: %s", b.ID, got.Reason)
	}
	k.count(func(j *control.Job) {
		j.Written.Rows += got.Rows
		j.Written.Bytes += b.Bytes
		j.Written.Batches++
		j.Rescued += got.Rescued
	})
	w.metrics.written(j.Destination, got.Rows)
	return nil
}

// ending reports whether ctx has ended because the copy is to end, and not because this process lets go of it.
func ending(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return cause != nil && cause != context.Canceled && !errors.Is(cause, errLost)
}

// send sends a batch unless it is loaded or dead.
func (w *Worker) send(ctx context.Context, j control.Job, p plan, b control.StagedBatch) error {
	known, err := w.store.Batches().Find(ctx, b.ID)
	if err == nil && known.State != control.StateShipped {
		return nil
	}
	if err != nil && !errors.Is(err, fault.NotFound) {
		return err
	}
	s := transport.Shipment{Batch: b.ID, File: j.ID, Destination: j.Destination, Table: j.Table, Key: keyOf(j, b), Rows: b.Rows,
		Bytes: b.Bytes, Seen: p.Seen, Created: now()}
	for try := 1; ; try++ {
		err := w.courier.Send(context.WithoutCancel(ctx), s) // what is begun is finished: half of it would look like a batch on its way
		if err == nil {
			return nil
		}
		if try == storeTries {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}
