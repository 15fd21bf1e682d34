package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/ingest"
	"github.com/scratchdata/scratchdata/pkg/queue"
)

// shippers is how many batches are on their way at a time: enough to hide a remote store's round trips.
const shippers = 4

// Uploader ships the writer's sealed batches.
type Uploader struct {
	writer  *ingest.Writer
	courier *Courier
	log     *slog.Logger
	metrics *Metrics
	backoff Backoff                  // a batch waits for ever
	done    func(ingest.Ready) error // writer.Done; tests let it fail
}

// NewUploader returns an uploader. Run does the work.
func NewUploader(w *ingest.Writer, blobs blobstore.Store, q queue.Queue, batches control.Batches, log *slog.Logger,
	m *Metrics) *Uploader {
	return &Uploader{writer: w, courier: NewCourier(blobs, q, batches), log: log, metrics: m,
		backoff: Backoff{First: 250 * time.Millisecond, Max: time.Minute}, done: w.Done}
}

// Run ships batches until the writer has stopped and none is left, or until ctx ends and the ones in hand are shipped.
// It returns nil.
func (u *Uploader) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for range shippers {
		wg.Go(func() { u.loop(ctx) })
	}
	wg.Wait()
	return nil
}

func (u *Uploader) loop(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		r, err := u.writer.Next(ctx)
		if errors.Is(err, io.EOF) || ctx.Err() != nil && err != nil {
			return
		}
		if err == nil {
			if err = u.ship(ctx, r); err == nil {
				failures = 0
				continue
			}
		}
		failures++
		wait := u.backoff.delay(failures)
		u.metrics.shipFailures.Inc()
		u.log.WarnContext(ctx, "batch not shipped, will retry", "batch", r.Batch, "wait", wait, "err", err)
		sleep(ctx, wait)
		if r.Batch != "" {
			u.writer.Return(r)
		}
	}
}

// ship hands r on. The order is what makes a crash harmless: the ready file stays until blob, record and message are
// durable, and each step can be done again.
func (u *Uploader) ship(ctx context.Context, r ingest.Ready) error {
	work := context.WithoutCancel(ctx) // what is begun is finished
	s := shipmentOf(r)
	if err := u.courier.Put(work, s.Key, r.Path); err != nil {
		return err
	}
	if err := u.courier.Send(work, s); err != nil {
		return err
	}
	u.metrics.batches.WithLabelValues(stageShipped).Inc()
	u.log.DebugContext(ctx, "batch shipped", "batch", r.Batch, "destination", r.Destination, "table", r.Table.String(),
		"rows", r.Rows, "bytes", r.Bytes)
	return u.finish(ctx, r)
}

// finish lets the writer remove the file. Only this step is tried again when it fails, as beginning anew would send the
// message again each time.
func (u *Uploader) finish(ctx context.Context, r ingest.Ready) error {
	for failures := 1; ; failures++ {
		err := u.done(r)
		if err == nil {
			return nil
		}
		wait := u.backoff.delay(failures)
		u.log.WarnContext(ctx, "shipped batch not removed, will retry", "batch", r.Batch, "wait", wait, "err", err)
		if !sleep(ctx, wait) {
			return fmt.Errorf("remove shipped batch %s: %w", r.Batch, err)
		}
	}
}
