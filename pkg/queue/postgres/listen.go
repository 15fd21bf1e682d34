package postgres

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// relisten is the pause after the connection was lost on which this process hears what others send.
const relisten = time.Second

// ears tell the receivers of this process that there may be something to find.
type ears struct {
	begun   sync.Once   // listening
	hearing atomic.Bool // what other processes send is heard

	mu    sync.Mutex
	heard chan struct{} // guarded by mu; closed and made anew when a message may have become visible
}

func newEars() *ears { return &ears{heard: make(chan struct{})} }

// watch gives what wake closes next.
func (e *ears) watch() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard
}

// wake lets every waiting receiver look.
func (e *ears) wake() {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.heard)
	e.heard = make(chan struct{})
}

// tell lets the receivers of all processes look. Should others not hear it, they look again after a while.
func (q *postgres) tell(ctx context.Context) {
	q.ears.wake()
	if _, err := q.exec(ctx, "select pg_notify($1, '')", q.channel); err != nil {
		q.log.DebugContext(ctx, "other receivers were not told of a message", "err", err)
	}
}

// listen begins to hear what other processes send, when the first receiver waits.
func (q *postgres) listen() {
	q.ears.begun.Do(func() { q.calls.Start(q.hear) })
}

// hear listens until ctx ends, again and again should the connection be lost.
func (q *postgres) hear(ctx context.Context) {
	for {
		err := q.hearOn(ctx)
		if q.ears.hearing.Swap(false) && ctx.Err() == nil {
			q.log.WarnContext(ctx, "messages of other processes are found later until Postgres tells of them again", "err", err)
		}
		q.ears.wake() // so that they look more often, or end
		t := time.NewTimer(relisten)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}

// hearOn listens on one connection until it is lost. It is none of the pool's, which may have few.
func (q *postgres) hearOn(ctx context.Context) (err error) {
	c, err := pgx.ConnectConfig(ctx, q.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer hangUp(c)
	if _, err := c.Exec(ctx, "listen "+pgx.Identifier{q.channel}.Sanitize()); err != nil {
		return err
	}
	q.ears.hearing.Store(true)
	for {
		q.ears.wake() // at first too: something may have been sent before
		if _, err := c.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}

// hangUp closes a connection that holds nothing, without waiting long for the server.
func hangUp(c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), relisten)
	defer cancel()
	_ = c.Close(ctx)
}

// channelOf names what is listened to and told: the table, whatever it is called by.
func channelOf(oid uint32) string { return fmt.Sprintf("scratchdata_queue_%d", oid) }
