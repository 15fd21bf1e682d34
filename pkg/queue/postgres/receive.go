package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
)

const (
	// How often a receiver looks when nothing told it to: while this process hears what others send, and while it does not.
	hearingEvery, deafEvery = 5 * time.Second, 500 * time.Millisecond
	// lockedPause is the pause when a visible message could not be taken: another receiver is about to do so.
	lockedPause = 20 * time.Millisecond
)

// look is what a receiver finds.
type look struct {
	message queue.Message
	receipt receipt
	found   bool
	next    time.Duration // until the next message becomes visible, when there is one
	hidden  bool          // there is one
}

// Receive implements queue.Queue.
func (q *postgres) Receive(ctx context.Context, lease time.Duration) (queue.Message, error) {
	if err := ctx.Err(); err != nil {
		return queue.Message{}, q.failed("receive a message", err)
	}
	for {
		heard := q.ears.watch() // before looking, so that no message falls between
		l, err := q.look(ctx, lease)
		if err != nil {
			return queue.Message{}, q.failed("receive a message", err)
		}
		if l.found {
			return l.message, nil
		}
		if err := q.wait(ctx, l, heard); err != nil {
			return queue.Message{}, q.failed("receive a message", err)
		}
	}
}

// look takes a message if there is one. Statements that are cut off may be done all the same, so they run on when ctx ends,
// and what they took is put back.
func (q *postgres) look(ctx context.Context, lease time.Duration) (look, error) {
	type result struct {
		look look
		err  error
	}
	results := make(chan result)
	started := q.calls.Start(func(closing context.Context) {
		l, err := q.take(closing, ctx, lease)
		select {
		case results <- result{l, err}:
		case <-ctx.Done():
			if l.found {
				q.putBack(l.receipt)
			}
		}
	})
	if !started {
		return look{}, fault.Closed
	}
	select {
	case r := <-results:
		return r.look, r.err
	case <-ctx.Done():
		return look{}, ctx.Err()
	}
}

// begin is that of a take. A lease need not be on disk: when the server crashes the message comes early.
const begin = "begin isolation level read committed; set local synchronous_commit = off"

// take takes a message, unless wanted has ended before that is final.
func (q *postgres) take(ctx, wanted context.Context, lease time.Duration) (l look, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tx, err := q.pool.BeginTx(ctx, pgx.TxOptions{BeginQuery: begin})
	if err != nil {
		return look{}, err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // nothing to do after a commit
	l.receipt.delivery = newDelivery()
	err = tx.QueryRow(ctx, q.sql.take, micros(lease), l.receipt.delivery).Scan(&l.receipt.id, &l.message.Body, &l.message.Attempt)
	if errors.Is(err, pgx.ErrNoRows) {
		return q.next(ctx, tx)
	}
	if err = errors.Join(err, wanted.Err()); err != nil {
		return look{}, err
	}
	if err := tx.Commit(ctx); err != nil {
		q.putBack(l.receipt) // it may be taken all the same
		return look{}, err
	}
	l.message.Receipt, l.found = l.receipt.String(), true
	return l, nil
}

// next says when the next message becomes visible.
func (q *postgres) next(ctx context.Context, tx pgx.Tx) (l look, err error) {
	var left int64
	err = tx.QueryRow(ctx, q.sql.next).Scan(&left)
	if errors.Is(err, pgx.ErrNoRows) {
		return look{}, nil
	}
	return look{hidden: true, next: time.Duration(left) * time.Microsecond}, err
}

// putBack undoes the taking of a message that nobody gets.
func (q *postgres) putBack(r receipt) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := q.pool.Exec(ctx, q.sql.undo, r.id, r.delivery); err != nil {
		q.log.Warn("a message that nobody has received stays hidden until its lease ends", "err", err)
		return
	}
	q.tell(ctx)
}

// wait waits until there may be more to find. It returns ctx's error when ctx ends first.
func (q *postgres) wait(ctx context.Context, l look, heard <-chan struct{}) error {
	q.listen()
	pause := deafEvery
	if q.ears.hearing.Load() {
		pause = hearingEvery
	}
	if l.hidden {
		pause = min(pause, max(l.next+time.Millisecond, lockedPause))
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-heard:
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return q.calls.Err()
}
