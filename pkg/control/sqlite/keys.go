package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/control/idlist"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// rememberAtOnce is how many inserts a statement of Remember takes.
const rememberAtOnce = 50

// forgetAtOnce is how many inserts a transaction of Forget removes, so that no other write waits long.
const forgetAtOnce = 1000

type keys struct{ s *store }

// Now implements control.Clock.
func (v keys) Now(ctx context.Context) (time.Time, error) { return v.s.Now(ctx) }

// Remember implements control.Keys.
func (v keys) Remember(ctx context.Context, inserts []control.KeyedInsert) (elsewhere []control.KeyedInsert, err error) {
	if len(inserts) == 0 {
		return nil, nil
	}
	order := byKey(inserts)
	err = v.s.inTx(ctx, v.s.synced, func(ctx context.Context, tx *sql.Tx) error {
		added, err := v.insert(ctx, tx, inserts, order)
		if err == nil && added < int64(len(inserts)) {
			elsewhere, err = v.elsewhere(ctx, tx, inserts)
		}
		if err != nil || added == 0 {
			return err
		}
		_, err = tx.StmtContext(ctx, v.s.stmts.more.Stmt).ExecContext(ctx, added)
		return err
	})
	if err != nil {
		return nil, v.s.failed("remember inserts by their keys", err)
	}
	return elsewhere, nil
}

// elsewhere finds those of the inserts that are known of another batch.
func (v keys) elsewhere(ctx context.Context, tx *sql.Tx, inserts []control.KeyedInsert) (list []control.KeyedInsert, err error) {
	find := tx.StmtContext(ctx, v.s.stmts.knownKey.Stmt)
	for _, in := range inserts {
		k, err := scanKey(find.QueryRowContext(ctx, in.Destination, in.Key[:]), in.Destination, in.Key)
		if err != nil {
			return nil, err
		}
		if k.Batch != in.Batch {
			list = append(list, k)
		}
	}
	return list, nil
}

// insert adds the inserts in the order given by their indexes, but for those that are known, and gives how many it added.
func (v keys) insert(ctx context.Context, tx *sql.Tx, inserts []control.KeyedInsert, order []int) (added int64, err error) {
	many := tx.StmtContext(ctx, v.s.stmts.rememberMany.Stmt)
	one := tx.StmtContext(ctx, v.s.stmts.remember.Stmt)
	args := make([]any, 0, rememberAtOnce*8)
	for len(order) > 0 {
		stmt, n := one, 1
		if len(order) >= rememberAtOnce {
			stmt, n = many, rememberAtOnce
		}
		args = args[:0]
		for _, i := range order[:n] {
			args = appendValues(args, &inserts[i])
		}
		result, err := stmt.ExecContext(ctx, args...)
		if err != nil {
			return 0, err
		}
		fresh, err := result.RowsAffected()
		if err != nil {
			return 0, err
		}
		added += fresh
		order = order[n:]
	}
	return added, nil
}

// byKey gives the order of the inserts by their keys, those of the same key as they come. Neighbours share a page of the
// index of keys then, which is written once: among millions of keys that takes half the time.
func byKey(inserts []control.KeyedInsert) []int {
	order := make([]int, len(inserts))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		a, b := &inserts[i], &inserts[j]
		return cmp.Or(cmp.Compare(a.Destination, b.Destination), bytes.Compare(a.Key[:], b.Key[:]), cmp.Compare(i, j))
	})
	return order
}

func appendValues(args []any, k *control.KeyedInsert) []any {
	return append(args, k.Destination, k.Key[:], k.Body[:], k.Receipt, k.Batch, k.Rows, idlist.Pack(k.RowIDs), k.Made.UnixMicro())
}

// Find implements control.Keys.
func (v keys) Find(ctx context.Context, destination string, key control.Digest) (control.KeyedInsert, error) {
	k, err := scanKey(v.s.stmts.findKey.QueryRowContext(ctx, destination, key[:]), destination, key)
	if errors.Is(err, sql.ErrNoRows) {
		return control.KeyedInsert{}, fault.New(fault.NotFound, "unknown_key", "no insert of destination %.40q has the key %x",
			destination, key)
	}
	if err != nil {
		return control.KeyedInsert{}, v.s.failed("find insert by its key", err)
	}
	return k, nil
}

// scanKey reads what is known of a key.
func scanKey(row row, destination string, key control.Digest) (k control.KeyedInsert, err error) {
	k.Destination, k.Key = destination, key
	var body, ids []byte
	var made int64
	if err := row.Scan(&body, &k.Receipt, &k.Batch, &k.Rows, &ids, &made); err != nil {
		return control.KeyedInsert{}, err
	}
	copy(k.Body[:], body)
	k.Made = time.UnixMicro(made).UTC()
	k.RowIDs, err = idlist.Unpack(ids)
	return k, err
}

// Forget implements control.Keys.
func (v keys) Forget(ctx context.Context, before time.Time, most int) (control.KeysLeft, error) {
	left, err := v.forget(ctx, before, max(most, 0))
	if err != nil {
		return control.KeysLeft{}, v.s.failed("forget inserts by their keys", err)
	}
	return left, nil
}

func (v keys) forget(ctx context.Context, before time.Time, most int) (left control.KeysLeft, err error) {
	if _, err = v.inSteps(ctx, v.s.stmts.forgetBefore, before.UnixMicro()); err != nil {
		return left, err
	}
	if left.Early, err = v.inSteps(ctx, v.s.stmts.forgetOver, most); err != nil {
		return left, err
	}
	var oldest sql.NullInt64
	err = v.s.stmts.keysLeft.QueryRowContext(ctx).Scan(&left.Count, &oldest)
	left.Oldest = fromMicros(oldest)
	return left, err
}

// inSteps runs stmt, which removes inserts up to a limit, until it finds fewer, and gives how many went.
func (v keys) inSteps(ctx context.Context, stmt statement, arg any) (gone int, err error) {
	for {
		n, err := v.step(ctx, stmt, arg)
		gone += int(n)
		if err != nil || n < forgetAtOnce {
			return gone, err
		}
	}
}

func (v keys) step(ctx context.Context, stmt statement, arg any) (gone int64, err error) {
	err = v.s.inTx(ctx, stmt.db, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.StmtContext(ctx, stmt.Stmt).ExecContext(ctx, arg, forgetAtOnce)
		if err != nil {
			return err
		}
		if gone, err = result.RowsAffected(); err != nil || gone == 0 {
			return err
		}
		_, err = tx.StmtContext(ctx, v.s.stmts.less.Stmt).ExecContext(ctx, gone)
		return err
	})
	return gone, err
}
