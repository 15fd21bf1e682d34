package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/queue/queuetest"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// How the methods of the protocol begin.
const (
	basicGet    = "\x00\x3c\x00\x46"
	basicCancel = "\x00\x3c\x00\x1e"
	basicAck    = "\x00\x3c\x00\x50"
)

// TestFaults runs most tests with a queue of each type, behind a proxy.
func TestFaults(t *testing.T) {
	server := servertest.RabbitMQ(t)
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{quorum, classic} {
		for _, tt := range []struct {
			name  string
			check func(t *testing.T, p *servertest.Proxy, direct, proxied Config)
		}{
			{"a message is lost on its way", checkSendLost},
			{"a confirmation is lost", checkConfirmLost},
			{"the answer to a get is lost", checkGetLost},
			{"the connection is cut while a receiver waits", checkCutWhileWaiting},
			{"the end of a wait is lost", checkCancelLost},
			{"an ack is lost", checkAckLost},
			{"a receiver crashes", checkReceiverCrash},
			{"a delivery is stale", checkStale},
			{"the server is silent", checkSilent},
			{"connections are cut in traffic", checkTraffic},
		} {
			t.Run(kind+"/"+tt.name, func(t *testing.T) {
				p, proxied := servertest.NewProxy(t, u.Host), *u
				proxied.Host = p.Addr()
				cfg := newConfig(t, server, kind)
				through := cfg
				through.URL = secret.String(proxied.String())
				tt.check(t, p, cfg, through)
			})
		}
	}
	t.Run("the queue is removed", func(t *testing.T) { checkRemoved(t, server) })
	t.Run("open says what is wrong", func(t *testing.T) { checkOpenErrors(t, server) })
}

func checkSendLost(t *testing.T, p *servertest.Proxy, direct, proxied Config) {
	q := newQueue(t, proxied)
	send(t, q, "first") // the next one uses its channel
	met := p.CutBefore("second")
	if err := q.Send(t.Context(), []byte("second")); err == nil {
		t.Error("got no error, want one")
	}
	<-met
	send(t, q, "third")
	other := newQueue(t, direct)
	remove(t, other, receive(t, other, long, "first", 1))
	remove(t, other, receive(t, other, long, "third", 1))
	wantNone(t, other)
}

func checkConfirmLost(t *testing.T, p *servertest.Proxy, direct, proxied Config) {
	q := newQueue(t, proxied)
	met := p.CutAfter("twice")
	if err := q.Send(t.Context(), []byte("twice")); err == nil {
		t.Error("got no error, want one")
	}
	<-met
	send(t, q, "twice")
	other := newQueue(t, direct)
	for range 2 {
		remove(t, other, receive(t, other, long, "twice", 1))
	}
	wantNone(t, other)
}

func checkGetLost(t *testing.T, p *servertest.Proxy, direct, proxied Config) {
	q := newQueue(t, proxied)
	send(t, q, "a")
	met := p.CutAfter(basicGet)
	if m, err := receiveBy(t.Context(), q, long, soon); err == nil {
		t.Errorf("got %q, want an error", m.Body)
	}
	<-met
	remove(t, q, receive(t, q, long, "a", 2)) // the server has delivered it before
	wantNone(t, newQueue(t, direct))
}

// checkCutWhileWaiting cuts the connection of a receiver that waits: it goes on by a new one, or says that it was lost.
func checkCutWhileWaiting(t *testing.T, p *servertest.Proxy, direct, proxied Config) {
	q := newQueue(t, proxied)
	type result struct {
		m   queue.Message
		err error
	}
	results := make(chan result, 1)
	go func() {
		m, err := receiveBy(t.Context(), q, long, soon)
		results <- result{m, err}
	}()
	awaitConsumers(t, direct, 1)
	p.Cut()
	send(t, newQueue(t, direct), "a")
	got := <-results
	if got.err != nil && !errors.Is(got.err, context.DeadlineExceeded) {
		got.m, got.err = receiveBy(t.Context(), q, long, soon)
	}
	if string(got.m.Body) != "a" || got.err != nil {
		t.Errorf("got %q and %v, want a", got.m.Body, got.err)
	}
	remove(t, q, got.m)
}

