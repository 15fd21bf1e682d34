package postgres

import (
	"bytes"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/control/controltest"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// step is a statement that another server runs.
type step struct {
	sql  string
	args []any
}

// amid calls while another server is in a transaction of steps. When the call has to wait for it, it goes on with more, and is
// committed.
func amid(t *testing.T, other *store, steps []step, call func() error, more ...step) {
	t.Helper()
	tx, err := other.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	does := func(steps []step) {
		t.Helper()
		for _, st := range steps {
			if _, err := tx.Exec(t.Context(), st.sql, st.args...); err != nil {
				t.Errorf("%s: %v", st.sql, err)
			}
		}
	}
	does(steps)
	done := make(chan error, 1)
	go func() { done <- call() }()
	for waits := false; !waits; {
		if len(done) > 0 {
			t.Errorf("got %v, want a call that waits for the other server", <-done)
			break
		}
		err := other.pool.QueryRow(t.Context(), `select exists (select from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock')`).Scan(&waits)
		if err != nil {
			t.Fatal(err)
		}
	}
	does(more)
	if err := tx.Commit(t.Context()); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		return
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestClaimWaitsForAJobThatIsBeingSaved holds that Claim never says that there is no job while there is one: a job that
// another server is just changing is waited for, and passed by if it is not free then.
func TestClaimWaitsForAJobThatIsBeingSaved(t *testing.T) {
	stores := openTwo(t)
	for _, id := range []string{"a", "b"} {
		must(t, stores[0].Jobs().Add(t.Context(), control.Job{ID: id}))
	}
	for _, tt := range []struct{ does, want string }{
		{`update jobs set plan = 'x' where id = 'a'`, "a"},
		{`update jobs set until = '2001-01-01' where id = 'a'`, "b"},
	} {
		amid(t, stores[1], []step{{sql: tt.does}}, func() error {
			j, err := stores[0].Jobs().Claim(t.Context(), time.UnixMicro(0), time.UnixMicro(0))
			if err == nil && j.ID != tt.want {
				t.Errorf("%s: got job %q, want %q", tt.does, j.ID, tt.want)
			}
			return err
		})
	}
}

// TestQueriesWaitForEachOther holds that a name has all its versions or none, from 1 without gaps, whoever was first.
func TestQueriesWaitForEachOther(t *testing.T) {
	stores := openTwo(t)
	s := stores[0]
	q := control.NamedQuery{Destination: "1", Name: "a"}
	saves := []step{{sql: lockQueries}, {saveQuery, []any{text("1"), text("a"), text(""), text(""), []byte{}, text(""), []byte{}, time.Now(), false}}}
	save := func() error {
		_, err := s.Queries().Save(t.Context(), q, false)
		return err
	}
	versions := func(want int) {
		t.Helper()
		var n, highest, last int
		err := s.pool.QueryRow(t.Context(),
			"select count(*), coalesce(max(version), 0), coalesce(max(version) filter (where last), 0) from queries").
			Scan(&n, &highest, &last)
		if err != nil || n != want || highest != want || last != want {
			t.Errorf("got %d versions up to %d, the last one %d, and %v, want %d", n, highest, last, err, want)
		}
	}
	must(t, save())
	amid(t, stores[1], saves, save)
	versions(3)
	amid(t, stores[1], saves, func() error { return s.Queries().Delete(t.Context(), "1", "a") })
	versions(0)
	must(t, save())
	amid(t, stores[1], []step{{sql: lockQueries}, {deleteQuery, []any{text("1"), text("a")}}}, save)
	versions(1)
}

// TestPruneGoesOnAfterAnother holds that Prune is done when nothing is left, though another removes what it wanted to.
func TestPruneGoesOnAfterAnother(t *testing.T) {
	stores := openTwo(t)
	s := stores[0]
	before := time.UnixMicro(10 * pruneAtOnce)
	for _, sql := range []string{pruneBatches, pruneStaged, pruneJobs} {
		fillBatches(t, s, pruneAtOnce+500)
		staged := 0
		if sql == pruneStaged {
			staged = pruneAtOnce + 500
		}
		fillJobs(t, s, pruneAtOnce+500, staged)
		amid(t, stores[1], []step{{sql, []any{before, pruneAtOnce}}}, func() error { return s.Prune(t.Context(), before) })
		wantLeft(t, s, 0, 0)
		wantBatches(t, s, 0)
	}
}

// TestForgetGoesOnAfterAnother is as TestPruneGoesOnAfterAnother, and counts what it has forgotten itself.
func TestForgetGoesOnAfterAnother(t *testing.T) {
	stores := openTwo(t)
	for sql, arg := range map[string]any{forgetOver: 5, forgetBefore: controltest.KeyedInserts(forgetAtOnce+495, 1)[0].Made} {
		inserts := controltest.KeyedInserts(0, forgetAtOnce+500)
		remember(t, stores[0], inserts)
		amid(t, stores[1], []step{{sql: lockTotal}, {sql, []any{arg, forgetAtOnce}}}, func() error {
			left, err := stores[0].Keys().Forget(t.Context(), time.UnixMicro(0), 5)
			if want := (control.KeysLeft{Count: 5, Oldest: inserts[forgetAtOnce+495].Made.UTC(), Early: 495}); err == nil && left != want {
				t.Errorf("got %+v, want %+v", left, want)
			}
			return err
		})
		wantTotal(t, stores[0], 5)
		run(t, stores[0], "delete from keyed_inserts")
		run(t, stores[0], "update keyed_total set n = 0")
	}
}

// TestRememberIsInOrder holds that two who remember the same keys, in whatever order, do not wait for each other for ever: who
// waits for the first of them has none of the others.
func TestRememberIsInOrder(t *testing.T) {
	stores := openTwo(t)
	inserts := controltest.KeyedInserts(0, 2)
	slices.SortFunc(inserts, func(a, b control.KeyedInsert) int { return bytes.Compare(b.Key[:], a.Key[:]) })
	last, first := inserts[0], inserts[1]
	put := func(k control.KeyedInsert) step {
		return step{`insert into keyed_inserts values ('events-eu', $1, $1, 'other', '', 0, null, 'epoch')`, []any{k.Key[:]}}
	}
	total := step{sql: `update keyed_total set n = n + 2`}
	amid(t, stores[1], []step{total, put(first)}, func() error {
		_, err := stores[0].Keys().Remember(t.Context(), inserts)
		return err
	}, put(last))
	wantTotal(t, stores[0], 2)
	if k, err := stores[0].Keys().Find(t.Context(), last.Destination, last.Key); err != nil || k.Receipt != "other" {
		t.Errorf("got receipt %q and %v, want that of who was first", k.Receipt, err)
	}
}

// TestOpenWaitsForOthers holds that a server that starts waits for one that makes tables, however long a statement may take.
func TestOpenWaitsForOthers(t *testing.T) {
	dsn := servertest.Postgres(t)
	s := openWith(t, settings(dsn))
	defer closeStore(t, s)
	amid(t, s, []step{{lockTables, []any{"public"}}}, func() error {
		other, err := Open(t.Context(), settings(with(t, dsn, "statement_timeout", "50")), slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		return other.Close()
	}, step{sql: "select pg_sleep(0.2)"})
}
