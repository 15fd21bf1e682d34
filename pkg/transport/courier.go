package transport

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/queue"
)

// Courier takes batches to the blob store and lets the workers know. Each of its steps can be done again.
type Courier struct {
	blobs   blobstore.Store
	queue   queue.Queue
	batches control.Batches
}

// NewCourier returns a courier between these stores.
func NewCourier(blobs blobstore.Store, q queue.Queue, batches control.Batches) *Courier {
	return &Courier{blobs, q, batches}
}

// Put stores the file name as the blob key, durably.
func (c *Courier) Put(ctx context.Context, key, name string) error {
	if err := c.put(ctx, key, name); err != nil {
		return fmt.Errorf("put blob %s: %w", key, err)
	}
	return nil
}

func (c *Courier) put(ctx context.Context, key, name string) (err error) {
	if local, ok := c.blobs.(blobstore.FilePutter); ok {
		return local.PutFile(ctx, key, name)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return c.blobs.Put(ctx, key, f)
}

// Delete removes the blob key of a batch that is not sent.
func (c *Courier) Delete(ctx context.Context, key string) error {
	if err := c.blobs.Delete(ctx, key); err != nil {
		return fmt.Errorf("delete blob %s: %w", key, err)
	}
	return nil
}

// Send tells the workers of the batch, whose blob is stored. The record comes before the message, so that a batch that was
// sent is never unknown, and a record that cannot be written does not send the message again and again.
func (c *Courier) Send(ctx context.Context, s Shipment) error {
	message, err := s.encode()
	if err != nil {
		return fmt.Errorf("send batch %s: %w", s.Batch, err)
	}
	if err := c.batches.Shipped(ctx, s.record(message)); err != nil {
		return fmt.Errorf("note batch %s: %w", s.Batch, err)
	}
	if err := c.queue.Send(ctx, message); err != nil {
		return fmt.Errorf("send batch %s: %w", s.Batch, err)
	}
	return nil
}
