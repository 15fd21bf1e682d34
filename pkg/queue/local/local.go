// Package local is a durable queue in a SQLite file, by goqite.
package local

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"maragu.dev/goqite"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/sqlitefile"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config is where the queue is.
type Config struct {
	File string `yaml:"file"` // a SQLite database, made when it is missing
}

// DefaultConfig returns the settings used when none are given.
func DefaultConfig() Config { return Config{File: "./data/queue.db"} }

// Validate says what is wrong with c.
func (c Config) Validate() error {
	if c.File == "" {
		return errors.New("file: a file is wanted")
	}
	return nil
}

// name is the queue's name inside the file.
const name = "batches"

// poll is how often messages of other processes are looked for. Those of this process are announced.
const poll = 250 * time.Millisecond

// Open opens the queue, and makes it when it is missing.
func Open(ctx context.Context, c Config, _ *slog.Logger) (queue.Queue, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	db, err := sqlitefile.Open(ctx, c.File, sqlitefile.Full, sub)
	if err != nil {
		return nil, fmt.Errorf("the queue: %w", err)
	}
	return &local{db: db, sent: make(chan struct{}, 1)}, nil
}

type local struct {
	db   *sql.DB
	sent chan struct{} // holds a token when a message may be there
}

// goqiteWith gives the queue with a lease, which goqite keeps per queue and not per call.
func (q *local) goqiteWith(lease time.Duration) *goqite.Queue {
	return goqite.New(goqite.NewOpts{DB: q.db, Name: name, Timeout: max(lease, time.Millisecond), MaxReceive: 1 << 30})
}

func (q *local) Send(ctx context.Context, body []byte) error {
	if err := q.goqiteWith(time.Second).Send(ctx, goqite.Message{Body: body}); err != nil {
		return fmt.Errorf("send a message: %w", err)
	}
	q.announce()
	return nil
}

// announce leaves a token for a receiver that waits or that comes next.
func (q *local) announce() {
	select {
	case q.sent <- struct{}{}:
	default:
	}
}

func (q *local) Receive(ctx context.Context, lease time.Duration) (queue.Message, error) {
	g := q.goqiteWith(lease)
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		if err := ctx.Err(); err != nil {
			return queue.Message{}, err
		}
		m, err := q.take(context.WithoutCancel(ctx), g)
		if err != nil {
			return queue.Message{}, fmt.Errorf("receive a message: %w", err)
		}
		if m.Receipt != "" {
			q.announce() // where one was, there may be more
			return m, nil
		}
		select {
		case <-ctx.Done():
		case <-q.sent:
		case <-tick.C:
		}
	}
}

// take receives a message, if there is one, and reads which delivery this is, in one transaction.
func (q *local) take(ctx context.Context, g *goqite.Queue) (m queue.Message, err error) {
	tx, err := q.db.BeginTx(ctx, nil)
	if err != nil {
		return m, err
	}
	defer tx.Rollback() //nolint:errcheck // does nothing after the commit
	got, err := g.ReceiveTx(ctx, tx)
	if err != nil || got == nil {
		return m, err
	}
	var attempt int
	if err := tx.QueryRowContext(ctx, "select received from goqite where id = ?", got.ID).Scan(&attempt); err != nil {
		return m, err
	}
	if err := tx.Commit(); err != nil {
		return m, err
	}
	return queue.Message{Body: got.Body, Attempt: attempt, Receipt: queue.Receipt(string(got.ID), attempt)}, nil
}

func (q *local) Hide(ctx context.Context, m queue.Message, d time.Duration) error {
	id, attempt, err := queue.ParseReceipt(m.Receipt)
	if err != nil {
		return err
	}
	until := time.Now().UTC().Add(d).Format(timeout)
	res, err := q.db.ExecContext(ctx, "update goqite set timeout = ? where queue = ? and id = ? and received = ?", until, name, id, attempt)
	if err != nil {
		return fmt.Errorf("hide a message: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, fault.New(fault.NotFound, "no_message", "the message is not this receiver's any more"))
	}
	q.announce()
	return nil
}

// timeout is the form in which goqite keeps times.
const timeout = "2006-01-02T15:04:05.000Z07:00"

func (q *local) Delete(ctx context.Context, m queue.Message) error {
	id, _, err := queue.ParseReceipt(m.Receipt)
	if err != nil {
		return err
	}
	if err := q.goqiteWith(time.Second).Delete(ctx, goqite.ID(id)); err != nil {
		return fmt.Errorf("delete a message: %w", err)
	}
	return nil
}

// Recover ends every lease.
func (q *local) Recover(ctx context.Context) error {
	_, err := q.db.ExecContext(ctx, "update goqite set timeout = ? where queue = ?", time.Now().UTC().Format(timeout), name)
	if err != nil {
		return fmt.Errorf("end the leases of the last run: %w", err)
	}
	q.announce()
	return nil
}

func (q *local) Close() error { return q.db.Close() }
