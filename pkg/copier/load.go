package copier

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

// inFlight is how many batches of a copy are on their way at a time: enough to keep the workers busy, few enough that
// inserts are not held up, and that little is left to do when the copy is canceled.
const inFlight = 4

// loadAll sends the copy's batches, some at a time, and waits until each is loaded. Those that were sent before a crash are
// sent again if they are not loaded, and are loaded once.
func (w *Worker) loadAll(ctx context.Context, k *keeper) error {
	j := k.snapshot()
	p, err := planOf(j)
	if err != nil {
		return err
	}
	var staged []control.StagedBatch
	err = insist(ctx, k.log, "listing the batches", func() (err error) { staged, err = w.store.Staged().List(ctx, j.ID); return err })
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

// loadOne sends a batch unless that was done, and waits until it is loaded, or ctx ends.
func (w *Worker) loadOne(ctx context.Context, k *keeper, p plan, b control.StagedBatch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var got control.Batch
	err := insist(ctx, k.log, "loading a batch", func() (err error) {
		got, err = w.store.Batches().Find(ctx, b.ID)
		if errors.Is(err, fault.NotFound) || err == nil && got.State == control.StateShipped {
			if err = w.send(ctx, k, p, b); err == nil {
				got, err = w.receipts.WaitBatch(ctx, b.ID)
			}
		}
		return err
	})
	switch {
	case errors.Is(err, fault.NotFound):
		return fault.New(fault.Unprocessable, "batch_dropped", "batch %s could not be loaded, and was dropped", b.ID)
	case err != nil && fault.Retryable(err):
		return fmt.Errorf("load batch %s: %w: %w", b.ID, errLater, err)
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
	w.metrics.written(k.snapshot().Destination, got.Rows)
	return nil
}

// send sends a batch unless this process has done so. What is begun is not broken off when ctx ends.
func (w *Worker) send(ctx context.Context, k *keeper, p plan, b control.StagedBatch) error {
	if k.wasSent(b.ID) {
		return nil
	}
	j := k.snapshot()
	err := w.courier.Send(context.WithoutCancel(ctx), transport.Shipment{Batch: b.ID, File: j.ID, Destination: j.Destination, Table: j.Table,
		Key: keyOf(j, b), Rows: b.Rows, Bytes: b.Bytes, Seen: p.Seen, Created: now()})
	if err == nil {
		k.noteSent(b.ID)
	}
	return err
}
