package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

type batches struct{ s *store }

// Shipped implements control.Batches.
func (v batches) Shipped(ctx context.Context, b control.Batch) error {
	if _, err := v.s.exec(ctx, v.s.stmts.shipped, values(b)...); err != nil {
		return v.s.failed("note shipped batch "+b.ID, err)
	}
	return nil
}

// Attempt implements control.Batches.
func (v batches) Attempt(ctx context.Context, b control.Batch) (known control.Batch, err error) {
	stmt := v.s.stmts.attempt
	err = v.s.inTx(ctx, stmt.db, func(ctx context.Context, tx *sql.Tx) error {
		known, err = scan(tx.StmtContext(ctx, stmt.Stmt).QueryRowContext(ctx, values(b)...))
		return err
	})
	if err != nil {
		return control.Batch{}, v.s.failed("note attempt at batch "+b.ID, err)
	}
	return known, nil
}

// Settle implements control.Batches. A batch that is dead stays so, with its first reason, unless the outcome is that it
// was loaded: a slower try that failed as well has no message left with which it could come again.
func (v batches) Settle(ctx context.Context, id string, o control.Outcome) error {
	var stmt statement
	var args []any
	now := time.Now().UnixMicro()
	switch o.State {
	case control.StateLoaded:
		stmt, args = v.s.stmts.loaded, []any{o.Rows, o.Rescued, now, id}
	case control.StateDead:
		stmt, args = v.s.stmts.dead, []any{o.Reason, now, id}
	case control.StateShipped:
		stmt, args = v.s.stmts.failed, []any{o.Reason, id}
	default:
		return fault.New(fault.Invalid, "bad_state", "settle batch %s: %q is not a state", id, o.State)
	}
	changed, err := v.s.exec(ctx, stmt, args...)
	if err != nil {
		return v.s.failed("settle batch "+id, err)
	}
	if changed == 0 { // nothing to change, or no such batch
		_, err = v.Find(ctx, id)
	}
	return err
}

// Find implements control.Batches.
func (v batches) Find(ctx context.Context, id string) (control.Batch, error) {
	b, err := scan(v.s.stmts.find.QueryRowContext(ctx, id))
	if errors.Is(err, sql.ErrNoRows) {
		return b, fault.New(fault.NotFound, "unknown_batch", "no batch has the id %.40q", id)
	}
	if err != nil {
		return b, v.s.failed("find batch "+id, err)
	}
	return b, nil
}

// Pending implements control.Batches.
func (v batches) Pending(ctx context.Context) (n int, oldest time.Time, err error) {
	var created sql.NullInt64
	if err := v.s.stmts.pending.QueryRowContext(ctx).Scan(&n, &created); err != nil {
		return 0, time.Time{}, v.s.failed("count pending batches", err)
	}
	return n, fromMicros(created), nil
}

// Waiting implements control.Batches.
func (v batches) Waiting(ctx context.Context) (bytes map[string]int64, err error) {
	rows, err := v.s.stmts.waiting.QueryContext(ctx)
	if err != nil {
		return nil, v.s.failed("add up waiting batches", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	bytes = make(map[string]int64)
	for rows.Next() {
		var destination string
		var sum int64
		if err := rows.Scan(&destination, &sum); err != nil {
			return nil, v.s.failed("add up waiting batches", err)
		}
		bytes[destination] = sum
	}
	if err := rows.Err(); err != nil {
		return nil, v.s.failed("add up waiting batches", err)
	}
	return bytes, nil
}
