package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/control/idlist"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// forgetAtOnce is how many inserts a transaction of Forget removes, so that no other write waits long.
const forgetAtOnce = 1000

// The statements of Forget answer with how many inserts they removed, up to a limit. Each runs with the total locked, so that
// two servers do not remove the same, and fewer than the limit means that there are no more.
const (
	rememberKeys = `with added as (
			insert into keyed_inserts (destination, key, body, receipt, batch, row_count, row_ids, made)
			select * from unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bigint[], $7::bytea[],
				$8::timestamptz[])
			on conflict (destination, key) do nothing returning 1)
		update keyed_total set n = n + (select count(*) from added) where exists (select from added)`
	findKey = `select body, receipt, batch, row_count, row_ids, made from keyed_inserts where destination = $1 and key = $2`
	// keysElsewhere runs after rememberKeys: by then whoever was first is known.
	keysElsewhere = `select k.body, k.receipt, k.batch, k.row_count, k.row_ids, k.made, k.destination, k.key from keyed_inserts k
		join (select distinct * from unnest($1::bytea[], $2::bytea[], $3::bytea[])) as i(destination, key, batch)
			on i.destination = k.destination and i.key = k.key
		where i.batch <> k.batch`

	lockTotal = `select n from keyed_total for update`
	forgetOf  = `with gone as (delete from keyed_inserts where ctid = any(array(select ctid from keyed_inserts `
	forgetEnd = `)) returning 1),
		less as (update keyed_total set n = n - (select count(*) from gone) where exists (select from gone))
		select count(*) from gone`
	forgetBefore = forgetOf + `where made < $1 order by made limit $2` + forgetEnd
	forgetOver   = forgetOf + `order by made limit greatest(0, least((select n from keyed_total) - $1, $2))` + forgetEnd
	keysLeft     = `select n, (select min(made) from keyed_inserts) from keyed_total`
)

type keys struct{ s *store }

// Now implements control.Clock.
func (v keys) Now(ctx context.Context) (time.Time, error) { return v.s.Now(ctx) }

// Remember implements control.Keys. It adds the inserts in the order of their keys, so that no two calls wait for each other.
func (v keys) Remember(ctx context.Context, inserts []control.KeyedInsert) (elsewhere []control.KeyedInsert, err error) {
	if len(inserts) == 0 {
		return nil, nil
	}
	n := len(inserts)
	destinations, receipts, batches := make([]text, n), make([]text, n), make([]text, n)
	digests, bodies, ids := make([][]byte, n), make([][]byte, n), make([][]byte, n)
	rows, made := make([]int64, n), make([]time.Time, n)
	for to, from := range byKey(inserts) {
		k := &inserts[from]
		destinations[to], receipts[to], batches[to] = text(k.Destination), text(k.Receipt), text(k.Batch)
		digests[to], bodies[to], ids[to] = k.Key[:], k.Body[:], idlist.Pack(k.RowIDs)
		rows[to], made[to] = int64(k.Rows), k.Made
	}
	if _, err := v.s.exec(ctx, rememberKeys, destinations, digests, bodies, receipts, batches, rows, ids, made); err != nil {
		return nil, v.s.failed("remember inserts by their keys", err)
	}
	elsewhere, err = listOf(ctx, v.s, scanPlacedKey, keysElsewhere, destinations, digests, batches)
	if err != nil {
		return nil, v.s.failed("look for inserts under the same keys", err)
	}
	return elsewhere, nil
}

// byKey gives the order of the inserts by their keys, those of the same key as they come.
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

// Find implements control.Keys.
func (v keys) Find(ctx context.Context, destination string, key control.Digest) (control.KeyedInsert, error) {
	k, err := one(ctx, v.s, scanKey, findKey, text(destination), key[:])
	if errors.Is(err, pgx.ErrNoRows) {
		return control.KeyedInsert{}, fault.New(fault.NotFound, "unknown_key", "no insert of destination %.40q has the key %x",
			destination, key)
	}
	if err != nil {
		return control.KeyedInsert{}, v.s.failed("find insert by its key", err)
	}
	k.Destination, k.Key = destination, key
	return k, nil
}

func scanKey(row pgx.CollectableRow) (k control.KeyedInsert, err error) {
	var body, ids []byte
	err = row.Scan(&body, (*text)(&k.Receipt), (*text)(&k.Batch), &k.Rows, &ids, &k.Made)
	if err != nil {
		return k, err
	}
	copy(k.Body[:], body)
	k.RowIDs, err = idlist.Unpack(ids)
	return k, err
}

// scanPlacedKey is scanKey with the insert's destination and key behind it.
func scanPlacedKey(row pgx.CollectableRow) (k control.KeyedInsert, err error) {
	var body, ids, key []byte
	err = row.Scan(&body, (*text)(&k.Receipt), (*text)(&k.Batch), &k.Rows, &ids, &k.Made, (*text)(&k.Destination), &key)
	if err != nil {
		return k, err
	}
	copy(k.Body[:], body)
	copy(k.Key[:], key)
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
	if _, err := v.inSteps(ctx, forgetBefore, before); err != nil {
		return left, err
	}
	early, err := v.inSteps(ctx, forgetOver, most)
	if err != nil {
		return left, err
	}
	left, err = one(ctx, v.s, scanLeft, keysLeft)
	left.Early = early
	return left, err
}

// inSteps runs sql, which removes inserts up to a limit, until it finds fewer, and gives how many went.
func (v keys) inSteps(ctx context.Context, sql string, arg any) (gone int, err error) {
	for {
		n, err := locked(ctx, v.s, lockTotal, number, sql, arg, forgetAtOnce)
		gone += n
		if err != nil || n < forgetAtOnce {
			return gone, err
		}
	}
}

func scanLeft(row pgx.CollectableRow) (left control.KeysLeft, err error) {
	var oldest *time.Time
	err = row.Scan(&left.Count, &oldest)
	left.Oldest = orZero(oldest)
	return left, err
}
