package rabbitmq

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue/queuetest"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// TestServer has a server of its own, which it stops, kills, and lets run out of disk.
func TestServer(t *testing.T) {
	s := servertest.StartRabbitMQ(t)
	for _, kind := range []string{quorum, classic} {
		checkRestarts(t, s, kind)
	}
	checkNoDisk(t, s)
	checkConsumerTimeout(t, s)
}

// checkConsumerTimeout has the server lose patience with a receiver: it ends the channel, and gives the message out again.
func checkConsumerTimeout(t *testing.T, s *servertest.RabbitMQServer) {
	t.Helper()
	set := func(timeout, tick time.Duration) {
		s.Control(t, "eval", fmt.Sprintf("application:set_env(rabbit, consumer_timeout, %d), application:set_env(rabbit, channel_tick_interval, %d).",
			timeout.Milliseconds(), tick.Milliseconds()))
	}
	var log bytes.Buffer
	cfg := Config{URL: secret.String(s.URL()), Queue: "slow", Type: quorum}
	set(300*time.Millisecond, 100*time.Millisecond)
	q, err := Open(t.Context(), cfg, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	send(t, q, "a")
	slow := receive(t, q, long, "a", 1)
	again, err := receiveBy(t.Context(), q, long, soon)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) { // it was speaking when the channel was ended
		again, err = receiveBy(t.Context(), q, long, soon)
	}
	if string(again.Body) != "a" || again.Attempt != 2 || err != nil {
		t.Errorf("got %q, attempt %d and %v, want a, attempt 2", again.Body, again.Attempt, err)
	}
	if err := q.Hide(t.Context(), slow, long); !errors.Is(err, fault.NotFound) {
		t.Errorf("hide: got %v, want fault.NotFound", err)
	}
	remove(t, q, slow) // its work is done: the other need not do it
	if err := q.Hide(t.Context(), again, long); !errors.Is(err, fault.NotFound) {
		t.Errorf("hide: got %v, want fault.NotFound", err)
	}
	wantNone(t, q)
	if err := q.Close(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "timed out") {
		t.Errorf("got the log %s, want that the delivery has timed out", &log)
	}
	set(30*time.Minute, time.Minute)
}

func checkRestarts(t *testing.T, s *servertest.RabbitMQServer, kind string) {
	t.Helper()
	var log bytes.Buffer
	cfg := Config{URL: secret.String(s.URL()), Queue: kind, Type: kind}
	q, err := Open(t.Context(), cfg, slog.New(slog.NewTextHandler(&log, nil)))
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
	if strings.Contains(log.String(), "guest") {
		t.Errorf("the log shows the password: %s", &log)
	}
}

func checkNoDisk(t *testing.T, s *servertest.RabbitMQServer) {
	t.Helper()
	q := newQueue(t, Config{URL: secret.String(s.URL()), Queue: "full", Type: quorum})
	send(t, q, "before")
	s.Control(t, "set_disk_free_limit", "1000000GB")
	for range 2 { // the first notices it, the second knows
		err := within(t, func(context.Context) error { return q.Send(t.Context(), []byte("refused")) })
		if !errors.Is(err, fault.Busy) {
			t.Errorf("got %v, want fault.Busy", err)
		}
	}
	remove(t, q, receive(t, q, long, "before", 1)) // what is there can be worked on
	s.Control(t, "set_disk_free_limit", "1MB")
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	for err := error(fault.Busy); err != nil; {
		if err = q.Send(ctx, []byte("after")); err != nil && !errors.Is(err, fault.Busy) {
			t.Fatal(err)
		}
	}
}
