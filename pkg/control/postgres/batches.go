package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// batchFields is what scanBatch reads.
const batchFields = `id, destination, tbl, state, row_count, bytes, rescued, attempts, reason, message, created, settled`

// insertBatch notes a new batch with the number of attempts that follows it.
const insertBatch = `insert into batches (id, destination, tbl, row_count, bytes, message, created, state, attempts)
	values ($1, $2, $3, $4, $5, $6, $7, 'shipped', `

const (
	shipBatch    = insertBatch + `0) on conflict (id) do nothing`
	attemptBatch = insertBatch + `1) on conflict (id) do update set attempts = batches.attempts + 1 returning ` + batchFields
	batchFailed  = `update batches set reason = $2 where id = $1 and state = 'shipped'`
	batchLoaded  = `update batches set state = 'loaded', row_count = $2, rescued = $3, reason = '', message = '', settled = now()
		where id = $1 and state <> 'loaded'`
	batchDead = `update batches set state = 'dead', reason = $2, settled = now() where id = $1 and state = 'shipped'`
	findBatch = `select ` + batchFields + ` from batches where id = $1`
	pending   = `select count(*), min(created) from batches where state = 'shipped'`
	waiting   = `select destination, sum(bytes)::bigint from (select destination, bytes from batches where state = 'shipped'
		union all select destination, bytes from batches where state = 'dead') b group by destination`

	pruneBatches = `delete from batches where id = any(array(select id from batches where state = 'loaded' and settled < $1
		order by settled limit $2 for update))`
)

type batches struct{ s *store }

// Shipped implements control.Batches.
func (v batches) Shipped(ctx context.Context, b control.Batch) error {
	if _, err := v.s.exec(ctx, shipBatch, values(b)...); err != nil {
		return v.s.failed("note shipped batch "+b.ID, err)
	}
	return nil
}

// Attempt implements control.Batches.
func (v batches) Attempt(ctx context.Context, b control.Batch) (control.Batch, error) {
	known, err := one(ctx, v.s, scanBatch, attemptBatch, values(b)...)
	if err != nil {
		return control.Batch{}, v.s.failed("note attempt at batch "+b.ID, err)
	}
	return known, nil
}

// Settle implements control.Batches. A batch that is dead stays so, with its first reason, unless the outcome is that it
// was loaded: a slower try that failed as well has no message left with which it could come again. The time of its end is
// the database's, so that the servers' own clocks may differ.
func (v batches) Settle(ctx context.Context, id string, o control.Outcome) error {
	var sql string
	var args []any
	switch o.State {
	case control.StateLoaded:
		sql, args = batchLoaded, []any{text(id), o.Rows, o.Rescued}
	case control.StateDead:
		sql, args = batchDead, []any{text(id), text(o.Reason)}
	case control.StateShipped:
		sql, args = batchFailed, []any{text(id), text(o.Reason)}
	default:
		return fault.New(fault.Invalid, "bad_state", "settle batch %s: %q is not a state", id, o.State)
	}
	changed, err := v.s.exec(ctx, sql, args...)
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
	b, err := one(ctx, v.s, scanBatch, findBatch, text(id))
	if errors.Is(err, pgx.ErrNoRows) {
		return b, fault.New(fault.NotFound, "unknown_batch", "no batch has the id %.40q", id)
	}
	if err != nil {
		return b, v.s.failed("find batch "+id, err)
	}
	return b, nil
}

// Pending implements control.Batches.
func (v batches) Pending(ctx context.Context) (n int, oldest time.Time, err error) {
	type answer struct {
		n      int
		oldest *time.Time
	}
	a, err := one(ctx, v.s, func(row pgx.CollectableRow) (a answer, err error) {
		err = row.Scan(&a.n, &a.oldest)
		return a, err
	}, pending)
	if err != nil {
		return 0, time.Time{}, v.s.failed("count pending batches", err)
	}
	return a.n, orZero(a.oldest), nil
}

// Waiting implements control.Batches.
func (v batches) Waiting(ctx context.Context) (map[string]int64, error) {
	bytes := make(map[string]int64)
	_, err := listOf(ctx, v.s, func(row pgx.CollectableRow) (none struct{}, err error) {
		var destination text
		var sum int64
		if err = row.Scan(&destination, &sum); err == nil {
			bytes[string(destination)] = sum
		}
		return none, err
	}, waiting)
	if err != nil {
		return nil, v.s.failed("add up waiting batches", err)
	}
	return bytes, nil
}

// scanBatch reads batchFields.
func scanBatch(row pgx.CollectableRow) (b control.Batch, err error) {
	var created, settled *time.Time
	err = row.Scan((*text)(&b.ID), (*text)(&b.Destination), table{&b.Table}, &b.State, &b.Rows, &b.Bytes, &b.Rescued, &b.Attempts,
		(*text)(&b.Reason), &b.Message, &created, &settled)
	if err != nil {
		return control.Batch{}, err
	}
	b.Created, b.Settled = orZero(created), orZero(settled)
	return b, nil
}

// values are the arguments of insertBatch.
func values(b control.Batch) []any {
	message := b.Message
	if message == nil {
		message = []byte{} // nil would be SQL's null
	}
	return []any{text(b.ID), text(b.Destination), text(b.Table.String()), b.Rows, b.Bytes, message, orNull(b.Created)}
}
