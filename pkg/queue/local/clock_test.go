package local

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/queue"
)

// asSetBack lets the queue find itself on a machine whose clock is set back by so much: the file's times are that much ahead.
func asSetBack(t *testing.T, q queue.Queue, by time.Duration) {
	t.Helper()
	l := q.(*local)
	_, err := l.db.ExecContext(t.Context(), "update goqite set timeout = strftime('%Y-%m-%dT%H:%M:%fZ', timeout, ?)", fmt.Sprintf("+%d seconds", int(by.Seconds())))
	if err != nil {
		t.Fatal(err)
	}
	l.clock.mu.Lock()
	defer l.clock.mu.Unlock()
	l.clock.wall = l.clock.wall.Add(by)
}

func TestTheClockIsSetBack(t *testing.T) {
	q := openNew(t)
	for _, body := range []string{"waits", "is held"} {
		if err := q.Send(t.Context(), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	held, err := q.Receive(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	const by = 30 * 24 * time.Hour
	asSetBack(t, q, by)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	other, err := q.Receive(ctx, time.Hour)
	if err != nil || string(other.Body) == string(held.Body) {
		t.Fatalf("got %q and %v, want the message that nobody has", other.Body, err)
	}
	soon, stop := context.WithTimeout(t.Context(), 2*pollEvery)
	defer stop()
	if m, err := q.Receive(soon, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %q and %v, want no message: both are held", m.Body, err)
	}
	if err := q.Hide(t.Context(), held, 0); err != nil {
		t.Error(err)
	}
	if m, err := q.Receive(ctx, time.Hour); err != nil || string(m.Body) != string(held.Body) {
		t.Errorf("got %q and %v, want %q", m.Body, err, held.Body)
	}
}

func TestSetBack(t *testing.T) {
	var wall time.Time
	var running time.Duration
	c := &clock{read: func() (time.Time, time.Duration) { return wall, running }}
	for _, tt := range []struct {
		name          string
		wall, running time.Duration // that pass
		want          time.Duration
	}{
		{"both go on", time.Minute, time.Minute, 0},
		{"set forward", time.Hour, time.Minute, 0},
		{"a little back", time.Minute - setBackMin/2, time.Minute, 0},
		{"set back", time.Minute - time.Hour, time.Minute, time.Hour},
		{"and only once", time.Minute, time.Minute, 0},
		{"slower", 0, time.Minute, time.Minute},
	} {
		wall, running = wall.Add(tt.wall), running+tt.running
		if got := c.setBack(); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
