package transport

import (
	"context"
	"errors"
	"fmt"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
)

// Graves is where a person looks after the dead batches. A destination given as "" means all of them.
type Graves struct {
	store control.Store
	queue queue.Queue
	blobs blobstore.Store
}

// NewGraves returns the graves of what store remembers.
func NewGraves(store control.Store, q queue.Queue, blobs blobstore.Store) *Graves {
	return &Graves{store: store, queue: q, blobs: blobs}
}

// List gives the dead batches of destination, oldest first.
func (g *Graves) List(ctx context.Context, destination string) ([]control.Batch, error) {
	return g.store.Dead().List(ctx, destination)
}

// Find gives the dead batch id of destination, or fault.NotFound.
func (g *Graves) Find(ctx context.Context, destination, id string) (control.Batch, error) {
	b, err := g.store.Batches().Find(ctx, id)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return control.Batch{}, fmt.Errorf("find dead batch %s: %w", id, err)
	}
	if err != nil || b.State != control.StateDead || destination != "" && b.Destination != destination {
		return control.Batch{}, fault.New(fault.NotFound, "unknown_dead_batch", "no dead batch has the id %.40q", id)
	}
	return b, nil
}

// Replay asks for the dead batch id to be tried again, with all its attempts. It sends a message and changes nothing
// else: the worker that takes the message revives the batch. Until then it is listed as dead, and replaying it again
// does no harm.
func (g *Graves) Replay(ctx context.Context, destination, id string) error {
	b, err := g.Find(ctx, destination, id)
	if err != nil {
		return err
	}
	s, err := parseShipment(b.Message)
	if err != nil {
		return fmt.Errorf("replay batch %s: %w", id, err)
	}
	if s.Batch != id {
		return g.replayReadable(ctx, id, b.Message)
	}
	s.Died = b.Settled
	message, err := s.encode()
	if err != nil {
		return fmt.Errorf("replay batch %s: %w", id, err)
	}
	if err := g.queue.Send(ctx, message); err != nil {
		return fmt.Errorf("replay batch %s: %w", id, err)
	}
	return nil
}

// replayReadable sends a message again that could not be read when it came, as by an older version of this program, and
// was recorded under an id of its own. That record ends when the message is sent; after a crash in between the message
// comes twice, and its batch is loaded once.
func (g *Graves) replayReadable(ctx context.Context, id string, message []byte) error {
	if err := g.queue.Send(ctx, message); err != nil {
		return fmt.Errorf("replay message %s: %w", id, err)
	}
	return g.forget(ctx, id)
}

// Drop removes the dead batch id and its rows for good: the blob first, so that what is left after a crash is a record
// that can be dropped again, and never a blob that nobody knows.
func (g *Graves) Drop(ctx context.Context, destination, id string) error {
	b, err := g.Find(ctx, destination, id)
	if err != nil {
		return err
	}
	// A message that cannot be read names no blob.
	if s, err := parseShipment(b.Message); err == nil && s.Batch == id {
		if err := g.blobs.Delete(ctx, s.Key); err != nil {
			return fmt.Errorf("drop batch %s: %w", id, err)
		}
	}
	return g.forget(ctx, id)
}

func (g *Graves) forget(ctx context.Context, id string) error {
	if err := g.store.Dead().Forget(ctx, id); err != nil && !errors.Is(err, fault.NotFound) {
		return fmt.Errorf("forget batch %s: %w", id, err)
	}
	return nil
}