func checkCancelLost(t *testing.T, p *servertest.Proxy, direct, proxied Config) {
	q := newQueue(t, proxied)
	met := p.CutBefore(basicCancel)
	if _, err := receiveBy(t.Context(), q, long, never); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want deadline exceeded", err)
	}
	<-met
	send(t, q, "a")
	m, err := receiveBy(t.Context(), q, long, soon)
	if err != nil { // the loss was noticed by this one
		m = receive(t, q, long, "a", 1)
	}
	remove(t, q, m)
}

// checkAckLost loses the deletion on its way. The message comes again to this process, which knows that it is deleted.
func checkAckLost(t *testing.T, p *servertest.Proxy, direct, proxied Config) {
	q := newQueue(t, proxied)
	send(t, q, "a")
	m := receive(t, q, long, "a", 1)
	met := p.CutBefore(basicAck)
	remove(t, q, m)
	<-met
	awaitReady(t, direct, 1)
	wantNoneAfterLoss(t, q)
	awaitReady(t, direct, 0)
	wantNone(t, newQueue(t, direct))
}

func checkReceiverCrash(t *testing.T, p *servertest.Proxy, direct, proxied Config) {
	q, other := newQueue(t, proxied), newQueue(t, direct)
	send(t, other, "a")
	m := receive(t, q, long, "a", 1)
	p.Cut() // to the server it is the same as a process that has died
	again := receive(t, other, long, "a", 2)
	if err := q.Hide(t.Context(), m, long); err != nil && !errors.Is(err, fault.NotFound) {
		t.Errorf("hide: got %v, want fault.NotFound or, before the loss is noticed, nil", err)
	}
	wantNoneAfterLoss(t, q)
	if err := q.Hide(t.Context(), m, long); !errors.Is(err, fault.NotFound) {
		t.Errorf("hide: got %v, want fault.NotFound", err)
	}
	if err := other.Hide(t.Context(), again, long); err != nil {
		t.Errorf("hide: %v", err)
	}
	remove(t, other, again)
	remove(t, q, m)
	wantNone(t, other)
}

// checkStale deletes a message whose connection was lost: once before it comes again, once after it has.
func checkStale(t *testing.T, p *servertest.Proxy, direct, proxied Config) {
	q := newQueue(t, proxied)
	send(t, q, "a")
	send(t, q, "b")
	a, b := receive(t, q, long, "a", 1), receive(t, q, long, "b", 1)
	p.Cut()
	awaitReady(t, direct, 2)
	remove(t, q, a)
	m, err := receiveBy(t.Context(), q, long, soon)
	if err != nil { // the loss was noticed by this one
		m, err = receiveBy(t.Context(), q, long, soon)
	}
	if err != nil || string(m.Body) != "b" || m.Attempt != 2 {
		t.Errorf("got %q, attempt %d and %v, want b, attempt 2", m.Body, m.Attempt, err)
	}
	if err := q.Hide(t.Context(), b, 0); !errors.Is(err, fault.NotFound) {
		t.Errorf("hide: got %v, want fault.NotFound", err)
	}
	wantNone(t, q)
	remove(t, q, b)
	wantNone(t, newQueue(t, direct))
	awaitReady(t, direct, 0)
}

func checkSilent(t *testing.T, p *servertest.Proxy, direct, proxied Config) {
	q := newQueue(t, proxied)
	send(t, q, "a")
	p.Hold()
	if err := within(t, func(ctx context.Context) error { return q.Send(ctx, []byte("b")) }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("send: got %v, want deadline exceeded", err)
	}
	if _, err := receiveBy(t.Context(), q, long, never); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("receive: got %v, want deadline exceeded", err)
	}
	if err := within(t, func(ctx context.Context) error {
		_, err := Open(ctx, proxied, slog.New(slog.DiscardHandler))
		return err
	}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("open: got %v, want deadline exceeded", err)
	}
	p.Release()
	m, err := receiveBy(t.Context(), q, long, soon)
	if err != nil || string(m.Body) != "a" {
		t.Errorf("got %q and %v, want a", m.Body, err)
	}
	remove(t, q, m)
}

func checkTraffic(t *testing.T, p *servertest.Proxy, _, proxied Config) {
	queuetest.Disturb(t, newQueue(t, proxied), func(more func()) {
		for range 10 {
			p.Cut()
			more()
		}
	})
}

