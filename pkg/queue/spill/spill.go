// Package spill lets a queue whose messages must be short carry bodies of any size: long ones wait in the blob store.
//
// A long body is stored first, and then a short message that points to it is sent. The message goes before its blob. So no
// message is ever without its blob, and what a crash may leave is a blob that no message points to: it is never looked at
// again. All of them are below the folder "queue.spill" of the blob store; one that is older than the queue keeps messages
// can be deleted.
package spill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/rowid"
)

const (
	// folder is where the bodies are. No destination's batches are there, as its id has no '.'.
	folder = "queue.spill/"
	// pointer begins the message that stands for a body, whose id follows. A body that begins so itself is spilled too.
	pointer = "spill:"
	// plain stands for the id in the receipt of a message that was not spilled.
	plain = "-"
	// pause is how long a message is hidden whose body cannot be read now.
	pause = 5 * time.Second
	// passedOver is how many such messages a receiver passes over. Then it is the store that is away.
	passedOver = 3
	// backWithin is how long it may take to give such a message back.
	backWithin = 10 * time.Second
	// deleteWithin is for how long a message is hidden that is being deleted.
	deleteWithin = time.Minute
)

// spill is a queue whose long bodies are in a blob store.
type spill struct {
	queue queue.Queue
	blobs blobstore.Store
	limit int // bytes of a body that is sent as it is
	ids   *rowid.Source
	log   *slog.Logger
}

// Over returns q for bodies of any size: with long ones in blobs, or q itself when it takes them all. Closing it closes q.
func Over(q queue.Queue, blobs blobstore.Store, log *slog.Logger) queue.Queue {
	limited, ok := q.(queue.Limited)
	if !ok {
		return q
	}
	return &spill{queue: q, blobs: blobs, limit: limited.MaxBody(), ids: rowid.NewSource(), log: log}
}

// Send implements queue.Queue. When the message cannot be sent its body stays stored, as nobody knows whether it was sent.
func (s *spill) Send(ctx context.Context, body []byte) error {
	if len(body) <= s.limit && !bytes.HasPrefix(body, []byte(pointer)) {
		return s.queue.Send(ctx, body)
	}
	id := s.ids.New()
	if err := s.blobs.Put(ctx, folder+id, bytes.NewReader(body)); err != nil {
		return fmt.Errorf("store the body of a message: %w", err)
	}
	return s.queue.Send(ctx, []byte(pointer+id))
}

// Receive implements queue.Queue. One message whose body cannot be read now does not keep others waiting.
func (s *spill) Receive(ctx context.Context, lease time.Duration) (queue.Message, error) {
	for failed := 0; ; {
		m, err := s.queue.Receive(ctx, lease)
		if err != nil {
			return queue.Message{}, err
		}
		id, ok := pointed(m.Body)
		if !ok {
			m.Receipt = plain + "/" + m.Receipt
			return m, nil
		}
		body, err := s.read(ctx, id)
		switch {
		case errors.Is(err, fault.NotFound):
			body, err = s.missing(ctx, m, id, lease)
			if errors.Is(err, fault.NotFound) {
				continue
			}
			if err != nil {
				return queue.Message{}, s.giveBack(ctx, m, err)
			}
		case err != nil:
			err = s.giveBack(ctx, m, fmt.Errorf("read the body of a message: %w", err))
			if failed++; failed > passedOver || ctx.Err() != nil {
				return queue.Message{}, err
			}
			s.log.WarnContext(ctx, "message not read, it comes again", "key", folder+id, "wait", pause, "err", err)
			continue
		}
		m.Body, m.Receipt = body, id+"/"+m.Receipt
		return m, nil
	}
}

// pointed gives the id of the body that a message points to.
func pointed(message []byte) (id string, ok bool) {
	id, ok = strings.CutPrefix(string(message), pointer)
	if !ok {
		return "", false
	}
	_, err := ulid.ParseStrict(id)
	return id, err == nil // somebody else's message is taken as it is
}

func (s *spill) read(ctx context.Context, id string) (body []byte, err error) {
	r, err := s.blobs.Get(ctx, folder+id)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return io.ReadAll(r)
}

// missing decides about a message whose body is not there. It was deleted meanwhile, by a receiver whose lease had ended:
// then it is fault.NotFound. Or else somebody has taken the body away, and the message comes with the pointer for a body,
// which the receiver cannot read.
func (s *spill) missing(ctx context.Context, m queue.Message, id string, lease time.Duration) (body []byte, err error) {
	if err := s.queue.Hide(ctx, m, lease); err != nil {
		return nil, fmt.Errorf("look for a message whose body is gone: %w", err)
	}
	s.log.ErrorContext(ctx, "the body of a message is gone from the blob store", "key", folder+id)
	return m.Body, nil
}

// giveBack lets a message come again soon, and gives the error for which it does.
func (s *spill) giveBack(ctx context.Context, m queue.Message, cause error) error {
	after := pause
	if ctx.Err() != nil {
		after, cause = 0, ctx.Err() // nothing is wrong with it: its receiver has left
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), backWithin)
	defer cancel()
	if err := s.queue.Hide(ctx, m, after); err != nil {
		s.log.WarnContext(ctx, "message not given back, it returns when its lease ends", "err", err)
	}
	return cause
}

// Hide implements queue.Queue.
func (s *spill) Hide(ctx context.Context, m queue.Message, d time.Duration) error {
	_, m, err := unwrapped(m)
	if err != nil {
		return err
	}
	return s.queue.Hide(ctx, m, d)
}

// Delete implements queue.Queue. For a receiver whose lease has ended it leaves the body: the queue may not let him delete
// a message that another has, and that one needs it.
func (s *spill) Delete(ctx context.Context, m queue.Message) error {
	id, m, err := unwrapped(m)
	if err != nil {
		return err
	}
	if id == plain {
		return s.queue.Delete(ctx, m)
	}
	held := s.queue.Hide(ctx, m, deleteWithin)
	if held != nil && !errors.Is(held, fault.NotFound) {
		return held
	}
	if err := s.queue.Delete(ctx, m); err != nil || held != nil {
		return err
	}
	if err := s.blobs.Delete(ctx, folder+id); err != nil {
		s.log.WarnContext(ctx, "the body of a deleted message stays in the blob store", "key", folder+id, "err", err)
	}
	return nil
}

// unwrapped gives the message as the queue knows it, and the id of its body or plain.
func unwrapped(m queue.Message) (id string, inner queue.Message, err error) {
	id, receipt, ok := strings.Cut(m.Receipt, "/")
	if !ok {
		return "", m, fault.New(fault.Invalid, "bad_receipt", "%.80q is not the receipt of a message", m.Receipt)
	}
	m.Receipt = receipt
	return id, m, nil
}

// Close implements queue.Queue.
func (s *spill) Close() error { return s.queue.Close() }
