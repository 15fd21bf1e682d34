// Package postgres keeps a queue in a table of a Postgres database.
package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/scratchdata/scratchdata/pkg/calls"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/pgcommit"
	"github.com/scratchdata/scratchdata/pkg/queue"
)

const (
	// opening is how long the server may take to be found usable.
	opening = 10 * time.Second
	// patience is how long it may take for any other call.
	patience = 30 * time.Second
)

// postgres is the queue. Its times are those of the database's clock.
type postgres struct {
	pool    *pgxpool.Pool
	sql     statements
	channel string
	log     *slog.Logger
	ears    *ears
	calls   *calls.Group
}

// Open opens the queue in cfg's table, which is made when it is missing. Several processes may use the same table.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (queue.Queue, error) {
	ctx, cancel := context.WithTimeout(ctx, opening)
	defer cancel()
	table, err := cfg.table()
	if err != nil {
		return nil, err
	}
	pool, err := newPool(ctx, cfg)
	if err != nil {
		return nil, err
	}
	oid, err := ensure(ctx, pool, table)
	if err != nil {
		pool.Close()
		return nil, err
	}
	if err := pgcommit.Warn(ctx, pool, log); err != nil {
		pool.Close()
		return nil, err
	}
	return &postgres{pool: pool, sql: statementsFor(table), channel: channelOf(oid), log: log, ears: newEars(), calls: calls.New()}, nil
}

func newPool(ctx context.Context, cfg Config) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(cfg.DSN.Reveal())
	if err != nil {
		return nil, errors.New("the DSN cannot be read") // its own words might show the password
	}
	c.ConnConfig.ConnectTimeout = min(c.ConnConfig.ConnectTimeout, opening)
	if params := c.ConnConfig.RuntimeParams; params["application_name"] == "" {
		params["application_name"] = "scratchdata"
	}
	c.ConnConfig.AfterConnect = pgcommit.Wait // or a message that was sent may be gone after a crash
	return pgxpool.NewWithConfig(ctx, c)
}

// receipt names a message and a delivery of it, so that a receiver whose lease has ended, and whose message another has by
// now, does not hide it from that one.
type receipt struct {
	id       int64
	delivery string // a UUID: 16 random bytes in hexadecimal digits
}

// newDelivery names a delivery.
func newDelivery() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (r receipt) String() string { return strconv.FormatInt(r.id, 10) + "/" + r.delivery }

func parseReceipt(text string) (r receipt, err error) {
	id, delivery, _ := strings.Cut(text, "/")
	r.id, err = strconv.ParseInt(id, 10, 64)
	b, hexErr := hex.DecodeString(delivery)
	if err != nil || hexErr != nil || len(b) != 16 {
		return receipt{}, fault.New(fault.Invalid, "bad_receipt", "%.80q is not the receipt of a message", text)
	}
	r.delivery = delivery
	return r, nil
}

// micros gives a time as the database counts it, rounded up.
func micros(d time.Duration) int64 {
	n := max(d, 0) / time.Microsecond
	if d > n*time.Microsecond {
		n++
	}
	return int64(n)
}

// Send implements queue.Queue.
func (q *postgres) Send(ctx context.Context, body []byte) error {
	if body == nil {
		body = []byte{} // nil would be SQL's null
	}
	if _, err := q.exec(ctx, q.sql.send, body); err != nil {
		return q.failed("send a message", err)
	}
	// Not in the same transaction: those that tell commit one after the other, each with its own wait for the disk.
	q.tell(ctx)
	return nil
}

// Hide implements queue.Queue. A message that another receiver has by now is fault.NotFound too.
func (q *postgres) Hide(ctx context.Context, m queue.Message, d time.Duration) error {
	r, err := parseReceipt(m.Receipt)
	if err != nil {
		return err
	}
	n, err := q.exec(ctx, q.sql.hide, micros(d), r.id, r.delivery)
	if err != nil {
		return q.failed("hide a message", err)
	}
	if n == 0 {
		return fault.New(fault.NotFound, "unknown_message", "the message was deleted, or received again")
	}
	if d < hearingEvery { // others would find it later
		q.tell(ctx)
	}
	return nil
}

// Delete implements queue.Queue. It does so for a receiver whose lease has ended too, as its work is done.
func (q *postgres) Delete(ctx context.Context, m queue.Message) error {
	r, err := parseReceipt(m.Receipt)
	if err != nil {
		return err
	}
	if _, err := q.exec(ctx, q.sql.remove, r.id); err != nil {
		return q.failed("delete a message", err)
	}
	return nil
}

// exec runs a statement and says how many rows it has changed.
func (q *postgres) exec(ctx context.Context, sql string, args ...any) (rows int64, err error) {
	ctx, cancel := q.bound(ctx)
	defer cancel()
	tag, err := q.pool.Exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}

// bound ends ctx when the queue is closed, and when the server takes too long.
func (q *postgres) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, release := q.calls.Bound(ctx)
	ctx, cancel := context.WithTimeout(ctx, patience)
	return ctx, func() {
		cancel()
		release()
	}
}

// Close implements queue.Queue. Whoever waits in Receive gets fault.Closed.
func (q *postgres) Close() error {
	if !q.calls.Close() {
		return nil
	}
	q.ears.wake()
	q.calls.Wait()
	q.pool.Close()
	return nil
}

// failed says what was tried, and that the queue is closed when it is.
func (q *postgres) failed(what string, err error) error {
	if closed := q.calls.Err(); closed != nil {
		err = errors.Join(closed, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
