package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

type batches store

const columns = `id, destination, "table", state, rows, bytes, rescued, attempts, reason, message, created, settled`

const insertShipped = `insert into batches (id, destination, "table", state, rows, bytes, message, created, attempts)
	values (?, ?, ?, 'shipped', ?, ?, ?, ?, ?)`

func shippedArgs(b control.Batch, attempts int) []any {
	message := b.Message
	if message == nil {
		message = []byte{}
	}
	return []any{b.ID, b.Destination, b.Table.String(), b.Rows, b.Bytes, message, b.Created.UnixMicro(), attempts}
}

func (s *batches) Shipped(ctx context.Context, b control.Batch) error {
	if _, err := s.db.ExecContext(ctx, insertShipped+` on conflict (id) do nothing`, shippedArgs(b, 0)...); err != nil {
		return fmt.Errorf("note batch %s as shipped: %w", b.ID, err)
	}
	return nil
}

func (s *batches) Attempt(ctx context.Context, b control.Batch) (control.Batch, error) {
	row := s.db.QueryRowContext(ctx, insertShipped+` on conflict (id) do update set attempts = attempts + 1 returning `+columns, shippedArgs(b, 1)...)
	got, err := scan(row)
	if err != nil {
		return control.Batch{}, fmt.Errorf("count an attempt on batch %s: %w", b.ID, err)
	}
	return got, nil
}

func (s *batches) Settle(ctx context.Context, id string, o control.Outcome) error {
	settle := func(tx execer) error { return settle(ctx, tx, id, o) }
	var err error
	if o.State == control.StateDead {
		err = (*store)(s).durably(ctx, func(tx *sql.Tx) error { return settle(tx) })
	} else {
		err = settle(s.db)
	}
	if err != nil {
		return fmt.Errorf("note batch %s as %s: %w", id, o.State, err)
	}
	return nil
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func settle(ctx context.Context, tx execer, id string, o control.Outcome) error {
	now := time.Now().UnixMicro()
	if o.State == control.StateShipped {
		now = 0
	}
	res, err := tx.ExecContext(ctx, `update batches set state = ?1, reason = ?2, settled = ?3,
		rows = case ?1 when 'loaded' then ?4 else rows end, rescued = case ?1 when 'loaded' then ?5 else rescued end
		where id = ?6 and state <> 'loaded'`, string(o.State), o.Reason, now, o.Rows, o.Rescued, id)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return err
	}
	var known int
	if err := tx.QueryRowContext(ctx, `select count(*) from batches where id = ?`, id).Scan(&known); err != nil {
		return err
	}
	if known == 0 {
		return unknown(id)
	}
	return nil
}

func unknown(id string) error {
	return fault.New(fault.NotFound, "unknown_batch", "no batch has the id %.40q", id)
}

func (s *batches) Find(ctx context.Context, id string) (control.Batch, error) {
	b, err := scan(s.db.QueryRowContext(ctx, `select `+columns+` from batches where id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return b, unknown(id)
	}
	if err != nil {
		return b, fmt.Errorf("find batch %s: %w", id, err)
	}
	return b, nil
}

func (s *batches) Pending(ctx context.Context) (n int, oldest time.Time, err error) {
	var micros sql.NullInt64
	err = s.db.QueryRowContext(ctx, `select count(*), min(created) from batches where state = 'shipped'`).Scan(&n, &micros)
	if err != nil {
		return 0, oldest, fmt.Errorf("count the batches on their way: %w", err)
	}
	if micros.Valid {
		oldest = time.UnixMicro(micros.Int64)
	}
	return n, oldest, nil
}

// scan reads one row of columns.
func scan(row interface{ Scan(...any) error }) (control.Batch, error) {
	var b control.Batch
	var table, state string
	var created, settled int64
	err := row.Scan(&b.ID, &b.Destination, &table, &state, &b.Rows, &b.Bytes, &b.Rescued, &b.Attempts, &b.Reason, &b.Message, &created, &settled)
	if err != nil {
		return control.Batch{}, err
	}
	if b.Table, err = schema.ParseTable(table); err != nil {
		return control.Batch{}, fmt.Errorf("batch %s: %w", b.ID, err)
	}
	b.State, b.Created = control.State(state), time.UnixMicro(created)
	if settled != 0 {
		b.Settled = time.UnixMicro(settled)
	}
	return b, nil
}
