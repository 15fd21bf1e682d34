package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// statement is a prepared statement with the pool that it is for.
type statement struct {
	*sql.Stmt
	db *sql.DB
}

type statements struct {
	shipped, attempt, failed, revive, prune statement // fast
	loaded, dead, forget                    statement // synced
	find, pending, list                     statement // read
}

// columns is what scan reads.
const columns = "id, destination, tbl, state, row_count, bytes, rescued, attempts, reason, message, created, settled"

// insert notes a new batch with the number of attempts that follows it.
const insert = `insert into batches (id, destination, tbl, row_count, bytes, message, created, state, attempts)
	values (?, ?, ?, ?, ?, ?, ?, 'shipped', `

// prepare prepares all statements. The states are written out, as SQLite uses a partial index only then.
func (s *store) prepare(ctx context.Context) error {
	for _, p := range []struct {
		stmt *statement
		db   *sql.DB
		text string
	}{
		{&s.stmts.shipped, s.fast, insert + `0) on conflict (id) do nothing`},
		{&s.stmts.attempt, s.fast, insert + `1) on conflict (id) do update set attempts = attempts + 1 returning ` + columns},
		{&s.stmts.failed, s.fast, `update batches set reason = ? where id = ? and state = 'shipped'`},
		{&s.stmts.revive, s.fast, `update batches set state = 'shipped', attempts = 0, settled = null
			where id = ? and state = 'dead'`},
		{&s.stmts.prune, s.fast, `delete from batches where id in
			(select id from batches where state = 'loaded' and settled < ? limit ?)`},
		{&s.stmts.loaded, s.synced, `update batches set state = 'loaded', row_count = ?, rescued = ?, reason = '',
			message = x'', settled = ? where id = ? and state <> 'loaded'`},
		{&s.stmts.dead, s.synced, `update batches set state = 'dead', reason = ?, settled = ?
			where id = ? and state = 'shipped'`},
		{&s.stmts.forget, s.synced, `delete from batches where id = ? and state = 'dead'`},
		{&s.stmts.find, s.read, `select ` + columns + ` from batches where id = ?`},
		{&s.stmts.pending, s.read, `select count(*), min(created) from batches where state = 'shipped'`},
		{&s.stmts.list, s.read, `select ` + columns + ` from batches
			where state = 'dead' and (?1 = '' or destination = ?1) order by created, id`},
	} {
		stmt, err := p.db.PrepareContext(ctx, p.text)
		if err != nil {
			return fmt.Errorf("prepare %.40q: %w", p.text, err)
		}
		*p.stmt = statement{stmt, p.db}
	}
	return nil
}

// scan reads one batch.
func scan(row interface{ Scan(dest ...any) error }) (b control.Batch, err error) {
	var table string
	var created, settled sql.NullInt64
	err = row.Scan(&b.ID, &b.Destination, &table, &b.State, &b.Rows, &b.Bytes, &b.Rescued, &b.Attempts, &b.Reason,
		&b.Message, &created, &settled)
	if err != nil {
		return control.Batch{}, err
	}
	b.Created, b.Settled = fromMicros(created), fromMicros(settled)
	if table != "" {
		b.Table, err = schema.ParseTable(table)
	}
	return b, err
}

// values are the arguments of insert.
func values(b control.Batch) []any {
	message := b.Message
	if message == nil {
		message = []byte{} // nil would be SQL's null
	}
	return []any{b.ID, b.Destination, b.Table.String(), b.Rows, b.Bytes, message, toMicros(b.Created)}
}

func toMicros(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

func fromMicros(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMicro(n.Int64).UTC()
}
