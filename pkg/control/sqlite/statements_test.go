package sqlite

import (
	"database/sql"
	"strings"
	"testing"
)

// TestEndsAreSynced holds which commits survive a power loss: after a batch's end its message is deleted, a column or a
// key is told of once, a share or a query is what a person asked for, and a copy goes on from where it said it was.
func TestEndsAreSynced(t *testing.T) {
	s := openNew(t)
	for _, tt := range []struct {
		name string
		stmt statement
		want string // of pragma synchronous: 1 is normal, 2 is full
	}{
		{"shipped", s.stmts.shipped, "1"}, {"attempt", s.stmts.attempt, "1"}, {"failed", s.stmts.failed, "1"},
		{"loaded", s.stmts.loaded, "2"}, {"dead", s.stmts.dead, "2"}, {"forget", s.stmts.forget, "2"},
		{"note", s.stmts.note, "2"}, {"remember", s.stmts.remember, "2"}, {"forget before", s.stmts.forgetBefore, "1"},
		{"share", s.stmts.share, "2"}, {"revoke", s.stmts.revoke, "2"}, {"prune shares", s.stmts.pruneShares, "1"},
		{"supersede", s.stmts.supersede, "2"}, {"save query", s.stmts.saveQuery, "2"}, {"delete query", s.stmts.deleteQuery, "2"},
		{"add job", s.stmts.addJob, "2"}, {"claim job", s.stmts.claimJob, "2"}, {"save job", s.stmts.saveJob, "2"},
		{"cancel job", s.stmts.cancelJob, "2"}, {"prune jobs", s.stmts.pruneJobs, "1"}, {"stage", s.stmts.stage, "2"},
		{"unstage", s.stmts.unstage, "1"}, {"prune staged", s.stmts.pruneStaged, "1"},
	} {
		var got string
		if err := tt.stmt.db.QueryRowContext(t.Context(), "pragma synchronous").Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != tt.want {
			t.Errorf("%s: got synchronous %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestQueriesUseTheirIndexes has the statements' texts, as a prepared one does not tell its plan.
func TestQueriesUseTheirIndexes(t *testing.T) {
	s := openNew(t)
	for _, tt := range []struct{ name, query, want string }{
		{"pending", "select count(*), min(created) from batches where state = 'shipped'", "batches_shipped_idx"},
		{"waiting", "select destination, bytes from batches where state = 'shipped' union all select destination, bytes from batches where state = 'dead'",
			"batches_dead_idx"},
		{"list", `select ` + fields + ` from batches where state = 'dead' and (?1 = '' or destination = ?1) order by created, id`,
			"batches_dead_idx"},
		{"prune", `delete from batches where id in (select id from batches where state = 'loaded' and settled < ? limit 1000)`,
			"batches_loaded_idx"},
		{"columns", "select name, kind, batch, made from columns where destination = ? and tbl = 'a'", "USING PRIMARY KEY"},
		{"find key", "select body from keyed_inserts where destination = ? and key = x'00'",
			"sqlite_autoindex_keyed_inserts_1 (destination=? AND key=?)"},
		{"forget before", `delete from keyed_inserts where rowid in
			(select rowid from keyed_inserts where made < ? order by made limit 1000)`, "keyed_inserts_made_idx (made<?)"},
		{"forget over", `delete from keyed_inserts where rowid in (select rowid from keyed_inserts order by made
			limit max(0, min((select n from keyed_total) - ?, 1000)))`, "SCAN keyed_inserts USING COVERING INDEX keyed_inserts_made_idx"},
		{"left", "select n, (select min(made) from keyed_inserts) from keyed_total where n > ?",
			"SEARCH keyed_inserts USING COVERING INDEX keyed_inserts_made_idx"},
		{"find share", "select " + shareFields + " from shares where id = ?", "sqlite_autoindex_shares_1 (id=?)"},
		{"revoke", "delete from shares where id = ? and destination = '1'", "sqlite_autoindex_shares_1 (id=?)"},
		{"shares", "select " + shareFields + ` from shares where destination = ? and expires > 1
			order by created desc, rowid desc`, "shares_destination_idx (destination=?)"},
		{"prune shares", "delete from shares where rowid in (select rowid from shares where expires < ? limit 1000)",
			"COVERING INDEX shares_expires_idx (expires<?)"},
		{"supersede", "update queries set last = 0 where destination = ? and name = 'a' and last = 1 returning version",
			"queries_last_idx (destination=? AND name=?)"},
		{"delete query", "delete from queries where destination = ? and name = 'a'", "(destination=? AND name=?)"},
		{"find query", "select " + queryFields + " from queries where destination = ? and name = 'a' and version = 1",
			"sqlite_autoindex_queries_1 (destination=? AND name=? AND version=?)"},
		{"last query", "select " + queryFields + " from queries where destination = ? and name = 'a' and last = 1",
			"queries_last_idx (destination=? AND name=?)"},
		{"public query", "select " + queryFields + " from queries where public = ? and last = 1 and public <> ''",
			"queries_public_idx (public=?)"},
		{"queries", "select " + queryFields + " from queries where destination = ? and last = 1 order by name",
			"queries_last_idx (destination=?)"},
		{"find job", "select " + jobFields + " from jobs where id = ?", "sqlite_autoindex_jobs_1 (id=?)"},
		{"free job", "select 1 from jobs where " + jobOpen + " and until <= ? limit 1", "SCAN jobs USING INDEX jobs_open_idx"},
		{"claim job, which", "select id from jobs where " + jobOpen + " and until <= ? order by created, id limit 1",
			"SCAN jobs USING INDEX jobs_open_idx"},
		{"claim job", "update jobs set run = run + 1, until = 2 where id = (select id from jobs where " + jobOpen +
			" and until <= ? order by created, id limit 1) returning " + jobFields,
			"SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 (id=?)"},
		{"save job", "update jobs set state = 'done' where id = ? and run = 1 and " + jobOpen + " returning canceling",
			"sqlite_autoindex_jobs_1 (id=?)"},
		{"cancel job", "update jobs set canceling = 1 where id = ? and source = '1' returning " + jobFields,
			"sqlite_autoindex_jobs_1 (id=?)"},
		{"jobs of", "select " + jobFields + " from jobs where source = ? order by created desc, id desc limit 10",
			"jobs_source_idx (source=?)"},
		{"all jobs", "select " + jobFields + " from jobs order by created desc, id desc limit ?",
			"SCAN jobs USING INDEX jobs_created_idx"},
		{"prune jobs", "delete from jobs where id in (select id from jobs where " + jobEnded + ` and finished < ?
			and not exists (select 1 from staged where job = jobs.id) limit 1000)`, "INDEX jobs_ended_idx (finished<?)"},
		{"prune jobs, their batches", "delete from jobs where id in (select id from jobs where " + jobEnded + ` and finished < ?
			and not exists (select 1 from staged where job = jobs.id) limit 1000)`, "SEARCH staged USING PRIMARY KEY (job=?)"},
		{"prune staged", `delete from staged where (job, id) in (select staged.job, staged.id from jobs join staged
			on staged.job = jobs.id where ` + jobEnded + " and finished < ? limit 1000)",
			"SEARCH jobs USING INDEX jobs_ended_idx (finished<?); SEARCH staged USING PRIMARY KEY (job=?)"},
		{"prune staged, each", `delete from staged where (job, id) in (select staged.job, staged.id from jobs join staged
			on staged.job = jobs.id where ` + jobEnded + " and finished < ? limit 1000)",
			"SEARCH staged USING PRIMARY KEY (job=? AND id=?)"},
		{"staged", "select id, run, row_count, bytes from staged where job = ? order by id", "PRIMARY KEY (job=?)"},
		{"unstage", "delete from staged where job = ?1 and (run < 2 or 2 < 0)", "PRIMARY KEY (job=?)"},
	} {
		if got := plan(t, s.synced, tt.query); !strings.Contains(got, tt.want) || strings.Contains(got, "TEMP B-TREE FOR ORDER") {
			t.Errorf("%s: got the plan %q, want %s and no sort", tt.name, got, tt.want)
		}
	}
}

func plan(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "explain query plan "+query, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // read to its end below
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(steps, "; ")
}
