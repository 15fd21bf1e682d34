package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
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

	note  statement // synced
	noted statement // read

	remember, rememberMany, more   statement // synced
	forgetBefore, forgetOver, less statement // fast
	findKey, keysLeft              statement // read

	share, revoke     statement // synced
	findShare, shares statement // read
	pruneShares       statement // fast

	supersede, saveQuery, deleteQuery          statement // synced
	findQuery, lastQuery, publicQuery, queries statement // read
}

// fields is what scan reads.
const fields = "id, destination, tbl, state, row_count, bytes, rescued, attempts, reason, message, created, settled"

// shareFields is what scanShare reads.
const shareFields = "id, destination, key, name, query, params, created, expires"

// queryFields is what scanQuery reads.
const queryFields = "destination, name, version, description, query, params, public, fixed, saved"

// insert notes a new batch with the number of attempts that follows it.
const insert = `insert into batches (id, destination, tbl, row_count, bytes, message, created, state, attempts)
	values (?, ?, ?, ?, ?, ?, ?, 'shipped', `

// prepared says which text becomes which statement of which pool.
type prepared struct {
	stmt *statement
	db   *sql.DB
	text string
}

// prepare prepares all statements.
func (s *store) prepare(ctx context.Context) error {
	for _, p := range slices.Concat(s.ofBatches(), s.ofColumns(), s.ofKeys(), s.ofShares(), s.ofQueries()) {
		stmt, err := p.db.PrepareContext(ctx, p.text)
		if err != nil {
			return fmt.Errorf("prepare %.40q: %w", p.text, err)
		}
		*p.stmt = statement{stmt, p.db}
	}
	return nil
}

// ofBatches has the statements of batches and dead. The states are written out, as SQLite uses a partial index only then.
func (s *store) ofBatches() []prepared {
	return []prepared{
		{&s.stmts.shipped, s.fast, insert + `0) on conflict (id) do nothing`},
		{&s.stmts.attempt, s.fast, insert + `1) on conflict (id) do update set attempts = attempts + 1 returning ` + fields},
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
		{&s.stmts.find, s.read, `select ` + fields + ` from batches where id = ?`},
		{&s.stmts.pending, s.read, `select count(*), min(created) from batches where state = 'shipped'`},
		{&s.stmts.list, s.read, `select ` + fields + ` from batches
			where state = 'dead' and (?1 = '' or destination = ?1) order by created, id`},
	}
}

func (s *store) ofColumns() []prepared {
	return []prepared{
		{&s.stmts.note, s.synced, `insert or replace into columns (destination, tbl, name, kind, batch, made)
			values (?, ?, ?, ?, ?, ?)`},
		{&s.stmts.noted, s.read, `select name, kind, batch, made from columns where destination = ? and tbl = ?`},
	}
}

// ofKeys has the statements of keys. Those of forget take a limit, which must not be below zero: that would be none.
func (s *store) ofKeys() []prepared {
	const row = `(?, ?, ?, ?, ?, ?, ?, ?)`
	remember := func(rows string) string {
		return `insert into keyed_inserts (destination, key, body, receipt, batch, row_count, row_ids, made)
			values ` + rows + ` on conflict (destination, key) do nothing`
	}
	return []prepared{
		{&s.stmts.remember, s.synced, remember(row)},
		{&s.stmts.rememberMany, s.synced, remember(strings.Repeat(row+`, `, rememberAtOnce-1) + row)},
		{&s.stmts.more, s.synced, `update keyed_total set n = n + ?`},
		{&s.stmts.forgetBefore, s.fast, `delete from keyed_inserts where rowid in
			(select rowid from keyed_inserts where made < ? order by made limit ?)`},
		{&s.stmts.forgetOver, s.fast, `delete from keyed_inserts where rowid in
			(select rowid from keyed_inserts order by made limit max(0, min((select n from keyed_total) - ?, ?)))`},
		{&s.stmts.less, s.fast, `update keyed_total set n = n - ?`},
		{&s.stmts.findKey, s.read, `select body, receipt, batch, row_count, row_ids, made from keyed_inserts
			where destination = ? and key = ?`},
		{&s.stmts.keysLeft, s.read, `select n, (select min(made) from keyed_inserts) from keyed_total`},
	}
}

// ofShares has the statements of shares. Of those made at once the one that was added last is the newest.
func (s *store) ofShares() []prepared {
	return []prepared{
		{&s.stmts.share, s.synced, `insert into shares (` + shareFields + `) values (?, ?, ?, ?, ?, ?, ?, ?)
			on conflict (id) do nothing`},
		{&s.stmts.revoke, s.synced, `delete from shares where id = ? and destination = ?`},
		{&s.stmts.findShare, s.read, `select ` + shareFields + ` from shares where id = ?`},
		{&s.stmts.shares, s.read, `select ` + shareFields + ` from shares where destination = ? and expires > ?
			order by created desc, rowid desc`},
		{&s.stmts.pruneShares, s.fast, `delete from shares where rowid in
			(select rowid from shares where expires < ? limit ?)`},
	}
}

// ofQueries has the statements of queries. What is said of last is written out, as SQLite uses a partial index only then.
func (s *store) ofQueries() []prepared {
	const find = `select ` + queryFields + ` from queries where `
	return []prepared{
		{&s.stmts.supersede, s.synced, `update queries set last = 0 where destination = ? and name = ? and last = 1
			returning version`},
		{&s.stmts.saveQuery, s.synced, `insert into queries (` + queryFields + `, last) values (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)`},
		{&s.stmts.deleteQuery, s.synced, `delete from queries where destination = ? and name = ?`},
		{&s.stmts.findQuery, s.read, find + `destination = ? and name = ? and version = ?`},
		{&s.stmts.lastQuery, s.read, find + `destination = ? and name = ? and last = 1`},
		{&s.stmts.publicQuery, s.read, find + `public = ? and last = 1 and public <> ''`},
		{&s.stmts.queries, s.read, find + `destination = ? and last = 1 order by name`},
	}
}

// scan reads one batch.
func scan(row row) (b control.Batch, err error) {
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
