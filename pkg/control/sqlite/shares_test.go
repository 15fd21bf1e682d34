package sqlite

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
)

func TestPruneOfManyShares(t *testing.T) {
	s := openNew(t)
	const many = 2*pruneAtOnce + 1
	run(t, s, `with recursive n (i) as (select 1 union all select i + 1 from n where i < ?)
		insert into shares (id, destination, key, name, query, created, expires) select 's' || i, '1', 'k', '', 'q', 0, i from n`, many)
	for _, tt := range []struct {
		before int64
		want   int
	}{{0, many}, {2, many - 1}, {many, 1}, {many, 1}, {many + 1, 0}} {
		if err := s.Prune(t.Context(), time.UnixMicro(tt.before)); err != nil {
			t.Fatal(err)
		}
		if list, err := s.Shares().List(t.Context(), "1", time.UnixMicro(0)); err != nil || len(list) != tt.want {
			t.Errorf("before %d: got %d left and %v, want %d", tt.before, len(list), err, tt.want)
		}
	}
}

func TestPruneIsInSteps(t *testing.T) {
	s := openNew(t)
	run(t, s, `with recursive n (i) as (select 1 union all select i + 1 from n where i < ?)
		insert into shares (id, destination, key, name, query, created, expires) select 's' || i, '1', 'k', '', 'q', 0, i from n`,
		pruneAtOnce+1)
	for _, want := range []int64{pruneAtOnce, 1, 0} {
		if n, err := s.exec(t.Context(), s.stmts.pruneShares, pruneAtOnce+2, pruneAtOnce); err != nil || n != want {
			t.Errorf("a step: got %d and %v, want %d", n, err, want)
		}
	}
}

func TestPruneSaysWhatFailed(t *testing.T) {
	s := openNew(t)
	run(t, s, `insert into shares (id, destination, key, name, query, created, expires) values ('a', '1', 'k', '', 'q', 0, 1)`)
	run(t, s, `create trigger broken before delete on shares begin select raise(abort, 'broken'); end`)
	err := s.Prune(t.Context(), time.UnixMicro(2))
	if err == nil || !strings.Contains(err.Error(), "forget shares expired before 1970") || !strings.Contains(err.Error(), "broken") {
		t.Errorf("got %v, want an error that says what was tried and what is wrong", err)
	}
}

// TestShareErrorsKeepTheID holds that no error says the id, which is all that it takes to see the answer.
func TestShareErrorsKeepTheID(t *testing.T) {
	s := openNew(t)
	a := control.Share{ID: "unguessable", Destination: "1", Query: "select 1"}
	if err := s.Shares().Add(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	of := func(ctx context.Context, id string) map[string]error {
		_, find := s.Shares().Find(ctx, id+" not")
		return map[string]error{
			"Add": s.Shares().Add(ctx, a), "Find": find, "Revoke": s.Shares().Revoke(ctx, "2", id),
		}
	}
	for _, ctx := range []context.Context{t.Context(), ended} {
		for call, err := range of(ctx, a.ID) {
			if err == nil || strings.Contains(err.Error(), a.ID) {
				t.Errorf("%s: got %v, want an error without the id", call, err)
			}
		}
	}
}
