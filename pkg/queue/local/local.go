// Package local keeps a queue in a SQLite file.
package local

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"maragu.dev/goqite"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/sqlitedb"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// name is the queue's within its file.
	name = "batches"
	// pollEvery is how often a receiver looks for what another process has sent, and for leases that have ended. A Send
	// in this process wakes it at once.
	pollEvery = 250 * time.Millisecond
	// minLease is the shortest lease: the file holds times in milliseconds.
	minLease = time.Millisecond
)

// local is the queue. The file's times are those of the machine's clock.
type local struct {
	db     *sql.DB
	clock  *clock
	log    *slog.Logger
	closed chan struct{}
	poll   time.Duration // pollEvery, or a test's

	mu      sync.Mutex
	changed chan struct{} // guarded by mu; closed and made anew when a message may have become visible
	ended   bool          // guarded by mu; closed is closed
}

// Open opens the queue in cfg.File, which is made when it is missing. Several processes may have the same file open.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (queue.Queue, error) {
	steps, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	db, err := sqlitedb.Writer(ctx, cfg.File, sqlitedb.SyncFull, steps, log)
	if err != nil {
		return nil, err
	}
	return &local{db: db, clock: newClock(), log: log, closed: make(chan struct{}), poll: pollEvery, changed: make(chan struct{})}, nil
}

// messages gives the library's view of the file. The library has one lease for all of a queue, and one queue is as good
// as another, so each receive makes its own. No message is ever too often received: giving up is the workers' business.
func (l *local) messages(lease time.Duration) *goqite.Queue {
	return goqite.New(goqite.NewOpts{DB: l.db, Name: name, MaxReceive: math.MaxInt, Timeout: max(lease, minLease)})
}

// Send implements queue.Queue.
func (l *local) Send(ctx context.Context, body []byte) error {
	if body == nil {
		body = []byte{} // nil would be SQL's null
	}
	err := sqlitedb.InTx(ctx, l.db, func(ctx context.Context, tx *sql.Tx) error {
		return l.messages(0).SendTx(ctx, tx, goqite.Message{Body: body})
	})
	if err != nil {
		return l.failed("send a message", err)
	}
	l.wake()
	return nil
}

// Receive implements queue.Queue.
func (l *local) Receive(ctx context.Context, lease time.Duration) (queue.Message, error) {
	poll := time.NewTicker(l.poll)
	defer poll.Stop()
	for {
		changed := l.watch() // before looking, so that no Send falls between
		err := l.followClock(ctx)
		if err != nil {
			return queue.Message{}, l.failed("follow the clock", err)
		}
		m, found, err := l.take(ctx, lease)
		if err != nil {
			return queue.Message{}, l.failed("receive a message", err)
		}
		if found {
			return m, nil
		}
		select {
		case <-changed:
		case <-poll.C:
		case <-l.closed:
		case <-ctx.Done():
			return queue.Message{}, ctx.Err()
		}
	}
}

// take receives a message if there is one.
func (l *local) take(ctx context.Context, lease time.Duration) (m queue.Message, found bool, err error) {
	err = sqlitedb.InTx(ctx, l.db, func(ctx context.Context, tx *sql.Tx) error {
		got, err := l.messages(lease).ReceiveTx(ctx, tx)
		if err != nil || got == nil {
			return err
		}
		m.Body = got.Body
		if m.Attempt, err = attempts(ctx, tx, got.ID); err != nil {
			return err
		}
		m.Receipt = receipt(got.ID, m.Attempt)
		found = true
		return nil
	})
	return m, found && err == nil, err
}

// attempts says how often a message was received; an unknown one is sql.ErrNoRows.
func attempts(ctx context.Context, tx *sql.Tx, id goqite.ID) (n int, err error) {
	err = tx.QueryRowContext(ctx, "select received from goqite where queue = ? and id = ?", name, id).Scan(&n)
	return n, err
}

// A receipt names the message and the delivery, so that a receiver whose lease has ended, and whose message another has
// by now, does not hide it from that one.
func receipt(id goqite.ID, attempt int) string { return string(id) + "/" + strconv.Itoa(attempt) }

func parseReceipt(r string) (id goqite.ID, attempt int, err error) {
	text, n, _ := strings.Cut(r, "/")
	if attempt, err = strconv.Atoi(n); err != nil {
		return "", 0, fault.New(fault.Invalid, "bad_receipt", "%.80q is not the receipt of a message", r)
	}
	return goqite.ID(text), attempt, nil
}

// Hide implements queue.Queue. A message that another receiver has by now is fault.NotFound too.
func (l *local) Hide(ctx context.Context, m queue.Message, d time.Duration) error {
	id, attempt, err := parseReceipt(m.Receipt)
	if err != nil {
		return err
	}
	err = sqlitedb.InTx(ctx, l.db, func(ctx context.Context, tx *sql.Tx) error {
		now, err := attempts(ctx, tx, id)
		if errors.Is(err, sql.ErrNoRows) || err == nil && now != attempt {
			return fault.New(fault.NotFound, "unknown_message", "the message was deleted, or received again")
		}
		if err != nil {
			return err
		}
		return l.messages(0).ExtendTx(ctx, tx, id, max(d, 0))
	})
	if err != nil {
		return l.failed("hide a message", err)
	}
	if d < pollEvery {
		l.wake()
	}
	return nil
}

// Delete implements queue.Queue. It does so for a receiver whose lease has ended too, as its work is done.
func (l *local) Delete(ctx context.Context, m queue.Message) error {
	id, _, err := parseReceipt(m.Receipt)
	if err != nil {
		return err
	}
	err = sqlitedb.InTx(ctx, l.db, func(ctx context.Context, tx *sql.Tx) error {
		return l.messages(0).DeleteTx(ctx, tx, id)
	})
	if err != nil {
		return l.failed("delete a message", err)
	}
	return nil
}

// Recover implements queue.Recoverer: it ends every lease.
func (l *local) Recover(ctx context.Context) error {
	err := sqlitedb.InTx(ctx, l.db, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "update goqite set timeout = created where queue = ?", name)
		return err
	})
	if err != nil {
		return l.failed("end the leases of the last run", err)
	}
	l.wake()
	return nil
}

// Close implements queue.Queue. Whoever waits in Receive gets fault.Closed.
func (l *local) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return nil
	}
	l.ended = true
	close(l.closed)
	return l.db.Close()
}

// watch gives what wake closes next.
func (l *local) watch() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// wake lets every waiting receiver look.
func (l *local) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
}

// failed says what was tried, and that the queue is closed when it is.
func (l *local) failed(what string, err error) error {
	select {
	case <-l.closed:
		return fmt.Errorf("%s: %w", what, errors.Join(fault.Closed, err))
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}