// within gives a call little time, and holds that it keeps to that.
func within(t *testing.T, call func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), never)
	defer cancel()
	start := time.Now()
	err := call(ctx)
	if got := time.Since(start); got > 3*time.Second {
		t.Errorf("it took %v, want %v", got, never)
	}
	return err
}

// wantNoneAfterLoss holds that no message is visible, once it was noticed that the connection was lost.
func wantNoneAfterLoss(t *testing.T, q queue.Queue) {
	t.Helper()
	m, err := receiveBy(t.Context(), q, long, soon/10)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		m, err = receiveBy(t.Context(), q, long, 2*never)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %.40q and %v, want no message", m.Body, err)
	}
}

// awaitReady waits until so many messages are there for who comes.
func awaitReady(t *testing.T, cfg Config, want int) {
	t.Helper()
	awaitState(t, cfg, func(q amqp091.Queue) bool { return q.Messages == want })
}

// awaitConsumers waits until so many receivers wait.
func awaitConsumers(t *testing.T, cfg Config, want int) {
	t.Helper()
	awaitState(t, cfg, func(q amqp091.Queue) bool { return q.Consumers == want })
}

func awaitState(t *testing.T, cfg Config, is func(amqp091.Queue) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	onChannel(t, cfg.URL.Reveal(), func(ch *amqp091.Channel) error {
		for {
			state, err := ch.QueueDeclarePassive(cfg.Queue, true, false, false, false, nil)
			if err != nil || is(state) {
				return err
			}
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("the queue has %d messages and %d consumers: %w", state.Messages, state.Consumers, err)
			}
		}
	})
}

func checkRemoved(t *testing.T, server string) {
	cfg := newConfig(t, server, quorum)
	q := newQueue(t, cfg)
	send(t, q, "lost")
	removeQueue(t, server, cfg.Queue)
	if err := q.Send(t.Context(), []byte("to nobody")); err == nil || !strings.Contains(err.Error(), "is not there") {
		t.Errorf("got %v, want that the queue is not there", err)
	}
	send(t, q, "a")
	remove(t, q, receive(t, q, long, "a", 1))
	removeQueue(t, server, cfg.Queue)
	if m, err := receiveBy(t.Context(), q, long, soon); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %q and %v, want that the queue is not there", m.Body, err)
	}
	wantNone(t, q)
	send(t, q, "b")
	remove(t, q, receive(t, q, long, "b", 1))
}

func checkOpenErrors(t *testing.T, server string) {
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	declared := func(durable bool, args amqp091.Table) string {
		cfg := newConfig(t, server, quorum)
		onChannel(t, server, func(ch *amqp091.Channel) error {
			_, err := ch.QueueDeclare(cfg.Queue, durable, false, false, false, args)
			return err
		})
		return cfg.Queue
	}
	changed := func(change func(u *url.URL)) string {
		c := *u
		change(&c)
		return c.String()
	}
	for _, tt := range []struct {
		name, url, queue, kind, want string
	}{
		{"a classic queue", server, declared(true, nil), quorum, "other properties"},
		{"a quorum queue that drops messages", server, declared(true, amqp091.Table{"x-queue-type": quorum}), quorum, "other properties"},
		{"a quorum queue", server, declared(true, amqp091.Table{"x-queue-type": quorum}), classic, "other properties"},
		{"a queue that forgets", server, declared(false, nil), classic, "other properties"},
		{"a wrong password", changed(func(u *url.URL) { u.User = url.UserPassword("guest", "hidden") }), "q", quorum, "username or password not allowed"},
		{"a vhost that is not there", changed(func(u *url.URL) { u.User, u.Path = url.UserPassword("guest", "guest"), "/none" }), "q", quorum, "vhost none"},
		{"nobody listens", "amqp://guest:hidden@127.0.0.1:1/", "q", quorum, "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q, err := Open(t.Context(), Config{URL: secret.String(tt.url), Queue: tt.queue, Type: tt.kind}, slog.New(slog.DiscardHandler))
			if err == nil {
				t.Fatal(errors.Join(errors.New("got no error"), q.Close()))
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
