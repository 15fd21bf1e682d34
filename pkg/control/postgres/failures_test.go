package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// TestErrorsKeepWhatIsSecret holds that no error says a query, its parameters or a plan, which are the data of whoever asked,
// nor the id of a share or a public link, which is all that it takes to see an answer.
func TestErrorsKeepWhatIsSecret(t *testing.T) {
	s := openNew(t)
	j := control.Job{ID: "a", Source: "1", Query: "select 'hidden query'", Params: []byte(`{"a":"hidden params"}`),
		Plan: []byte("hidden plan"), Run: 1}
	share := control.Share{ID: "hidden id", Destination: "1", Query: "select 'hidden query'"}
	q := control.NamedQuery{Destination: "1", Name: "a", Public: "hidden public", Query: "select 'hidden query'"}
	_, err := s.Queries().Save(t.Context(), q, true)
	if err := errors.Join(err, s.Jobs().Add(t.Context(), j), s.Shares().Add(t.Context(), share)); err != nil {
		t.Fatal(err)
	}
	other, named := j, q
	other.ID, other.Run, named.Name = "other", 7, "other"
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	broken := func() {
		for _, table := range []string{"jobs", "shares", "queries"} {
			breaks(t, s, table, "insert or update or delete", "true")
		}
	}
	for _, tt := range []struct {
		name   string
		ctx    context.Context
		before func()
		add    control.Job
		save   control.Job
	}{
		{"of what is not so", t.Context(), func() {}, j, other},
		{"of an ended context", ended, func() {}, other, j},
		{"of a database that fails", t.Context(), broken, other, j},
	} {
		tt.before()
		_, save := s.Jobs().Save(tt.ctx, tt.save)
		_, taken := s.Queries().Save(tt.ctx, named, false)
		_, fresh := s.Queries().Save(tt.ctx, q, true)
		_, find := s.Shares().Find(tt.ctx, "not "+share.ID)
		_, public := s.Queries().FindPublic(tt.ctx, "not "+q.Public)
		for call, err := range map[string]error{
			"add job": s.Jobs().Add(tt.ctx, tt.add), "save job": save, "save query": taken, "save fresh query": fresh, "find share": find,
			"find public": public, "add share": s.Shares().Add(tt.ctx, share), "revoke": s.Shares().Revoke(tt.ctx, "2", share.ID),
		} {
			if err == nil || strings.Contains(err.Error(), "hidden") || strings.Contains(fault.TextOf(err), "hidden") {
				t.Errorf("%s %s: got %v, want an error without what is hidden", call, tt.name, err)
			}
		}
	}
}

// TestErrorsHaveCodes holds what a caller may decide by: a job that is over, not a store that is closed.
func TestErrorsHaveCodes(t *testing.T) {
	s := openNew(t)
	a := control.Job{ID: "a", Source: "1", State: control.JobDone}
	if err := s.Jobs().Add(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Queries().Save(t.Context(), control.NamedQuery{Name: "a", Public: "p"}, true); err != nil {
		t.Fatal(err)
	}
	_, save := s.Jobs().Save(t.Context(), a)
	_, claim := s.Jobs().Claim(t.Context(), time.Now(), time.Now())
	_, find := s.Jobs().Find(t.Context(), "b")
	_, canceled := s.Jobs().Cancel(t.Context(), "2", "a", time.Now())
	_, fresh := s.Queries().Save(t.Context(), control.NamedQuery{Name: "a"}, true)
	_, public := s.Queries().Save(t.Context(), control.NamedQuery{Name: "b", Public: "p"}, true)
	for _, tt := range []struct {
		name string
		err  error
		kind fault.Kind
		code string
	}{
		{"add", s.Jobs().Add(t.Context(), a), fault.Exists, "job_exists"}, {"save", save, fault.Closed, "job_closed"},
		{"claim", claim, fault.NotFound, "no_job"}, {"find", find, fault.NotFound, "unknown_job"},
		{"cancel", canceled, fault.NotFound, "unknown_job"}, {"a fresh query", fresh, fault.Exists, "query_exists"},
		{"a public id that is taken", public, fault.Exists, "exists"},
	} {
		if !errors.Is(tt.err, tt.kind) || fault.CodeOf(tt.err) != tt.code {
			t.Errorf("%s: got %v of the code %s, want %s of the code %s", tt.name, tt.err, fault.CodeOf(tt.err), tt.kind, tt.code)
		}
	}
}

// TestBrokenRecords are those that somebody else has written into the tables.
func TestBrokenRecords(t *testing.T) {
	s := openNew(t)
	fillJobs(t, s, 1, 0)
	run(t, s, `update jobs set tbl = 'a/b', state = 'queued'`)
	run(t, s, `insert into columns values ('1', 'events', 'a', 'number', 'b', 'epoch')`)
	run(t, s, `insert into keyed_inserts values ('1', $1, $1, '', '', 0, 'a', 'epoch')`, make([]byte, 16))
	_, find := s.Jobs().Find(t.Context(), "j1")
	_, list := s.Jobs().List(t.Context(), "1", 9)
	_, claim := s.Jobs().Claim(t.Context(), time.Now(), time.Now())
	_, key := s.Keys().Find(t.Context(), "1", control.Digest{})
	_, cols := s.Columns().List(t.Context(), "1", tableOf(t, "events"))
	for _, tt := range []struct {
		call string
		err  error
		want string
	}{
		{"find", find, `table name "a/b"`}, {"list", list, `table name "a/b"`}, {"claim", claim, `table name "a/b"`},
		{"find key", key, "row ids are not as they were written"}, {"list columns", cols, `"number" is not a kind`},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s: got %v, want an error that says %q", tt.call, tt.err, tt.want)
		}
	}
}
