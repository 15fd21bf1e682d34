package postgres

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/queue/queuetest"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// TestFaults runs each test with a database of its own behind a proxy.
func TestFaults(t *testing.T) {
	s := servertest.FindPostgres(t)
	for _, tt := range []struct {
		name  string
		check func(t *testing.T, p *servertest.Proxy, direct, proxied Config)
	}{
		{"a message is lost on its way", checkSendLost},
		{"the answer to a send is lost", checkSendAnswerLost},
		{"the taking of a message is lost", checkTakeLost},
		{"the answer to a commit is lost", checkCommitLost},
		{"the answer to a delete is lost", checkDeleteLost},
		{"the connection is cut while a receiver waits", checkCutWhileWaiting},
		{"a receiver crashes", checkReceiverCrash},
		{"the server is silent", checkSilent},
		{"connections are cut in traffic", checkTraffic},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dsn := s.Database(t)
			u, err := url.Parse(dsn)
			if err != nil {
				t.Fatal(err)
			}
			p := servertest.NewProxy(t, u.Host)
			u.Host = p.Addr()
			tt.check(t, p, config(dsn), config(u.String()))
		})
	}
}

func checkSendLost(t *testing.T, p *servertest.Proxy, direct, proxied Config) {
	q := newQueue(t, proxied)
	send(t, q, "first") // the next one uses its connection
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

func checkSendAnswerLost(t *testing.T, p *servertest.Proxy, direct, proxied Config) {
	q := newQueue(t, proxied)
	send(t, q, "first") // so that the statement is known: its message is sent once
	met := p.CutAfter("twice")
	if err := q.Send(t.Context(), []byte("twice")); err == nil {
		t.Error("got no error, want one")
	}
	<-met
	send(t, q, "twice")
	other := newQueue(t, direct)
	remove(t, other, receive(t, other, long, "first", 1))
	for range 2 {
		remove(t, other, receive(t, other, long, "twice", 1))
	}
	wantNone(t, other)
}

func checkTakeLost(t *testing.T, p *servertest.Proxy, direct, proxied Config) {
	q := newQueue(t, proxied)
	send(t, q, "a")
	met := p.CutBefore("commit")
	if m, err := receiveBy(t.Context(), q, long, soon); err == nil {
		t.Errorf("got %q, want an error", m.Body)
	}
	<-met
	other := newQueue(t, direct)
	remove(t, other, receive(t, other, long, "a", 1))
}

// checkCommitLost has a message taken, and nobody told. It is put back.
func checkCommitLost(t *testing.T, p *servertest.Proxy, direct, proxied Config) {
	q := newQueue(t, proxied)
	send(t, q, "a")
	met := p.CutAfter("commit")
	if m, err := receiveBy(t.Context(), q, long, soon); err == nil {
		t.Errorf("got %q, want an error", m.Body)
	}
	<-met
	other := newQueue(t, direct)
	remove(t, other, receive(t, other, long, "a", 1))
}

func checkDeleteLost(t *testing.T, p *servertest.Proxy, direct, proxied Config) {
	q := newQueue(t, proxied)
	send(t, q, "a")
	m := receive(t, q, long, "a", 1)
	met := p.CutAfter("delete from")
	if err := q.Delete(t.Context(), m); err == nil {
		t.Error("got no error, want one")
	}
	<-met
	remove(t, q, m)
	if err := q.Hide(t.Context(), m, 0); !errors.Is(err, fault.NotFound) {
		t.Errorf("hide: got %v, want fault.NotFound", err)
	}
	wantNone(t, newQueue(t, direct))
}

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
	awaitHearing(t, q)
	p.Cut()
	send(t, newQueue(t, direct), "a")
	got := <-results
	if got.err != nil && !errors.Is(got.err, context.DeadlineExceeded) { // it was looking when the connection was cut
		got.m, got.err = receiveBy(t.Context(), q, long, soon)
	}
	if string(got.m.Body) != "a" || got.err != nil {
		t.Errorf("got %q and %v, want a", got.m.Body, got.err)
	}
}

func checkReceiverCrash(t *testing.T, p *servertest.Proxy, direct, proxied Config) {
	const lease = 300 * time.Millisecond
	q, other := newQueue(t, proxied), newQueue(t, direct)
	send(t, other, "a")
	start := time.Now()
	m := receive(t, q, lease, "a", 1)
	p.Cut() // to the server it is the same as a process that has died
	again := receive(t, other, long, "a", 2)
	if got := time.Since(start); got < lease {
		t.Errorf("it came again after %v, want %v", got, lease)
	}
	if err := q.Hide(t.Context(), m, long); err == nil {
		t.Error("hide: got no error, want that another has the message")
	}
	if err := other.Hide(t.Context(), again, long); err != nil {
		t.Errorf("hide: %v", err)
	}
	wantNone(t, other)
}

func checkSilent(t *testing.T, p *servertest.Proxy, direct, proxied Config) {
	q := newQueue(t, proxied)
	send(t, q, "a")
	p.Hold()
	if _, err := receiveBy(t.Context(), q, long, never); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("receive: got %v, want deadline exceeded", err)
	}
	for name, call := range map[string]func(context.Context) error{
		"send": func(ctx context.Context) error { return q.Send(ctx, []byte("b")) },
		"open": func(ctx context.Context) error {
			_, err := Open(ctx, proxied, slog.New(slog.DiscardHandler))
			return err
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), never)
		start := time.Now()
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want deadline exceeded", name, err)
		}
		if got := time.Since(start); got > 3*time.Second {
			t.Errorf("%s took %v, want %v", name, got, never)
		}
		cancel()
	}
	p.Release() // now the receive goes on that has ended: what it takes it puts back
	other := newQueue(t, direct)
	remove(t, other, receive(t, other, long, "a", 1))
}

func checkTraffic(t *testing.T, p *servertest.Proxy, _, proxied Config) {
	queuetest.Disturb(t, newQueue(t, proxied), func(more func()) {
		for range 10 {
			p.Cut()
			more()
		}
	})
}

// TestServer has a server of its own, which it stops and kills.
func TestServer(t *testing.T) {
	s := servertest.StartPostgres(t)
	var log bytes.Buffer
	q, err := Open(t.Context(), config(s.Database(t)), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	queuetest.Disturb(t, q, func(more func()) {
		s.Stop(t)
		s.Start(t)
		more()
		s.Crash(t)
		s.Start(t)
	})
	if err := q.Close(); err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), ":pw@") {
		t.Errorf("the log shows the password: %s", &log)
	}
}

// TestSendsOutlastACrash has a database whose commits do not wait for the disk by default.
func TestSendsOutlastACrash(t *testing.T) {
	const messages = 200
	s := servertest.StartPostgres(t)
	dsn := s.Database(t)
	exec(t, dsn, "alter database "+database(t, dsn)+" set synchronous_commit = off")
	var log bytes.Buffer
	q, err := Open(t.Context(), config(dsn), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for range messages {
		send(t, q, "a")
	}
	s.Crash(t)
	s.Start(t)
	if err := q.Close(); err != nil {
		t.Error(err)
	}
	q = newQueue(t, config(dsn))
	for range messages {
		receive(t, q, long, "a", 1)
	}
	if !strings.Contains(log.String(), "synchronous_commit is off") {
		t.Errorf("got no warning: %s", &log)
	}
}
