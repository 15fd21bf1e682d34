package transporttest

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// The operations that a script can let fail. Tests may have others beside them.
const (
	OpPut        = "blob put"
	OpGet        = "blob get"
	OpDeleteBlob = "blob delete"
	OpSend       = "queue send"
	OpReceive    = "queue receive"
	OpHide       = "queue hide"
	OpDelete     = "queue delete"
	OpLoad       = "destination load"
)

// Blobs is b under a script. It takes files when b does.
func Blobs(b blobstore.Store, s *Script) blobstore.Store {
	if files, ok := b.(blobstore.FilePutter); ok {
		return faultyFiles{faultyBlobs{b, s}, files}
	}
	return faultyBlobs{b, s}
}

type faultyBlobs struct {
	blobstore.Store
	s *Script
}

func (f faultyBlobs) Put(ctx context.Context, key string, r io.Reader) error {
	return f.s.Do(OpPut, func() error { return f.Store.Put(ctx, key, r) })
}

func (f faultyBlobs) Get(ctx context.Context, key string) (r io.ReadCloser, err error) {
	err = f.s.Do(OpGet, func() error { r, err = f.Store.Get(ctx, key); return err })
	if err != nil && r != nil {
		err, r = errors.Join(err, r.Close()), nil
	}
	return r, err
}

func (f faultyBlobs) Delete(ctx context.Context, key string) error {
	return f.s.Do(OpDeleteBlob, func() error { return f.Store.Delete(ctx, key) })
}

type faultyFiles struct {
	faultyBlobs
	files blobstore.FilePutter
}

func (f faultyFiles) PutFile(ctx context.Context, key, name string) error {
	return f.s.Do(OpPut, func() error { return f.files.PutFile(ctx, key, name) })
}

// Queue is q under a script.
func Queue(q queue.Queue, s *Script) queue.Queue { return faultyQueue{q, s} }

type faultyQueue struct {
	queue.Queue
	s *Script
}

func (f faultyQueue) Send(ctx context.Context, body []byte) error {
	return f.s.Do(OpSend, func() error { return f.Queue.Send(ctx, body) })
}

// Receive is under the script once a message has come, as it waits before.
func (f faultyQueue) Receive(ctx context.Context, lease time.Duration) (m queue.Message, err error) {
	m, err = f.Queue.Receive(ctx, lease)
	if err != nil {
		return m, err
	}
	applied := false
	err = f.s.Do(OpReceive, func() error { applied = true; return nil })
	if err == nil {
		return m, nil
	}
	if !applied {
		err = errors.Join(err, f.Queue.Hide(ctx, m, 0)) // as if it had not been received
	}
	return queue.Message{}, err
}

func (f faultyQueue) Hide(ctx context.Context, m queue.Message, d time.Duration) error {
	return f.s.Do(OpHide, func() error { return f.Queue.Hide(ctx, m, d) })
}

func (f faultyQueue) Delete(ctx context.Context, m queue.Message) error {
	return f.s.Do(OpDelete, func() error { return f.Queue.Delete(ctx, m) })
}

// Loads is d with its loads under a script.
func Loads(d destination.Destination, s *Script) destination.Destination { return faultyLoads{d, s} }

type faultyLoads struct {
	destination.Destination
	s *Script
}

func (f faultyLoads) Load(ctx context.Context, table schema.Table, b destination.Batch) (l destination.Loaded, err error) {
	err = f.s.Do(OpLoad, func() error { l, err = f.Destination.Load(ctx, table, b); return err })
	return l, err
}
