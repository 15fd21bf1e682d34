package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// fillJobs adds n jobs that were finished at the microseconds 1 to n, the first of them with so many staged batches.
func fillJobs(t testing.TB, s *store, n, batches int) {
	t.Helper()
	run(t, s, `with recursive n (i) as (select 1 union all select i + 1 from n where i < ?)
		insert into jobs (`+jobFields+`) select 'j' || i, '1', 'k', 'q', null, '2', 'events', 'done', 0, 1, null,
			0, 0, 0, 0, 0, 0, 0, 0, '', 0, 0, i, 0 from n`, n)
	run(t, s, `with recursive n (i) as (select 1 union all select i + 1 from n where i < ?)
		insert into staged (job, id, run, row_count, bytes) select 'j1', 'b' || i, 1, 1, 1 from n`, batches)
}

// wantLeft holds how many jobs and staged batches there are.
func wantLeft(t *testing.T, s *store, jobs, batches int) {
	t.Helper()
	var gotJobs, gotBatches int
	err := s.read.QueryRowContext(t.Context(), "select (select count(*) from jobs), (select count(*) from staged)").
		Scan(&gotJobs, &gotBatches)
	if err != nil || gotJobs != jobs || gotBatches != batches {
		t.Errorf("got %d jobs, %d batches and %v, want %d and %d", gotJobs, gotBatches, err, jobs, batches)
	}
}

func TestPruneOfManyJobs(t *testing.T) {
	s := openNew(t)
	const many = 2*pruneAtOnce + 1
	fillJobs(t, s, many, many)
	for _, tt := range []struct {
		before        int64
		jobs, batches int
	}{{0, many, many}, {1, many, many}, {2, many - 1, 0}, {many, 1, 0}, {many, 1, 0}, {many + 1, 0, 0}} {
		if err := s.Prune(t.Context(), time.UnixMicro(tt.before)); err != nil {
			t.Fatal(err)
		}
		wantLeft(t, s, tt.jobs, tt.batches)
	}
}

func TestPruneOfJobsIsInSteps(t *testing.T) {
	s := openNew(t)
	fillJobs(t, s, pruneAtOnce+2, pruneAtOnce+1)
	for _, tt := range []struct {
		name          string
		stmt          statement
		gone          int64
		jobs, batches int
	}{
		{"staged", s.stmts.pruneStaged, pruneAtOnce, pruneAtOnce + 2, 1},
		{"jobs without staged batches", s.stmts.pruneJobs, pruneAtOnce, 2, 1},
		{"jobs without staged batches", s.stmts.pruneJobs, 1, 1, 1},
		{"jobs while there are staged batches", s.stmts.pruneJobs, 0, 1, 1},
		{"staged", s.stmts.pruneStaged, 1, 1, 0},
		{"staged when there are none", s.stmts.pruneStaged, 0, 1, 0},
		{"jobs", s.stmts.pruneJobs, 1, 0, 0},
		{"jobs when there are none", s.stmts.pruneJobs, 0, 0, 0},
	} {
		if n, err := s.exec(t.Context(), tt.stmt, pruneAtOnce*2, pruneAtOnce); err != nil || n != tt.gone {
			t.Errorf("%s: got %d and %v, want %d", tt.name, n, err, tt.gone)
		}
		wantLeft(t, s, tt.jobs, tt.batches)
	}
}

func TestPruneOfJobsSaysWhatFailed(t *testing.T) {
	s := openNew(t)
	fillJobs(t, s, 1, 1)
	for _, tt := range []struct{ table, want string }{
		{"jobs", "forget jobs finished before 1970"}, // its batches are forgotten by then
		{"staged", "forget staged batches of jobs finished before 1970"},
	} {
		run(t, s, `insert or ignore into staged values ('j1', 'b1', 1, 1, 1)`)
		run(t, s, `create trigger broken_`+tt.table+` before delete on `+tt.table+` begin select raise(abort, 'broken'); end`)
		err := s.Prune(t.Context(), time.UnixMicro(2))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "broken") {
			t.Errorf("got %v, want an error that says %q and what is wrong", err, tt.want)
		}
	}
}

