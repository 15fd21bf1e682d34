package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

const (
	// patience is how long the server may take to open a connection or to close one.
	patience = 10 * time.Second
	// The pause after a connection that could not be made grows from the first to the second.
	firstPause, maxPause = 100 * time.Millisecond, 5 * time.Second
)

// link is a connection to the server: made when it is first needed, and again after it was lost. Sends and receives have
// one each, as a server that is short of memory or disk stops to read from those that send.
type link struct {
	cfg  Config
	name string // the server shows it
	log  *slog.Logger
	turn chan struct{} // has an element while somebody uses what turn guards

	conn     *amqp091.Connection // guarded by turn
	socket   net.Conn            // guarded by turn; conn's
	failures int                 // guarded by turn; in a row
	next     time.Time           // guarded by turn; not to be tried before

	alarm   atomic.Pointer[alarm] // of the connection that was made last
	doubted atomic.Bool           // the queue may not be there
}

// alarm is that the server takes no messages at present, as it is short of memory or disk.
type alarm struct {
	raised chan struct{} // closed when it is so
	reason string        // to be read after that
}

func newLink(cfg Config, name string, log *slog.Logger) *link {
	l := &link{cfg: cfg, name: name, log: log, turn: make(chan struct{}, 1)}
	l.alarm.Store(newAlarm())
	return l
}

// channel opens a channel, on a new connection when there is none. It tries once, but not again soon after it has failed.
func (l *link) channel(ctx context.Context) (*amqp091.Channel, error) {
	conn, err := l.connection(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", l.where(), err)
	}
	return conn.Channel() // from a server that has gone silent an answer is awaited until its heartbeats are missed
}

// connection gives the connection, which it makes when there is none.
func (l *link) connection(ctx context.Context) (*amqp091.Connection, error) {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-l.turn }()
	if l.conn != nil && !l.conn.IsClosed() && !l.doubted.Load() {
		return l.conn, nil
	}
	if err := sleepUntil(ctx, l.next); err != nil {
		return nil, err
	}
	if err := l.connect(ctx); err != nil {
		l.next = time.Now().Add(min(firstPause<<min(l.failures, 10), maxPause))
		l.failures++
		return nil, err
	}
	l.failures = 0
	return l.conn, nil
}

// connect makes the connection, if there is none, and the queue. The caller has the turn.
func (l *link) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if l.conn == nil || l.conn.IsClosed() {
		if err := l.dial(ctx); err != nil {
			return err
		}
		l.doubt()
	}
	socket := l.socket
	stop := context.AfterFunc(ctx, func() { _ = socket.Close() }) // ends the calls below, which know no context
	err := declare(l.conn, l.cfg)
	if !stop() {
		return errors.Join(ctx.Err(), err)
	}
	if err == nil {
		l.doubted.Store(false)
	}
	return err
}

// dial opens the connection. When ctx ends first it is cut.
func (l *link) dial(ctx context.Context) error {
	properties := amqp091.NewConnectionProperties()
	properties.SetClientConnectionName(l.name)
	var socket net.Conn
	var stop func() bool
	conn, err := amqp091.DialConfig(l.cfg.URL.Reveal(), amqp091.Config{
		Properties: properties,
		Dial: func(network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			socket, stop = c, context.AfterFunc(ctx, func() { _ = c.Close() })
			return c, nil
		},
	})
	if stop != nil && !stop() {
		return errors.Join(ctx.Err(), err)
	}
	if err != nil {
		return err
	}
	l.conn, l.socket = conn, socket
	a := newAlarm()
	l.alarm.Store(a)
	go l.watch(conn.NotifyBlocked(make(chan amqp091.Blocking, 1)), a) // ends with the connection
	return nil
}

// watch notes when the server takes no messages, and when it does again. a is the connection's alarm.
func (l *link) watch(changes <-chan amqp091.Blocking, a *alarm) {
	for b := range changes {
		if b.Active {
			a.raise(b.Reason)
			l.log.Warn("RabbitMQ takes no messages at present", "queue", l.cfg.Queue, "reason", b.Reason)
			continue
		}
		a = l.calm(a)
		l.log.Info("RabbitMQ takes messages again", "queue", l.cfg.Queue)
	}
	l.calm(a)
}

// calm puts a new alarm in a's place, unless that is another connection's by now.
func (l *link) calm(a *alarm) *alarm {
	next := newAlarm()
	l.alarm.CompareAndSwap(a, next)
	return next
}

func newAlarm() *alarm { return &alarm{raised: make(chan struct{})} }

// raise notes the reason. Only the watch of the connection calls it.
func (a *alarm) raise(reason string) {
	if a.err() == nil {
		a.reason = reason
		close(a.raised)
	}
}

// err is nil while the alarm is not raised.
func (a *alarm) err() error {
	select {
	case <-a.raised:
		return fault.New(fault.Busy, "queue_blocked", "RabbitMQ takes no messages at present: %s", a.reason)
	default:
		return nil
	}
}

// doubt lets the queue be declared before the link is used again.
func (l *link) doubt() { l.doubted.Store(true) }

// close closes the connection, after what was said on it has been heard.
func (l *link) close() error {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	if l.conn == nil || l.conn.IsClosed() {
		return nil
	}
	cut := time.AfterFunc(patience/2, func() { _ = l.socket.Close() })
	defer cut.Stop()
	if err := l.conn.Close(); err != nil && !errors.Is(err, amqp091.ErrClosed) {
		return fmt.Errorf("close the connection to %s: %w", l.where(), err)
	}
	return nil
}

// where names the server without the secret that its URL has.
func (l *link) where() string {
	u, err := amqp091.ParseURI(l.cfg.URL.Reveal())
	if err != nil {
		return "RabbitMQ"
	}
	return fmt.Sprintf("RabbitMQ at %s:%d, vhost %s", u.Host, u.Port, u.Vhost)
}

// declare makes the queue if it is missing. One with other properties is an error.
func declare(conn *amqp091.Connection, cfg Config) error {
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	_, err = ch.QueueDeclare(cfg.Queue, true, false, false, false, cfg.arguments())
	var reply *amqp091.Error
	switch {
	case err == nil:
		return ch.Close()
	case !errors.As(err, &reply):
		return err
	case reply.Code == amqp091.PreconditionFailed:
		return fmt.Errorf("the queue %q is there with other properties than are needed (durable, %v): remove it when it is "+
			"empty, or name another: %w", cfg.Queue, cfg.arguments(), err)
	case reply.Code == amqp091.AccessRefused:
		return fmt.Errorf("the user may not use the queue %q: configure, write and read are needed: %w", cfg.Queue, err)
	default:
		return err
	}
}

// sleepUntil returns ctx's error when ctx ends first.
func sleepUntil(ctx context.Context, at time.Time) error {
	d := time.Until(at)
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
