package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// openTwo opens two stores on one database, which know nothing of each other, as two servers have.
func openTwo(t *testing.T) []*store {
	t.Helper()
	dsn := servertest.Postgres(t)
	var stores []*store
	for range 2 {
		s := openWith(t, settings(dsn))
		t.Cleanup(func() { closeStore(t, s) })
		stores = append(stores, s)
	}
	return stores
}

func TestServersShareBatches(t *testing.T) {
	const workers, each = 3, 25
	stores := openTwo(t)
	var wg sync.WaitGroup
	for i, s := range stores {
		for w := range workers {
			wg.Go(func() {
				for n := range each {
					own := control.Batch{ID: fmt.Sprintf("%d/%d/%d", i, w, n)}
					_, err := s.Batches().Attempt(t.Context(), control.Batch{ID: "shared"})
					err = errors.Join(err, s.Batches().Shipped(t.Context(), own),
						s.Batches().Settle(t.Context(), own.ID, control.Outcome{State: control.StateDead}))
					_, lerr := s.Dead().List(t.Context(), "")
					if err := errors.Join(err, lerr); err != nil {
						t.Errorf("store %d: %v", i, err)
					}
				}
			})
		}
	}
	wg.Wait()
	for i, s := range stores {
		list, err := s.Dead().List(t.Context(), "")
		if err != nil || len(list) != len(stores)*workers*each {
			t.Errorf("store %d: got %d dead and %v, want %d", i, len(list), err, len(stores)*workers*each)
		}
		if b := find(t, s, "shared"); b.Attempts != len(stores)*workers*each {
			t.Errorf("store %d: got %d attempts, want %d", i, b.Attempts, len(stores)*workers*each)
		}
	}
}

// TestServersEndABatchOnce has two who say how a batch ended, one that it was loaded and one that it is dead: whoever comes
// last, it is loaded, and once it is, nothing of it changes.
func TestServersEndABatchOnce(t *testing.T) {
	stores := openTwo(t)
	for n := range 20 {
		id := fmt.Sprint(n)
		if err := stores[0].Batches().Shipped(t.Context(), control.Batch{ID: id}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i, o := range []control.Outcome{
			{State: control.StateLoaded, Rows: 7}, {State: control.StateDead, Reason: "r"}, {State: control.StateShipped, Reason: "f"},
		} {
			wg.Go(func() {
				if err := stores[i%2].Batches().Settle(t.Context(), id, o); err != nil {
					t.Errorf("settle as %s: %v", o.State, err)
				}
			})
		}
		wg.Wait()
		if b := find(t, stores[0], id); b.State != control.StateLoaded || b.Rows != 7 || b.Reason != "" {
			t.Errorf("got %s, %d rows, reason %q, want loaded, 7 rows", b.State, b.Rows, b.Reason)
		}
	}
}

func TestServersClaimJobs(t *testing.T) {
	const workers, many = 3, 60
	stores := openTwo(t)
	for n := range many {
		err := stores[0].Jobs().Add(t.Context(), control.Job{ID: fmt.Sprint(n), Created: time.UnixMicro(int64(n))})
		if err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	finished := map[string]int{}
	var wg sync.WaitGroup
	for i, s := range stores {
		for range workers {
			wg.Go(func() {
				for {
					id, err := finishOne(t.Context(), s)
					if err != nil {
						t.Errorf("store %d: %v", i, err)
					}
					if id == "" {
						return
					}
					mu.Lock()
					finished[id]++
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	for n := range many {
		if got := finished[fmt.Sprint(n)]; got != 1 {
			t.Errorf("job %d: got finished %d times, want once", n, got)
		}
	}
}

// finishOne claims a job and saves that it is done; it gives its id, or none when there was no job.
func finishOne(ctx context.Context, s control.Store) (id string, err error) {
	j, err := s.Jobs().Claim(ctx, time.UnixMicro(0), time.UnixMicro(1000))
	if errors.Is(err, fault.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if j.Run != 1 {
		return "", fmt.Errorf("job %s: got run %d, want 1", j.ID, j.Run)
	}
	j.State, j.Finished = control.JobDone, time.UnixMicro(1)
	_, err = s.Jobs().Save(ctx, j)
	return j.ID, err
}

// step is a statement that another server runs.
type step struct {
	sql  string
	args []any
}

// amid calls while another server is in a transaction, which is committed when the call has to wait for it.
func amid(t *testing.T, other *store, steps []step, call func() error) {
	t.Helper()
	tx, err := other.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range steps {
		if _, err := tx.Exec(t.Context(), st.sql, st.args...); err != nil {
			t.Fatalf("%s: %v", st.sql, err)
		}
	}
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
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
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
	for sql, arg := range map[string]any{forgetOver: 5, forgetBefore: keyedInserts(forgetAtOnce+495, 1)[0].Made} {
		inserts := keyedInserts(0, forgetAtOnce+500)
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

func TestServersSaveAQuery(t *testing.T) {
	const each = 20
	var mu sync.Mutex
	var versions []int
	var wg sync.WaitGroup
	for _, s := range openTwo(t) {
		wg.Go(func() {
			for n := range each {
				q := control.NamedQuery{Destination: "1", Name: "a", Query: fmt.Sprint(n)}
				version, err := s.Queries().Save(t.Context(), q, false)
				if err != nil {
					t.Errorf("save: %v", err)
				}
				mu.Lock()
				versions = append(versions, version)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(versions)
	for i, version := range versions {
		if version != i+1 {
			t.Fatalf("got the versions %v, want each from 1 to %d once", versions, 2*each)
		}
	}
}

// TestTotalOfManyServers has two that remember and forget the same inserts: nobody waits for ever, and the total is right.
func TestTotalOfManyServers(t *testing.T) {
	const each, rounds = 130, 6
	stores := openTwo(t)
	var wg sync.WaitGroup
	for i, s := range stores {
		for w := range 2 {
			wg.Go(func() {
				for r := range rounds {
					inserts := keyedInserts((i+r)*each, each) // most of them twice
					if w > 0 {
						slices.Reverse(inserts)
					}
					if err := s.Keys().Remember(t.Context(), inserts); err != nil {
						t.Errorf("store %d: remember: %v", i, err)
					}
					if _, err := s.Keys().Forget(t.Context(), time.UnixMicro(0), 2*each); err != nil {
						t.Errorf("store %d: forget: %v", i, err)
					}
				}
			})
		}
	}
	wg.Wait()
	wantTotal(t, stores[0], 2*each)
}

// TestServersNoteColumns has two that note the same columns in another order.
func TestServersNoteColumns(t *testing.T) {
	const many = 50
	stores := openTwo(t)
	var wg sync.WaitGroup
	for i, s := range stores {
		var cols []control.Column
		for n := range many {
			cols = append(cols, control.Column{Destination: "1", Name: fmt.Sprint(n), Batch: fmt.Sprint(i)})
		}
		if i > 0 {
			slices.Reverse(cols)
		}
		wg.Go(func() {
			for range 10 {
				if err := s.Columns().Note(t.Context(), cols); err != nil {
					t.Errorf("note: %v", err)
				}
			}
		})
	}
	wg.Wait()
	list, err := stores[0].Columns().List(t.Context(), "1", control.Column{}.Table)
	if err != nil || len(list) != many {
		t.Fatalf("got %d columns and %v, want %d", len(list), err, many)
	}
	for _, c := range list {
		if c.Batch != list[0].Batch {
			t.Errorf("got columns of the batches %s and %s, want those of one call", c.Batch, list[0].Batch)
		}
	}
}
