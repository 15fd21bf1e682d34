package postgres

import (
	"strings"
	"testing"
	"time"
)

// fillJobs adds n jobs that were finished at the microseconds 1 to n, the first of them with so many staged batches.
func fillJobs(t testing.TB, s *store, n, batches int) {
	t.Helper()
	run(t, s, `insert into jobs (`+jobFields+`) select ('j' || i)::bytea, '1', 'k', 'q', null, '2', 'events', 'done', false, 1, null,
		0, 0, 0, 0, 0, 0, 0, 0, '', 'epoch', 'epoch', 'epoch'::timestamptz + i * interval '1 microsecond', 'epoch'
		from generate_series(1, $1::int) n(i)`, n)
	run(t, s, `insert into staged (job, id, run, row_count, bytes) select 'j1', ('b' || i)::bytea, 1, 1, 1
		from generate_series(1, $1::int) n(i)`, batches)
}

// fillBatches adds n batches that were loaded at the microseconds 1 to n.
func fillBatches(t testing.TB, s *store, n int) {
	t.Helper()
	run(t, s, `insert into batches (id, destination, tbl, state, row_count, bytes, message, settled)
		select ('loaded ' || i)::bytea, '1', 'events', 'loaded', 1, 1, '', 'epoch'::timestamptz + i * interval '1 microsecond'
		from generate_series(1, $1::int) n(i)`, n)
}

// wantLeft holds how many jobs and staged batches there are.
func wantLeft(t *testing.T, s *store, jobs, batches int) {
	t.Helper()
	var gotJobs, gotBatches int
	err := s.pool.QueryRow(t.Context(), "select (select count(*) from jobs), (select count(*) from staged)").
		Scan(&gotJobs, &gotBatches)
	if err != nil || gotJobs != jobs || gotBatches != batches {
		t.Errorf("got %d jobs, %d batches and %v, want %d and %d", gotJobs, gotBatches, err, jobs, batches)
	}
}

func wantBatches(t *testing.T, s *store, want int) {
	t.Helper()
	var got int
	if err := s.pool.QueryRow(t.Context(), "select count(*) from batches").Scan(&got); err != nil || got != want {
		t.Errorf("got %d batches left and %v, want %d", got, err, want)
	}
}

func TestPruneOfMany(t *testing.T) {
	s := openNew(t)
	const many = 2*pruneAtOnce + 1
	fillBatches(t, s, many)
	fillJobs(t, s, many, many)
	run(t, s, `insert into shares (id, destination, key, name, query, created, expires) select ('s' || i)::bytea, '1', 'k', '', 'q',
		'epoch', 'epoch'::timestamptz + i * interval '1 microsecond' from generate_series(1, $1::int) n(i)`, many)
	for _, tt := range []struct {
		before        int64
		left, batches int // of jobs, as of loaded batches and shares; of staged batches
	}{{0, many, many}, {1, many, many}, {2, many - 1, 0}, {many, 1, 0}, {many, 1, 0}, {many + 1, 0, 0}} {
		if err := s.Prune(t.Context(), time.UnixMicro(tt.before)); err != nil {
			t.Fatal(err)
		}
		wantLeft(t, s, tt.left, tt.batches)
		wantBatches(t, s, tt.left)
		if list, err := s.Shares().List(t.Context(), "1", time.UnixMicro(0)); err != nil || len(list) != tt.left {
			t.Errorf("before %d: got %d shares left and %v, want %d", tt.before, len(list), err, tt.left)
		}
	}
}

func TestPruneIsInSteps(t *testing.T) {
	s := openNew(t)
	fillJobs(t, s, pruneAtOnce+2, pruneAtOnce+1)
	for _, tt := range []struct {
		name, sql     string
		gone          int64
		jobs, batches int
	}{
		{"staged", pruneStaged, pruneAtOnce, pruneAtOnce + 2, 1},
		{"jobs without staged batches", pruneJobs, pruneAtOnce, 2, 1},
		{"jobs without staged batches", pruneJobs, 1, 1, 1},
		{"jobs while there are staged batches", pruneJobs, 0, 1, 1},
		{"staged", pruneStaged, 1, 1, 0},
		{"staged when there are none", pruneStaged, 0, 1, 0},
		{"jobs", pruneJobs, 1, 0, 0},
		{"jobs when there are none", pruneJobs, 0, 0, 0},
	} {
		if n, err := s.exec(t.Context(), tt.sql, time.UnixMicro(pruneAtOnce*2), pruneAtOnce); err != nil || n != tt.gone {
			t.Errorf("%s: got %d and %v, want %d", tt.name, n, err, tt.gone)
		}
		wantLeft(t, s, tt.jobs, tt.batches)
	}
}

func TestPruneSaysWhatFailed(t *testing.T) {
	s := openNew(t)
	fillBatches(t, s, 1)
	fillJobs(t, s, 1, 1)
	run(t, s, `insert into shares (id, destination, key, name, query, created, expires) values ('a', '1', 'k', '', 'q', 'epoch', 'epoch')`)
	for _, tt := range []struct{ table, want string }{ // the others are forgotten by then
		{"jobs", "forget jobs finished before 1970"},
		{"staged", "forget staged batches of jobs finished before 1970"},
		{"shares", "forget shares expired before 1970"},
		{"batches", "forget batches loaded before 1970"},
	} {
		run(t, s, `insert into staged values ('j1', 'b1', 1, 1, 1) on conflict do nothing`)
		run(t, s, `insert into shares (id, destination, key, name, query, created, expires)
			values ('a', '1', 'k', '', 'q', 'epoch', 'epoch') on conflict do nothing`)
		run(t, s, `insert into batches (id, destination, tbl, state, row_count, bytes, message, settled)
			values ('a', '1', 't', 'loaded', 1, 1, '', 'epoch') on conflict do nothing`)
		breaks(t, s, tt.table, "delete", "true")
		err := s.Prune(t.Context(), time.UnixMicro(2))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "broken") {
			t.Errorf("got %v, want an error that says %q and what is wrong", err, tt.want)
		}
	}
}
