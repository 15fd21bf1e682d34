// Package redis keeps a queue in a stream of Redis.
//
// The stream's entries are the messages, and a consumer group gives them to receivers and counts the deliveries. When the
// lease of each ends is in a sorted set beside the stream: Redis itself knows only how long ago a message was delivered.
// The two change together, in scripts.
package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/queue/polling"
)

const (
	// pollEvery is how often a receiver looks for what another has given back. A new message wakes it at once.
	pollEvery = 250 * time.Millisecond
	// callWithin is how long a call may take.
	callWithin = 30 * time.Second
	// replicateWithin is how long replicas may take to have a message.
	replicateWithin = 3 * time.Second
	// field is an entry's that holds the message.
	field = "body"
)

// redis is the queue.
type redis struct {
	cfg      Config
	keys     []string                // the stream, the leases
	client   goredis.UniversalClient // of one server or of a cluster
	log      *slog.Logger
	consumer string
	scripts  scripts
	poller   *polling.Poller
	tidying  tidying

	mu     sync.Mutex
	closed bool           // guarded by mu
	calls  sync.WaitGroup // added to under mu
}

// Send implements queue.Queue.
func (r *redis) Send(ctx context.Context, body []byte) error {
	body = append([]byte{}, body...) // the call may outlast the caller
	return r.call(ctx, "send a message", func(ctx context.Context) error {
		entry := &goredis.XAddArgs{Stream: r.cfg.Stream, Values: []any{field, body}}
		if r.cfg.WaitReplicas == 0 {
			return r.client.XAdd(ctx, entry).Err()
		}
		return r.sendReplicated(ctx, entry)
	})
}

// sendReplicated adds an entry and waits for the replicas. WAIT is about the writes of its own connection, which a pipeline
// has.
func (r *redis) sendReplicated(ctx context.Context, entry *goredis.XAddArgs) error {
	node, err := r.node(ctx)
	if err != nil {
		return err
	}
	pipe := node.Pipeline()
	pipe.XAdd(ctx, entry)
	wait := pipe.Do(ctx, "wait", r.cfg.WaitReplicas, millis(replicateWithin))
	if _, err := pipe.Exec(ctx); err != nil {
		r.moved(ctx, err)
		return err
	}
	reached, err := wait.Int()
	if err == nil && reached < r.cfg.WaitReplicas {
		return fault.New(fault.Busy, "not_replicated", "the message is on %d replicas after %v, and must be on %d", reached, replicateWithin, r.cfg.WaitReplicas)
	}
	return err
}

// Receive implements queue.Queue.
func (r *redis) Receive(ctx context.Context, lease time.Duration) (queue.Message, error) {
	return r.poller.Receive(ctx, lease)
}

// Take implements polling.Server.
func (r *redis) Take(ctx context.Context, lease time.Duration) (m queue.Message, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	if err := r.tidyNowAndThen(ctx); err != nil {
		return queue.Message{}, false, failed("tidy the queue", err)
	}
	reply, err := r.scripts.take(ctx, r, lease)
	if err != nil {
		return queue.Message{}, false, failed("receive a message", err)
	}
	if reply.id == "" {
		return queue.Message{}, false, failed("wait for a message", r.await(ctx, reply))
	}
	return queue.Message{Body: reply.body(), Attempt: reply.attempt, Receipt: receipt(reply.id, reply.attempt)}, true, nil
}

// await waits until there may be a message. It reads the stream past the group, and so takes nothing.
func (r *redis) await(ctx context.Context, none taken) error {
	wait := pollEvery
	if none.next >= 0 {
		wait = min(wait, max(none.next, time.Millisecond))
	}
	err := r.client.XRead(ctx, &goredis.XReadArgs{Streams: []string{r.cfg.Stream, none.last}, Count: 1, Block: wait}).Err()
	if errors.Is(err, goredis.Nil) {
		return nil
	}
	return err
}

// GiveBack implements polling.Server.
func (r *redis) GiveBack(ctx context.Context, m queue.Message) error {
	id, attempt, err := parseReceipt(m.Receipt)
	if err != nil {
		return err
	}
	return r.scripts.giveBack.run(ctx, r, id, attempt).Err()
}

