package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// scripted is a failure that is to happen at the next call of op.
type scripted struct {
	op    string
	skip  int  // so many calls of op work before
	lost  bool // the call is made and its answer lost; else it is not made
	crash bool // the process dies there: nothing that it still does has an effect
}

// script lets calls fail as written. One process has one script.
type script struct {
	mu      sync.Mutex
	next    []scripted // guarded by mu; each waits for its turn, but for the calls of its op only
	down    bool       // guarded by mu
	crashed chan struct{}
}

var (
	errScripted = errors.New("scripted failure")
	errDown     = errors.New("the process is dead")
)

func newScript(faults ...scripted) *script {
	return &script{next: faults, crashed: make(chan struct{})}
}

// do makes the call, or what the script has in its place.
func (s *script) do(op string, call func() error) error {
	s.mu.Lock()
	if s.down {
		s.mu.Unlock()
		return errDown
	}
	if len(s.next) == 0 || s.next[0].op != op {
		s.mu.Unlock()
		return call()
	}
	if s.next[0].skip > 0 {
		s.next[0].skip--
		s.mu.Unlock()
		return call()
	}
	f := s.next[0]
	s.next = s.next[1:]
	s.mu.Unlock() // not held during the call, which may make calls that are under the script too
	if f.lost {
		if err := call(); err != nil {
			return fmt.Errorf("the call whose answer is lost failed by itself: %w", err)
		}
	}
	if f.crash {
		s.mu.Lock()
		s.down = true
		s.mu.Unlock()
		close(s.crashed)
	}
	return fmt.Errorf("%s: %w", op, errScripted)
}

// add lets more calls fail.
func (s *script) add(faults ...scripted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = append(s.next, faults...)
}

// unused tells what has not happened.
func (s *script) unused() []scripted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// The operations that a script can let fail.
const (
	opPut        = "blob put"
	opGet        = "blob get"
	opDeleteBlob = "blob delete"
	opSend       = "queue send"
	opReceive    = "queue receive"
	opHide       = "queue hide"
	opDelete     = "queue delete"
	opShipped    = "control shipped"
	opAttempt    = "control attempt"
	opSettle     = "control settle"
	opRevive     = "control revive"
	opForget     = "control forget"
	opNote       = "control note"
	opRemember   = "control remember"
	opLoad       = "destination load"
	opDone       = "remove the file"
)

// faultyBlobs is a blob store under a script.
type faultyBlobs struct {
	blobstore.Store
	s *script
}

func (f faultyBlobs) Put(ctx context.Context, key string, r io.Reader) error {
	return f.s.do(opPut, func() error { return f.Store.Put(ctx, key, r) })
}

func (f faultyBlobs) Get(ctx context.Context, key string) (r io.ReadCloser, err error) {
	err = f.s.do(opGet, func() error { r, err = f.Store.Get(ctx, key); return err })
	if err != nil && r != nil {
		err, r = errors.Join(err, r.Close()), nil
	}
	return r, err
}

func (f faultyBlobs) Delete(ctx context.Context, key string) error {
	return f.s.do(opDeleteBlob, func() error { return f.Store.Delete(ctx, key) })
}

// faultyFiles is a faultyBlobs that takes files.
type faultyFiles struct {
	faultyBlobs
	files blobstore.FilePutter
}

func (f faultyFiles) PutFile(ctx context.Context, key, name string) error {
	return f.s.do(opPut, func() error { return f.files.PutFile(ctx, key, name) })
}

func scriptedBlobs(b blobstore.Store, s *script) blobstore.Store {
	if files, ok := b.(blobstore.FilePutter); ok {
		return faultyFiles{faultyBlobs{b, s}, files}
	}
	return faultyBlobs{b, s}
}

// faultyQueue is a queue under a script.
type faultyQueue struct {
	queue.Queue
	s *script
}

func (f faultyQueue) Send(ctx context.Context, body []byte) error {
	return f.s.do(opSend, func() error { return f.Queue.Send(ctx, body) })
}

// Receive is under the script once a message has come, as it waits before.
func (f faultyQueue) Receive(ctx context.Context, lease time.Duration) (m queue.Message, err error) {
	m, err = f.Queue.Receive(ctx, lease)
	if err != nil {
		return m, err
	}
	applied := false
	err = f.s.do(opReceive, func() error { applied = true; return nil })
	if err == nil {
		return m, nil
	}
	if !applied {
		err = errors.Join(err, f.Queue.Hide(ctx, m, 0)) // as if it had not been received
	}
	return queue.Message{}, err
}

func (f faultyQueue) Hide(ctx context.Context, m queue.Message, d time.Duration) error {
	return f.s.do(opHide, func() error { return f.Queue.Hide(ctx, m, d) })
}

func (f faultyQueue) Delete(ctx context.Context, m queue.Message) error {
	return f.s.do(opDelete, func() error { return f.Queue.Delete(ctx, m) })
}

// faultyControl is a control store under a script.
type faultyControl struct {
	control.Store
	s *script
}

func (f faultyControl) Batches() control.Batches { return faultyBatches{f.Store.Batches(), f.s} }
func (f faultyControl) Dead() control.Dead       { return faultyDead{f.Store.Dead(), f.s} }

func (f faultyControl) Columns() control.Columns { return faultyColumns{f.Store.Columns(), f.s} }
func (f faultyControl) Keys() control.Keys       { return faultyKeys{f.Store.Keys(), f.s} }

type faultyColumns struct {
	control.Columns
	s *script
}

func (f faultyColumns) Note(ctx context.Context, cols []control.Column) error {
	return f.s.do(opNote, func() error { return f.Columns.Note(ctx, cols) })
}

type faultyKeys struct {
	control.Keys
	s *script
}

func (f faultyKeys) Remember(ctx context.Context, inserts []control.KeyedInsert) error {
	return f.s.do(opRemember, func() error { return f.Keys.Remember(ctx, inserts) })
}

type faultyBatches struct {
	control.Batches
	s *script
}

func (f faultyBatches) Shipped(ctx context.Context, b control.Batch) error {
	return f.s.do(opShipped, func() error { return f.Batches.Shipped(ctx, b) })
}

func (f faultyBatches) Attempt(ctx context.Context, b control.Batch) (known control.Batch, err error) {
	err = f.s.do(opAttempt, func() error { known, err = f.Batches.Attempt(ctx, b); return err })
	return known, err
}

func (f faultyBatches) Settle(ctx context.Context, id string, o control.Outcome) error {
	return f.s.do(opSettle, func() error { return f.Batches.Settle(ctx, id, o) })
}

type faultyDead struct {
	control.Dead
	s *script
}

func (f faultyDead) Revive(ctx context.Context, id string) error {
	return f.s.do(opRevive, func() error { return f.Dead.Revive(ctx, id) })
}

func (f faultyDead) Forget(ctx context.Context, id string) error {
	return f.s.do(opForget, func() error { return f.Dead.Forget(ctx, id) })
}

// faultyDestination is a destination whose loads are under a script.
type faultyDestination struct {
	destination.Destination
	s *script
}

func (f faultyDestination) Load(ctx context.Context, table schema.Table, b destination.Batch) (l destination.Loaded, err error) {
	err = f.s.do(opLoad, func() error { l, err = f.Destination.Load(ctx, table, b); return err })
	return l, err
}
