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
	find, pending, waiting, list            statement // read

	note  statement // synced
	noted statement // read

	remember, rememberMany, more   statement // synced
	knownKey                       statement // synced: in the transaction of remember
	forgetBefore, forgetOver, less statement // fast
	findKey, keysLeft              statement // read

	share, revoke     statement // synced
	findShare, shares statement // read
	pruneShares       statement // fast

	supersede, saveQuery, deleteQuery          statement // synced
	findQuery, lastQuery, publicQuery, queries statement // read

	addJob, claimJob, saveJob, cancelJob statement // synced
	freeJob, findJob, jobsOf, allJobs    statement // read
	pruneJobs                            statement // fast

	stage                statement // synced
	unstage, pruneStaged statement // fast
	staged               statement // read
}

// fields is what scan reads.
const fields = "id, destination, tbl, state, row_count, bytes, rescued, attempts, reason, message, created, settled"

// shareFields is what scanShare reads.
const shareFields = "id, destination, key, name, query, params, created, expires"

// queryFields is what scanQuery reads.
const queryFields = "destination, name, version, description, query, params, public, fixed, saved"

// jobFields is what scanJob reads.
const jobFields = `id, source, key, query, params, destination, tbl, state, canceling, run, plan, read_rows, read_bytes,
	read_batches, written_rows, written_bytes, written_batches, rescued, counted, error, created, started, finished, until`

// jobOpen and jobEnded are the conditions of jobs' partial indexes, which SQLite uses only when they are written just so.
const (
	jobOpen  = "state not in ('done', 'failed', 'canceled')"
	jobEnded = "state in ('done', 'failed', 'canceled')"
)

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
	for _, p := range slices.Concat(s.ofBatches(), s.ofColumns(), s.ofKeys(), s.ofShares(), s.ofQueries(), s.ofJobs(),
		s.ofStaged()) {
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
		{&s.stmts.waiting, s.read, `select destination, sum(bytes) from (select destination, bytes from batches where state = 'shipped'
			union all select destination, bytes from batches where state = 'dead') group by destination`},
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
	const find = `select body, receipt, batch, row_count, row_ids, made from keyed_inserts where destination = ? and key = ?`
	return []prepared{
		{&s.stmts.remember, s.synced, remember(row)},
		{&s.stmts.rememberMany, s.synced, remember(strings.Repeat(row+`, `, rememberAtOnce-1) + row)},
		{&s.stmts.more, s.synced, `update keyed_total set n = n + ?`},
		{&s.stmts.forgetBefore, s.fast, `delete from keyed_inserts where rowid in
			(select rowid from keyed_inserts where made < ? order by made limit ?)`},
		{&s.stmts.forgetOver, s.fast, `delete from keyed_inserts where rowid in
			(select rowid from keyed_inserts order by made limit max(0, min((select n from keyed_total) - ?, ?)))`},
		{&s.stmts.less, s.fast, `update keyed_total set n = n - ?`},
		{&s.stmts.findKey, s.read, find},
		{&s.stmts.knownKey, s.synced, find},
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

// ofJobs has the statements of jobs. Each change of one is a statement of its own, which no other can come between.
func (s *store) ofJobs() []prepared {
	values := `(?` + strings.Repeat(`, ?`, strings.Count(jobFields, `,`)) + `)`
	return []prepared{
		{&s.stmts.addJob, s.synced, `insert into jobs (` + jobFields + `) values ` + values + ` on conflict (id) do nothing`},
		{&s.stmts.claimJob, s.synced, `update jobs set run = run + 1, until = ? where id = (select id from jobs
			where ` + jobOpen + ` and until <= ? order by created, id limit 1) returning ` + jobFields},
		{&s.stmts.saveJob, s.synced, `update jobs set state = ?, plan = ?, read_rows = ?, read_bytes = ?, read_batches = ?,
			written_rows = ?, written_bytes = ?, written_batches = ?, rescued = ?, counted = ?, error = ?, started = ?,
			finished = ?, until = ? where id = ? and run = ? and ` + jobOpen + ` returning canceling`},
		{&s.stmts.cancelJob, s.synced, `update jobs set canceling = iif(` + jobOpen + `, 1, canceling),
			state = iif(` + jobOpen + ` and run = 0, 'canceled', state), finished = iif(` + jobOpen + ` and run = 0, ?, finished)
			where id = ? and source = ? returning ` + jobFields},
		{&s.stmts.freeJob, s.read, `select 1 from jobs where ` + jobOpen + ` and until <= ? limit 1`},
		{&s.stmts.findJob, s.read, `select ` + jobFields + ` from jobs where id = ?`},
		{&s.stmts.jobsOf, s.read, `select ` + jobFields + ` from jobs where source = ? order by created desc, id desc limit ?`},
		{&s.stmts.allJobs, s.read, `select ` + jobFields + ` from jobs order by created desc, id desc limit ?`},
		{&s.stmts.pruneJobs, s.fast, `delete from jobs where id in (select id from jobs where ` + jobEnded + ` and finished < ?
			and not exists (select 1 from staged where job = jobs.id) limit ?)`},
	}
}

// ofStaged has the statements of staged. Prune runs its own before that of jobs, which keeps a job while it has batches.
func (s *store) ofStaged() []prepared {
	return []prepared{
		{&s.stmts.stage, s.synced, `insert or replace into staged (job, id, run, row_count, bytes) values (?, ?, ?, ?, ?)`},
		{&s.stmts.unstage, s.fast, `delete from staged where job = ?1 and (run < ?2 or ?2 < 0)`},
		{&s.stmts.pruneStaged, s.fast, `delete from staged where (job, id) in (select staged.job, staged.id
			from jobs join staged on staged.job = jobs.id where ` + jobEnded + ` and finished < ? limit ?)`},
		{&s.stmts.staged, s.read, `select id, run, row_count, bytes from staged where job = ? order by id`},
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
