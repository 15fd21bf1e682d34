package redis

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// TestAnswerIsLost loses the answer to a request, or the request itself. The library tries again.
func TestAnswerIsLost(t *testing.T) {
	s := servertest.StartRedis(t)
	known, err := loadScripts()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		lose func(*servertest.Proxy, string) <-chan struct{}
		text string // of the request
		want int    // deliveries, each deleted at once
	}{
		{"message not sent", (*servertest.Proxy).CutBefore, "xadd", 1},
		{"message sent", (*servertest.Proxy).CutAfter, "xadd", 2},
		{"message not taken", (*servertest.Proxy).CutBefore, known.taking.Hash(), 1},
		{"message taken", (*servertest.Proxy).CutAfter, known.taking.Hash(), 1},
		{"message not hidden", (*servertest.Proxy).CutBefore, known.hide.Hash(), 1},
		{"message hidden", (*servertest.Proxy).CutAfter, known.hide.Hash(), 1},
		{"message not deleted", (*servertest.Proxy).CutBefore, known.delete.Hash(), 1},
		{"message deleted", (*servertest.Proxy).CutAfter, known.delete.Hash(), 1},
		{"waiting cut", (*servertest.Proxy).CutBefore, "xread", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := servertest.NewProxy(t, s.Addr())
			q := openQueue(t, settings("redis://:pw@"+p.Addr()))
			met := tt.lose(p, tt.text)
			send(t, q, "m")
			for range tt.want {
				m := receive(t, q, time.Second)
				if err := errors.Join(q.Hide(t.Context(), m, time.Second), q.Delete(t.Context(), m)); err != nil {
					t.Errorf("hide and delete: %v", err)
				}
			}
			wantNone(t, q, 1500*time.Millisecond) // longer than any lease
			wantLength(t, q, 0)
			select {
			case <-met:
			default:
				t.Error("nothing went wrong")
			}
			shut(t, q)
		})
	}
}

// TestServerDiesAndComesBack has messages that wait and some in hand. The server had them on disk.
func TestServerDiesAndComesBack(t *testing.T) {
	const messages, held = 100, 10
	s := servertest.StartRedis(t)
	q := openQueue(t, settings(s.URL()))
	for i := range messages {
		send(t, q, strconv.Itoa(i))
	}
	var inHand []queue.Message
	for range held {
		inHand = append(inHand, receive(t, q, time.Hour))
	}
	s.Crash()
	if m, err := during(t, q, time.Hour, patience); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("receive: got %q and %v, want an error before the context ends", m.Body, err)
	}
	if err := q.Send(t.Context(), nil); err == nil {
		t.Error("send: got no error")
	}
	s.Start(t)
	for _, m := range inHand {
		if err := q.Hide(t.Context(), m, time.Second); err != nil { // its lease has outlived the server
			t.Errorf("hide: %v", err)
		}
	}
	wantOnce(t, gather(t, messages, 4, work, q))
	wantLength(t, q, 0)
	shut(t, q)
}

// TestServerIsSilent has calls whose contexts end while the server says nothing.
func TestServerIsSilent(t *testing.T) {
	p := servertest.NewProxy(t, servertest.StartRedis(t).Addr())
	q := openQueue(t, settings("redis://:pw@"+p.Addr()))
	send(t, q, "m")
	m := receive(t, q, time.Hour)
	send(t, q, "next")
	p.Hold()
	for name, call := range map[string]func(ctx context.Context) error{
		"send":    func(ctx context.Context) error { return q.Send(ctx, []byte("in silence")) },
		"receive": func(ctx context.Context) error { _, err := q.Receive(ctx, time.Hour); return err },
		"hide":    func(ctx context.Context) error { return q.Hide(ctx, m, time.Minute) },
		"delete":  func(ctx context.Context) error { return q.Delete(ctx, m) },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		start := time.Now()
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 2*time.Second {
			t.Errorf("%s: got %v after %v, want deadline exceeded at once", name, err, time.Since(start))
		}
		cancel()
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s with a context that has ended: got %v, want deadline exceeded", name, err)
		}
	}
	p.Release()
	got := gather(t, 2, 1, work, q)
	if got["next"] != 1 || got["in silence"] < 1 {
		t.Errorf("got %v, want the next message and the one that was sent in silence", got)
	}
	shut(t, q)
}

// TestMemoryIsFull sends until the server takes no more: then it can be emptied.
func TestMemoryIsFull(t *testing.T) {
	cfg := settings(servertest.StartRedis(t, "--maxmemory", "8mb", "--maxmemory-policy", "noeviction").URL())
	q := openQueue(t, cfg)
	body, sent := strings.Repeat("x", 100_000), 0
	var err error
	for ; err == nil && sent < 1000; sent++ {
		err = q.Send(t.Context(), []byte(body))
	}
	if !errors.Is(err, fault.Busy) {
		t.Fatalf("after %d messages: got %v, want fault.Busy", sent, err)
	}
	next := openQueue(t, cfg)
	for range sent - 1 {
		m := receive(t, next, time.Minute)
		if err := errors.Join(next.Hide(t.Context(), m, time.Minute), next.Delete(t.Context(), m)); err != nil {
			t.Fatalf("hide and delete: %v", err)
		}
	}
	wantLength(t, q, 0)
	send(t, q, "again")
	want(t, receive(t, q, time.Minute), "again", 1)
	shut(t, q, next)
}

func TestReplicas(t *testing.T) {
	s := servertest.StartRedis(t, "--repl-diskless-sync-delay", "0")
	cfg := settings(s.URL())
	cfg.WaitReplicas = 1
	q := openQueue(t, cfg)
	if err := q.Send(t.Context(), []byte("alone")); !errors.Is(err, fault.Busy) {
		t.Errorf("no replica: got %v, want fault.Busy", err)
	}
	host, port, _ := strings.Cut(s.Addr(), ":")
	o, err := goredis.ParseURL(servertest.StartRedis(t, "--replicaof", host, port).URL())
	if err != nil {
		t.Fatal(err)
	}
	replica := goredis.NewClient(o)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for err = q.Send(ctx, []byte("copied")); errors.Is(err, fault.Busy); err = q.Send(ctx, []byte("copied")) {
		continue // each try waits for the replica
	}
	if err != nil {
		t.Fatal(err)
	}
	last, err := replica.XRevRangeN(t.Context(), cfg.Stream, "+", "-", 1).Result()
	if err != nil || len(last) != 1 || last[0].Values[field] != "copied" {
		t.Errorf("the replica has %v (%v), want the message", last, err)
	}
	if err := replica.Close(); err != nil {
		t.Error(err)
	}
	shut(t, q)
}

func TestReplicasOfACluster(t *testing.T) {
	cfg := settings(servertest.RedisCluster(t))
	cfg.WaitReplicas = 1
	q := openQueue(t, cfg)
	if err := q.Send(t.Context(), []byte("alone")); !errors.Is(err, fault.Busy) {
		t.Errorf("got %v, want fault.Busy", err)
	}
	want(t, receive(t, q, time.Minute), "alone", 1) // the message is there: it may come twice when it is sent again
	shut(t, q)
}

func TestRepliesOfAnotherForm(t *testing.T) {
	for _, reply := range [][]any{nil, {"1-1"}, {int64(1), int64(1)}, {"1-1", "x"}, {"1-1", int64(1), "x"}, {"1-1", "1", []any{}}, {int64(1), int64(1), []any{}}} {
		if got, err := parseTaken(reply); err == nil {
			t.Errorf("%v: got %+v, want an error", reply, got)
		}
	}
}
