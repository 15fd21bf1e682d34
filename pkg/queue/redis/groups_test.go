package redis

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// readAs reads as a client that is not ours does, and gives the ids.
func readAs(t *testing.T, q *redis, group, consumer string) []string {
	t.Helper()
	got, err := q.client.XReadGroup(t.Context(), &goredis.XReadGroupArgs{Group: group, Consumer: consumer,
		Streams: []string{q.cfg.Stream, ">"}, Block: -1}).Result()
	if err != nil && !errors.Is(err, goredis.Nil) {
		t.Fatal(err)
	}
	var ids []string
	for _, s := range got {
		for _, m := range s.Messages {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// sweep does what is done now and then.
func sweep(t *testing.T, q *redis) {
	t.Helper()
	if err := q.tidy(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestOtherGroupsAreNotTouched has a group of somebody else on the stream, which is slower.
func TestOtherGroupsAreNotTouched(t *testing.T) {
	q := openQueue(t, settings(servertest.Redis(t)))
	if err := q.client.XGroupCreate(t.Context(), q.cfg.Stream, "other", "0").Err(); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"a", "b", "c"} {
		send(t, q, body)
		remove(t, q, receive(t, q, time.Minute))
	}
	wantNone(t, q, 50*time.Millisecond)
	wantLength(t, q, 3)
	sweep(t, q)
	ids := readAs(t, q, "other", "somebody")
	if len(ids) != 3 {
		t.Fatalf("the other group got %q, want 3", ids)
	}
	sweep(t, q)
	wantLength(t, q, 3) // it has read them, and not done with them
	ack := func(ids ...string) {
		t.Helper()
		if err := q.client.XAck(t.Context(), q.cfg.Stream, "other", ids...).Err(); err != nil {
			t.Error(err)
		}
	}
	ack(ids[0], ids[2])
	sweep(t, q)
	wantLength(t, q, 2) // what comes after an entry that is needed waits for it
	ack(ids[1])
	sweep(t, q)
	wantLength(t, q, 0)
	send(t, q, "d")
	ack(readAs(t, q, "other", "somebody")...)
	sweep(t, q)
	m := receive(t, q, time.Minute) // this group was the slower one
	sweep(t, q)
	want(t, m, "d", 1)
	remove(t, q, m)
	wantLength(t, q, 0)
	shut(t, q)
}

// TestTwoQueuesOnOneStream have a group each, and each gets every message.
func TestTwoQueuesOnOneStream(t *testing.T) {
	cfg := settings(servertest.Redis(t))
	a := openQueue(t, cfg)
	cfg.Group = "second"
	b := openQueue(t, cfg)
	for i := range 20 {
		send(t, a, strconv.Itoa(i))
	}
	wantOnce(t, gather(t, 20, 2, work, a))
	wantOnce(t, gather(t, 20, 2, work, b))
	wantLength(t, a, 0)
	shut(t, a, b)
}

func consumers(t *testing.T, q *redis) []string {
	t.Helper()
	got, err := q.client.XInfoConsumers(t.Context(), q.cfg.Stream, q.cfg.Group).Result()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range got {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	return names
}

func TestConsumersAreNamedAndRemoved(t *testing.T) {
	cfg := settings(servertest.Redis(t))
	a, b, c := openQueue(t, cfg), openQueue(t, cfg), openQueue(t, cfg)
	send(t, a, "m")
	m := receive(t, a, 5*time.Second) // of which the others leave, before it comes again
	wantNone(t, b, 10*time.Millisecond)
	shut(t, b)
	if got := consumers(t, c); len(got) != 1 || got[0] != a.consumer || !strings.Contains(got[0], "-"+strconv.Itoa(os.Getpid())+"-") {
		t.Errorf("one has left: got the consumers %q, want %q, which names this process", got, a.consumer)
	}
	shut(t, a) // with a message in hand, which would be lost with its consumer
	if got := consumers(t, c); len(got) != 1 {
		t.Errorf("the other has left with a message: got the consumers %q, want its own", got)
	}
	if err := c.scripts.tidy.run(t.Context(), c, 0, "").Err(); err != nil {
		t.Error(err)
	}
	if got := consumers(t, c); len(got) != 1 {
		t.Errorf("after tidying: got the consumers %q, want the one with a message", got)
	}
	again := receive(t, c, time.Minute)
	want(t, again, string(m.Body), 2)
	if err := c.scripts.tidy.run(t.Context(), c, 0, "").Err(); err != nil {
		t.Error(err)
	}
	if got := consumers(t, c); len(got) != 1 || got[0] != c.consumer {
		t.Errorf("its message is another's: got the consumers %q, want %q", got, c.consumer)
	}
	shut(t, c)
}

// TestMessagesWithoutALease were delivered to a client that is not ours, or before the leases were lost.
func TestMessagesWithoutALease(t *testing.T) {
	cfg := settings(servertest.Redis(t))
	q := openQueue(t, cfg)
	const messages = adoptAtOnce + 100
	for i := range messages {
		send(t, q, strconv.Itoa(i))
	}
	if got := len(readAs(t, q, cfg.Group, "stranger")); got != messages {
		t.Fatalf("the stranger got %d, want %d", got, messages)
	}
	wantNone(t, q, 300*time.Millisecond)
	sweep(t, q)
	for body, n := range gather(t, messages, 4, func(ctx context.Context, q *redis) (queue.Message, error) {
		return q.Receive(ctx, time.Hour)
	}, q) {
		if n != 1 {
			t.Errorf("message %s came %d times, want once", body, n)
		}
	}
	if err := q.client.Del(t.Context(), q.keys[1]).Err(); err != nil {
		t.Fatal(err)
	}
	next := openQueue(t, cfg) // tidies
	wantOnce(t, gather(t, messages, 4, work, next))
	wantLength(t, next, 0)
	shut(t, q, next)
}

func TestEntriesOfOthers(t *testing.T) {
	q := openQueue(t, settings(servertest.Redis(t)))
	if err := q.client.XAdd(t.Context(), &goredis.XAddArgs{Stream: q.cfg.Stream, Values: []string{"hello", "world", "a", "b"}}).Err(); err != nil {
		t.Fatal(err)
	}
	m := receive(t, q, time.Minute)
	want(t, m, `{"a":"b","hello":"world"}`, 1)
	remove(t, q, m)
	wantLength(t, q, 0)
	shut(t, q)
}

// TestEntryThatSomebodyDeleted was delivered, and its lease has ended.
func TestEntryThatSomebodyDeleted(t *testing.T) {
	q := openQueue(t, settings(servertest.Redis(t)))
	send(t, q, "a")
	send(t, q, "b")
	m := receive(t, q, 50*time.Millisecond)
	id, _, err := parseReceipt(m.Receipt)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.client.XDel(t.Context(), q.cfg.Stream, id).Err(); err != nil {
		t.Fatal(err)
	}
	want(t, receive(t, q, time.Minute), "b", 1)
	wantNone(t, q, 400*time.Millisecond)
	wantLength(t, q, 1)
	shut(t, q)
}

func TestGroupThatIsGone(t *testing.T) {
	for _, tt := range []struct {
		name string
		gone func(ctx context.Context, q *redis) error
		left int // messages of the one in hand and the one that waits
	}{
		{"all of the server", func(ctx context.Context, q *redis) error { return q.client.FlushAll(ctx).Err() }, 0},
		{"the stream", func(ctx context.Context, q *redis) error { return q.client.Del(ctx, q.cfg.Stream).Err() }, 0},
		{"the group", func(ctx context.Context, q *redis) error {
			return q.client.XGroupDestroy(ctx, q.cfg.Stream, q.cfg.Group).Err()
		}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := openQueue(t, settings(servertest.StartRedis(t).URL()))
			send(t, q, "in hand")
			m := receive(t, q, time.Hour)
			send(t, q, "waits")
			if err := tt.gone(t.Context(), q); err != nil {
				t.Fatal(err)
			}
			if err := q.Hide(t.Context(), m, time.Minute); !errors.Is(err, fault.NotFound) {
				t.Errorf("hide: got %v, want fault.NotFound", err)
			}
			for range tt.left {
				receive(t, q, time.Hour)
			}
			wantNone(t, q, 50*time.Millisecond)
			remove(t, q, m)
			send(t, q, "after")
			want(t, receive(t, q, time.Hour), "after", 1)
			shut(t, q)
		})
	}
}

// TestDeleteAfterTheGroupIsGone takes the message away all the same: its work is done.
func TestDeleteAfterTheGroupIsGone(t *testing.T) {
	q := openQueue(t, settings(servertest.Redis(t)))
	send(t, q, "done")
	m := receive(t, q, time.Hour)
	if err := q.client.XGroupDestroy(t.Context(), q.cfg.Stream, q.cfg.Group).Err(); err != nil {
		t.Fatal(err)
	}
	remove(t, q, m)
	wantNone(t, q, 50*time.Millisecond)
	wantLength(t, q, 0)
	shut(t, q)
}
