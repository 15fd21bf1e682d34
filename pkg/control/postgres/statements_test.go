package postgres

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestStatementsUseTheirIndexes explains the statements as they are, for tables that are not read as a whole.
func TestStatementsUseTheirIndexes(t *testing.T) {
	s := openNew(t)
	conn, err := s.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), "set enable_seqscan = off; set enable_bitmapscan = off; set jit = off"); err != nil {
		t.Fatal(err)
	}
	id, now := text("a"), time.Now()
	var none []byte
	for _, tt := range []struct {
		name, sql string
		args      []any
		want      []string
	}{
		{"batch failed", batchFailed, []any{id, id}, []string{"Index Scan using batches_pkey"}},
		{"find batch", findBatch, []any{id}, []string{"Index Scan using batches_pkey"}},
		{"pending", pending, nil, []string{"batches_shipped_idx"}},
		{"waiting", waiting, nil, []string{"batches_shipped_idx", "batches_dead_idx"}},
		{"list dead", listDead, []any{id}, []string{"Index Scan using batches_dead_idx"}},
		{"prune batches", pruneBatches, []any{now, 9}, []string{"Index Scan using batches_loaded_idx", "Index Cond: (settled <", "Index Scan using batches_pkey"}},
		{"list columns", listColumns, []any{id, id}, []string{"Index Scan using columns_name_idx"}},
		{"find key", findKey, []any{id, []byte("k")}, []string{"Index Scan using keyed_inserts_pkey"}},
		{"forget before", forgetBefore, []any{now, 9}, []string{"Index Scan using keyed_inserts_made_idx", "Index Cond: (made <", "Tid Scan"}},
		{"forget over", forgetOver, []any{1, 9}, []string{"Index Scan using keyed_inserts_made_idx", "Tid Scan"}},
		{"keys left", keysLeft, nil, []string{"Index Only Scan using keyed_inserts_made_idx"}},
		{"find share", findShare, []any{id}, []string{"Index Scan using shares_id_idx"}},
		{"list shares", listShares, []any{id, now}, []string{"Index Scan Backward using shares_destination_idx", "Index Cond: (sha256(destination)"}},
		{"revoke share", revokeShare, []any{id, id}, []string{"Index Scan using shares_id_idx"}},
		{"prune shares", pruneShares, []any{now, 9}, []string{"Index Scan using shares_expires_idx", "Index Cond: (expires <", "Tid Scan"}},
		{"find query", findQuery, []any{id, id, 1}, []string{"Index Scan using queries_version_idx", "AND (version ="}},
		{"last query", lastQuery, []any{id, id}, []string{"Index Scan using queries_last_idx", "AND (sha256(name)"}},
		{"public query", publicQuery, []any{id}, []string{"Index Scan using queries_public_idx"}},
		{"list queries", listQueries, []any{id}, []string{"Index Scan using queries_last_idx"}},
		{"delete query", deleteQuery, []any{id, id}, []string{"Index Scan using queries_version_idx", "AND (sha256(name)"}},
		{"save query", saveQuery, []any{id, id, id, id, none, id, none, now, false}, []string{"Index Scan using queries_last_idx", "AND (sha256(name)"}},
		{"claim job", claimJob, []any{now, now}, []string{"Index Scan using jobs_open_idx", "Incremental Sort", "Index Scan using jobs_id_idx"}},
		{"save job", saveJob, []any{id, 1, "", none, 1, 1, 1, 1, 1, 1, 1, 1, id, now, now, now}, []string{"Index Scan using jobs_id_idx"}},
		{"cancel job", cancelJob, []any{id, id, now}, []string{"Index Scan using jobs_id_idx"}},
		{"find job", findJob, []any{id}, []string{"Index Scan using jobs_id_idx"}},
		{"jobs of", jobsOf, []any{9, id}, []string{"Index Scan Backward using jobs_source_idx", "Index Cond: (sha256(source)"}},
		{"all jobs", allJobs, []any{9}, []string{"Index Scan Backward using jobs_created_idx", "Incremental Sort"}},
		{"prune jobs", pruneJobs, []any{now, 9}, []string{"Index Scan using jobs_ended_idx", "Index Cond: (finished <", "using staged_id_idx", "Tid Scan"}},
		{"prune staged", pruneStaged, []any{now, 9}, []string{"Index Scan using jobs_ended_idx", "Index Cond: (finished <", "Index Scan using staged_id_idx", "Tid Scan"}},
		{"list staged", listStaged, []any{id}, []string{"Index Scan using staged_id_idx"}},
		{"unstage", unstage, []any{id, 1}, []string{"Index Scan using staged_id_idx"}},
	} {
		rows, err := conn.Query(t.Context(), "explain "+tt.sql, tt.args...)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		steps, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		plan := strings.Join(steps, "\n")
		for _, want := range tt.want {
			if !strings.Contains(plan, want) {
				t.Errorf("%s: got the plan\n%s\nwant %q", tt.name, plan, want)
			}
		}
		if strings.Contains(plan, "Seq Scan") && !strings.Contains(plan, "Seq Scan on keyed_total") {
			t.Errorf("%s: got the plan\n%s\nwant no whole table", tt.name, plan)
		}
	}
}
