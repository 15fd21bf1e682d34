package ingest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scratchdata/scratchdata/pkg/durable"
	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Next waits for a sealed batch and gives it to one caller, who ends with Done or Return. When Run has ended and no
// batch is left it gives io.EOF. A batch that cannot be read is an error with its Batch set: Return it.
func (w *Writer) Next(ctx context.Context) (Ready, error) {
	for {
		b, err := w.shelf.take(ctx)
		if err != nil {
			return Ready{}, err
		}
		r := Ready{Batch: b.batch, Destination: b.destination, Table: b.table, Path: b.path}
		there, err := w.keys.flush(ctx, b.batch)
		if err != nil {
			return r, fmt.Errorf("note the idempotency keys of batch %s: %w", b.batch, err)
		}
		if len(there) == 0 {
			return w.readReady(r)
		}
		// The batch is one insert's own, as those that are shared were flushed when they were sealed.
		if err := errors.Join(w.dropOwn(b), w.Done(r)); err != nil {
			return r, err
		}
	}
}

// readReady learns what is known of the rows of a batch that is given out.
func (w *Writer) readReady(r Ready) (Ready, error) {
	if err := r.read(); err != nil {
		return r, fmt.Errorf("read the sealed batch %s: %w", r.Batch, err)
	}
	return r, nil
}

// read learns what is known of the batch's rows: from its sidecar, else from the rows.
func (r *Ready) read() (err error) {
	info, err := os.Stat(r.Path)
	if err != nil {
		return err
	}
	s, err := readSidecar(r.Path, info.Size())
	if err != nil {
		if s, err = scanned(r.Path, r.Batch); err != nil {
			return err
		}
	}
	r.Rows, r.Bytes, r.Seen, r.Parts, r.Created = s.Rows, s.Bytes, s.Seen, s.Parts, s.Created
	return nil
}

// scanned makes the sidecar of a file that has none.
func scanned(path, batch string) (s sidecar, err error) {
	found, err := scanFile(path, ndjson.ScanReady)
	if err != nil {
		return s, err
	}
	if found.Good != found.Size {
		return s, fmt.Errorf("%s is damaged: %d of its %d bytes are rows", path, found.Good, found.Size)
	}
	return sidecar{Rows: found.Rows, Bytes: found.Size, Seen: found.Seen, Parts: sorted(found.Parts), Created: createdOf(batch),
		Keyed: len(found.Keyed) > 0}, nil
}

// createdOf gives the time in a batch's id.
func createdOf(batch string) time.Time {
	id, err := ulid.ParseStrict(batch)
	if err != nil {
		return time.Now()
	}
	return ulid.Time(id.Time())
}

// Done says that r was shipped: what is left of its file goes.
func (w *Writer) Done(r Ready) error {
	if err := errors.Join(durable.Remove(r.Path), durable.Remove(sidecarOf(r.Path))); err != nil {
		return fmt.Errorf("remove the shipped batch %s: %w", r.Batch, err)
	}
	w.metrics.waiting.Dec()
	w.backlog.shipped(r.Destination, r.Bytes)
	w.shelf.done(r.Batch)
	return nil
}

// Return says that r was not shipped: it is given out again, after the others.
func (w *Writer) Return(r Ready) {
	w.shelf.putBack(sealed{target{r.Destination, r.Table}, r.Batch, r.Path})
}

// Find tells whose batch is here: open, or sealed and not shipped.
func (w *Writer) Find(batch string) (destination string, table schema.Table, ok bool) {
	h, ok := w.shelf.find(batch)
	return h.destination, h.table, ok
}

// AddUp has sum add up the bytes of batches that were shipped and still wait on the same disk, by destination: they count as
// those that are here. Call it again and again, or never when none wait there. Nobody changes the map any more. It fails when
// sum does: then what was known before counts.
func (w *Writer) AddUp(sum func() (map[string]int64, error)) error { return w.backlog.addUp(sum) }

// Oldest tells when the oldest batch was opened that is not shipped.
func (w *Writer) Oldest() (time.Time, bool) { return w.shelf.oldest() }
