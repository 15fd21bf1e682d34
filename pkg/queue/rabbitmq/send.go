package rabbitmq

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/rabbitmq/amqp091-go"

	"github.com/scratchdata/scratchdata/pkg/calls"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

const (
	// ours marks the messages that were sent here: their ids are unique.
	ours = "scratchdata"
	// maxSends is how many messages are on their way at a time, each on a channel of its own.
	maxSends = 16
)

// sender sends messages and awaits that the server has them durably.
type sender struct {
	link  *link
	queue string
	slots chan struct{}   // has an element for each message on its way
	free  chan *publisher // those that wait for their next message
	calls *calls.Group
}

// publisher is a channel that one message at a time is sent on, so that what the server says is about that one.
type publisher struct {
	channel  *amqp091.Channel
	returned <-chan amqp091.Return
	closed   <-chan *amqp091.Error
}

func newSender(l *link, queue string, c *calls.Group) *sender {
	return &sender{link: l, queue: queue, calls: c, slots: make(chan struct{}, maxSends), free: make(chan *publisher, maxSends)}
}

// send sends a message. It does not wait longer than ctx, though the server's answers know of no context.
func (s *sender) send(ctx context.Context, body []byte) error {
	result := make(chan error, 1)
	started := s.calls.Start(func(context.Context) {
		ctx, cancel := s.calls.Bound(ctx)
		defer cancel()
		result <- s.try(ctx, body)
	})
	if !started {
		return fault.Closed
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// try sends a message. Whether the server has it when an error is returned is not known.
func (s *sender) try(ctx context.Context, body []byte) error {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.slots }()
	if err := s.link.alarm.Load().err(); err != nil {
		return err
	}
	p, err := s.publisher(ctx)
	if err != nil {
		return err
	}
	err = s.publish(ctx, p, body)
	if err == nil {
		select {
		case s.free <- p:
			return nil
		default: // others were opened while this one was in use
		}
	}
	// The server may yet answer on it. Nobody waits for the close, which a server that is blocked does not hear.
	s.calls.Start(func(context.Context) { _ = p.channel.Close() })
	return err
}

// publisher gives a free channel, or opens one.
func (s *sender) publisher(ctx context.Context) (*publisher, error) {
	if p := s.idle(); p != nil {
		return p, nil
	}
	ch, err := s.link.channel(ctx)
	if err != nil {
		return nil, err
	}
	if err := ch.Confirm(false); err != nil {
		return nil, err
	}
	return &publisher{channel: ch, returned: ch.NotifyReturn(make(chan amqp091.Return, 1)),
		closed: ch.NotifyClose(make(chan *amqp091.Error, 1))}, nil
}

// idle gives a free channel on which nothing speaks against sending.
func (s *sender) idle() *publisher {
	for !s.link.doubted.Load() {
		select {
		case p := <-s.free:
			if !p.channel.IsClosed() {
				return p
			}
		default:
			return nil
		}
	}
	return nil
}

// publish sends body and waits until the server has said that it is on disk: on most of its nodes, if it has several.
func (s *sender) publish(ctx context.Context, p *publisher, body []byte) error {
	confirmed, err := p.channel.PublishWithDeferredConfirmWithContext(ctx, "", s.queue, true, false, amqp091.Publishing{
		AppId: ours, MessageId: rand.Text(), DeliveryMode: amqp091.Persistent, ContentType: "application/octet-stream", Body: body,
	})
	if err != nil {
		return err
	}
	alarm := s.link.alarm.Load()
	select {
	case <-confirmed.Done():
	case <-alarm.raised:
		return alarm.err()
	case <-ctx.Done():
		return ctx.Err()
	}
	if !confirmed.Acked() {
		return p.refused()
	}
	select {
	case r := <-p.returned: // it came before the confirmation
		s.link.doubt()
		return fmt.Errorf("the queue %q is not there: %d %s", s.queue, r.ReplyCode, r.ReplyText)
	default:
		return nil
	}
}

// refused says why a message was not confirmed.
func (p *publisher) refused() error {
	if !p.channel.IsClosed() {
		return errors.New("the server could not take the message")
	}
	if err := <-p.closed; err != nil { // closed without one when this side has closed it
		return err
	}
	return amqp091.ErrClosed
}