// Hide implements queue.Queue. A message that another receiver has by now is fault.NotFound too.
func (r *redis) Hide(ctx context.Context, m queue.Message, d time.Duration) error {
	id, attempt, err := parseReceipt(m.Receipt)
	if err != nil {
		return err
	}
	return r.call(ctx, "hide a message", func(ctx context.Context) error {
		done, err := r.scripts.hide.run(ctx, r, id, attempt, millis(max(d, 0))).Bool()
		if isNoGroup(err) || err == nil && !done {
			return fault.New(fault.NotFound, "unknown_message", "the message was deleted, or received again")
		}
		return err
	})
}

// Delete implements queue.Queue. It does so for a receiver whose lease has ended too, as its work is done.
func (r *redis) Delete(ctx context.Context, m queue.Message) error {
	id, _, err := parseReceipt(m.Receipt)
	if err != nil {
		return err
	}
	return r.call(ctx, "delete a message", func(ctx context.Context) error {
		return r.scripts.delete.run(ctx, r, id).Err()
	})
}

// Close implements queue.Queue. The consumer is removed if it has no messages.
func (r *redis) Close() error {
	r.mu.Lock()
	was := r.closed
	r.closed = true
	r.mu.Unlock()
	r.poller.Close(callWithin)
	r.calls.Wait()
	if was {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	if err := r.scripts.tidy.run(ctx, r, 0, r.consumer).Err(); err != nil {
		r.log.WarnContext(ctx, "consumer not removed, another process removes it later", "consumer", r.consumer, "err", err)
	}
	return r.client.Close()
}

// call makes a call that ends with ctx. The library does not look at a context while it waits for an answer, so the call
// goes on in the background when its caller has left.
func (r *redis) call(ctx context.Context, what string, do func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	done := make(chan error, 1)
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return fmt.Errorf("%s: %w", what, fault.Closed)
	}
	r.calls.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callWithin)
		defer cancel()
		done <- do(ctx)
	})
	r.mu.Unlock()
	select {
	case err := <-done:
		return failed(what, err)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
}

// failed says what was tried, and of what kind the failure is.
func failed(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case goredis.IsOOMError(err):
		return fault.New(fault.Busy, "queue_full", "the queue's memory is full").Because(fmt.Errorf("%s: %w", what, err))
	case goredis.IsLoadingError(err), goredis.IsClusterDownError(err), goredis.IsTryAgainError(err), goredis.IsMasterDownError(err):
		return fault.New(fault.Busy, "queue_busy", "the queue is not ready").Because(fmt.Errorf("%s: %w", what, err))
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

// A receipt names the message and the delivery, so that a receiver whose lease has ended, and whose message another has
// by now, does not hide it from that one.
func receipt(id string, attempt int) string { return id + "/" + strconv.Itoa(attempt) }

// entryID is what the stream calls an entry.
var entryID = regexp.MustCompile(`^\d+-\d+$`)

func parseReceipt(text string) (id string, attempt int, err error) {
	id, n, _ := strings.Cut(text, "/")
	if attempt, err = strconv.Atoi(n); err != nil || !entryID.MatchString(id) {
		return "", 0, fault.New(fault.Invalid, "bad_receipt", "%.80q is not the receipt of a message", text)
	}
	return id, attempt, nil
}

// millis rounds d up to what the scripts count in.
func millis(d time.Duration) int64 { return int64((d + time.Millisecond - 1) / time.Millisecond) }

// body gives the message of an entry. One that somebody else has added comes as JSON, for people to see.
func (t taken) body() []byte {
	all := make(map[string]string)
	for i := 0; i+1 < len(t.fields); i += 2 {
		if t.fields[i] == field {
			return []byte(t.fields[i+1])
		}
		all[t.fields[i]] = t.fields[i+1]
	}
	text, err := json.Marshal(all)
	if err != nil {
		return nil // a map of strings always has a text
	}
	return text
}