// TestJobErrorsKeepTheQuery holds that no error says a query, its parameters or a plan, which are the data of whoever asked.
func TestJobErrorsKeepTheQuery(t *testing.T) {
	s := openNew(t)
	a := control.Job{ID: "a", Source: "1", Query: "select 'hidden query'", Params: []byte(`{"a":"hidden params"}`),
		Plan: []byte("hidden plan"), Run: 1}
	if err := s.Jobs().Add(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	other := a
	other.ID, other.Run = "other", 7
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	broken := func() {
		run(t, s, `create trigger broken_insert before insert on jobs begin select raise(abort, 'broken'); end`)
		run(t, s, `create trigger broken_update before update on jobs begin select raise(abort, 'broken'); end`)
	}
	for _, tt := range []struct {
		name   string
		ctx    context.Context
		before func()
		add    control.Job
		save   control.Job
	}{
		{"of what is not so", t.Context(), func() {}, a, other},
		{"of an ended context", ended, func() {}, other, a},
		{"of a database that fails", t.Context(), broken, other, a},
	} {
		tt.before()
		_, save := s.Jobs().Save(tt.ctx, tt.save)
		for call, err := range map[string]error{"Add": s.Jobs().Add(tt.ctx, tt.add), "Save": save} {
			if err == nil || strings.Contains(err.Error(), "hidden") || !strings.Contains(err.Error(), "job") {
				t.Errorf("%s %s: got %v, want an error of the job without what it asks", call, tt.name, err)
			}
		}
	}
	_, claim := s.Jobs().Claim(t.Context(), time.Now(), time.Now())
	_, canceled := s.Jobs().Cancel(t.Context(), "1", "a", time.Now())
	for call, err := range map[string]error{"Claim": claim, "Cancel": canceled} {
		if err == nil || strings.Contains(err.Error(), "hidden") || !strings.Contains(err.Error(), "broken") {
			t.Errorf("%s: got %v, want an error that says what is wrong without what the job asks", call, err)
		}
	}
}

// TestJobErrorsHaveCodes holds what a caller may decide by: a job that is over, not a store that is closed.
func TestJobErrorsHaveCodes(t *testing.T) {
	s := openNew(t)
	a := control.Job{ID: "a", Source: "1", State: control.JobDone}
	if err := s.Jobs().Add(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	_, save := s.Jobs().Save(t.Context(), a)
	_, claim := s.Jobs().Claim(t.Context(), time.Now(), time.Now())
	_, find := s.Jobs().Find(t.Context(), "b")
	_, canceled := s.Jobs().Cancel(t.Context(), "2", "a", time.Now())
	for _, tt := range []struct {
		name string
		err  error
		kind fault.Kind
		code string
	}{
		{"add", s.Jobs().Add(t.Context(), a), fault.Exists, "job_exists"}, {"save", save, fault.Closed, "job_closed"},
		{"claim", claim, fault.NotFound, "no_job"}, {"find", find, fault.NotFound, "unknown_job"},
		{"cancel", canceled, fault.NotFound, "unknown_job"},
	} {
		if !errors.Is(tt.err, tt.kind) || fault.CodeOf(tt.err) != tt.code {
			t.Errorf("%s: got %v of the code %s, want %s of the code %s", tt.name, tt.err, fault.CodeOf(tt.err), tt.kind, tt.code)
		}
	}
}

// TestBrokenJobs are those that somebody else has written into the file.
func TestBrokenJobs(t *testing.T) {
	s := openNew(t)
	fillJobs(t, s, 1, 0)
	run(t, s, `update jobs set tbl = 'a/b', state = 'queued'`)
	_, find := s.Jobs().Find(t.Context(), "j1")
	_, list := s.Jobs().List(t.Context(), "1", 9)
	_, claim := s.Jobs().Claim(t.Context(), time.Now(), time.Now())
	for call, err := range map[string]error{"find": find, "list": list, "claim": claim} {
		if err == nil || !strings.Contains(err.Error(), `table name "a/b"`) {
			t.Errorf("%s: got %v, want an error that says the table", call, err)
		}
	}
	var runs int
	if err := s.read.QueryRowContext(t.Context(), "select run from jobs").Scan(&runs); err != nil || runs != 1 {
		t.Errorf("got run %d and %v, want 1, as nobody got the job", runs, err)
	}
	if err := (blob{new([]byte)}).Scan("text"); err == nil {
		t.Error("a text for a blob: got no error")
	}
}

// TestClaimOfNoJobTakesNoLock is for those who look for jobs again and again: they keep nobody from writing, and nobody
// who writes keeps them.
func TestClaimOfNoJobTakesNoLock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "control.db")
	s, other := openFile(t, file), openFile(t, file)
	fillJobs(t, s, 3, 0)
	err := other.inTx(t.Context(), other.synced, func(ctx context.Context, _ *sql.Tx) error {
		_, err := s.Jobs().Claim(ctx, time.Now(), time.Now())
		return err
	})
	if !errors.Is(err, fault.NotFound) {
		t.Errorf("got %v, want fault.NotFound", err)
	}
	closeStore(t, s)
	closeStore(t, other)
}
