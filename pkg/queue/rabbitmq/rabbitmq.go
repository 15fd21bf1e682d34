// Package rabbitmq keeps a queue on a RabbitMQ server.
package rabbitmq

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/scratchdata/scratchdata/pkg/calls"
	"github.com/scratchdata/scratchdata/pkg/queue"
)

// rabbit is the queue.
type rabbit struct {
	calls    *calls.Group
	links    []*link
	sender   *sender
	receiver *receiver
	held     *held
}

// Open connects to the server and makes the queue if it is missing. Several processes may use the same queue.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (queue.Queue, error) {
	q := open(cfg, log)
	ch, err := q.sender.link.channel(ctx)
	if err == nil {
		err = ch.Close()
	}
	if err != nil {
		return nil, errors.Join(err, q.Close())
	}
	return q, nil
}

func open(cfg Config, log *slog.Logger) *rabbit {
	out, in := newLink(cfg, "scratchdata: send", log), newLink(cfg, "scratchdata: receive", log)
	q := &rabbit{calls: calls.New(), links: []*link{out, in}, held: newHeld()}
	q.sender = newSender(out, cfg.Queue, q.calls)
	q.receiver = newReceiver(in, cfg.Queue, q.held, q.calls, log)
	return q
}

// Send implements queue.Queue.
func (q *rabbit) Send(ctx context.Context, body []byte) error {
	// A copy, as what is under way may outlast the call.
	return q.failed("send a message", q.sender.send(ctx, bytes.Clone(body)))
}

// Receive implements queue.Queue.
func (q *rabbit) Receive(ctx context.Context, lease time.Duration) (queue.Message, error) {
	if err := ctx.Err(); err != nil {
		return queue.Message{}, q.failed("receive a message", err)
	}
	m, err := q.receiver.receive(ctx, lease)
	return m, q.failed("receive a message", err)
}

// Hide implements queue.Queue. A message whose lease has ended is fault.NotFound, as the server may have given it to another
// receiver; so is one that came through a connection that was lost.
func (q *rabbit) Hide(ctx context.Context, m queue.Message, d time.Duration) error {
	_, err := parseReceipt(m.Receipt)
	if err = errors.Join(err, ctx.Err(), q.calls.Err()); err == nil {
		err = q.held.hide(m.Receipt, d)
	}
	return q.failed("hide a message", err)
}

// Delete implements queue.Queue. The server cannot remove a message that this process does not hold any more: it is
// removed when it comes here again. When it goes to another process, that one has to delete it.
func (q *rabbit) Delete(ctx context.Context, m queue.Message) error {
	id, err := parseReceipt(m.Receipt)
	if err = errors.Join(err, ctx.Err(), q.calls.Err()); err == nil {
		q.held.remove(m.Receipt, id)
	}
	return q.failed("delete a message", err)
}

// Close implements queue.Queue. What receivers have not deleted goes back to the server at once.
func (q *rabbit) Close() error {
	if !q.calls.Close() {
		return nil
	}
	var errs []error
	for _, l := range q.links {
		errs = append(errs, l.close())
	}
	q.calls.Wait()
	q.held.close()
	return errors.Join(errs...)
}

// failed says what was tried, and that the queue is closed when it is.
func (q *rabbit) failed(what string, err error) error {
	if err == nil {
		return nil
	}
	if closed := q.calls.Err(); closed != nil {
		err = errors.Join(closed, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
