package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/control/controltest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

func TestMain(m *testing.M) { os.Exit(servertest.SharePostgres(m)) }

func settings(dsn string) Config {
	c := DefaultConfig()
	c.DSN = secret.String(dsn)
	return c
}

func openWith(t testing.TB, c Config) *store {
	t.Helper()
	s, err := Open(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s.(*store)
}

// openNew opens a store on a database of its own.
func openNew(t testing.TB) *store {
	t.Helper()
	s := openWith(t, settings(servertest.Postgres(t)))
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t testing.TB, s control.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// bury makes a batch that is dead.
func bury(t *testing.T, s *store, id, reason string) {
	t.Helper()
	_, err := s.Batches().Attempt(t.Context(), control.Batch{ID: id})
	err = errors.Join(err, s.Batches().Settle(t.Context(), id, control.Outcome{State: control.StateDead, Reason: reason}))
	if err != nil {
		t.Fatal(err)
	}
}

func find(t *testing.T, s *store, id string) control.Batch {
	t.Helper()
	b, err := s.Batches().Find(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func tableOf(t testing.TB, name string) schema.Table {
	t.Helper()
	table, err := schema.ParseTable(name)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// run runs a statement of the test's own.
func run(t testing.TB, s *store, sql string, args ...any) {
	t.Helper()
	if _, err := s.pool.Exec(context.Background(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// inSchema is the settings of a store with a schema whose name is made of what is given, which may be of any length.
func inSchema(dsn, of string) Config {
	c := settings(dsn)
	sum := sha256.Sum256([]byte(of))
	c.Schema = fmt.Sprintf("%x It's \"ä\"", sum[:8])
	return c
}

// TestStore has a schema of its own for each store: to make a database takes much longer.
func TestStore(t *testing.T) {
	dsn := servertest.Postgres(t)
	controltest.Run(t, func(t *testing.T) control.Store { return openWith(t, inSchema(dsn, t.Name())) })
	controltest.RunDurable(t, func(t *testing.T) func() control.Store {
		return func() control.Store { return openWith(t, inSchema(dsn, t.Name())) }
	})
	controltest.RunShared(t, func(t *testing.T) func() (control.Store, error) {
		return func() (control.Store, error) {
			return Open(t.Context(), inSchema(dsn, t.Name()), slog.New(slog.DiscardHandler))
		}
	})
}

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

// TestDeadStaysDead holds what the worker relies on that has lost its lease: another has buried the batch meanwhile.
func TestDeadStaysDead(t *testing.T) {
	s := openNew(t)
	bury(t, s, "a", "first")
	want := find(t, s, "a")
	for _, state := range []control.State{control.StateShipped, control.StateDead} {
		if err := s.Batches().Settle(t.Context(), "a", control.Outcome{State: state, Reason: "slower"}); err != nil {
			t.Errorf("settle as %s: %v", state, err)
		}
		got := find(t, s, "a")
		if got.State != control.StateDead || got.Reason != "first" || !got.Settled.Equal(want.Settled) {
			t.Errorf("got %s, %q, settled %v, want dead, %q, settled %v", got.State, got.Reason, got.Settled, "first", want.Settled)
		}
	}
}

func TestSettleRefusesOtherStates(t *testing.T) {
	s := openNew(t)
	bury(t, s, "a", "r")
	for _, state := range []control.State{"", "accepted", "LOADED"} {
		err := s.Batches().Settle(t.Context(), "a", control.Outcome{State: state})
		if !errors.Is(err, fault.Invalid) || fault.CodeOf(err) != "bad_state" {
			t.Errorf("%q: got %v, want fault.Invalid with the code bad_state", state, err)
		}
	}
}

// TestReasonsOfAnyBytes is for the errors of databases, which quote what they could not read.
func TestReasonsOfAnyBytes(t *testing.T) {
	s := openNew(t)
	for id, reason := range map[string]string{
		"zero": "a\x00b", "not UTF-8": "\xff\xfe", "both": "\x00\xff\x00", "an escape": `\x41 \000 \\ a`, "empty": "",
	} {
		bury(t, s, id, reason)
		if got := find(t, s, id).Reason; got != reason {
			t.Errorf("%s: got %q, want %q", id, got, reason)
		}
	}
}

// TestTimesAreUTC holds it for a server and a program that are elsewhere.
func TestTimesAreUTC(t *testing.T) {
	s := openNew(t)
	run(t, s, ofDatabase("timezone = 'Asia/Kathmandu'"))
	s.pool.Reset()
	bury(t, s, "a", "r")
	b := find(t, s, "a")
	if err := s.Shares().Add(t.Context(), control.Share{ID: "a", Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	share, err := s.Shares().Find(t.Context(), "a")
	if err != nil || b.Settled.Location() != time.UTC || share.Expires.Location() != time.UTC || !share.Created.IsZero() {
		t.Errorf("got %v, %v, %v and %v, want UTC and the zero time", b.Settled, share.Expires, share.Created, err)
	}
}

func TestClosed(t *testing.T) {
	s := openWith(t, settings(servertest.Postgres(t)))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for err := error(nil); !errors.Is(err, fault.Closed); {
				_, err = s.Batches().Attempt(t.Context(), control.Batch{ID: "b"})
				if err != nil && !errors.Is(err, fault.Closed) {
					t.Errorf("attempt while it is closed: %v", err)
					return
				}
			}
		})
	}
	for range 2 {
		closeStore(t, s)
	}
	wg.Wait()
	for call, err := range controltest.Calls(t.Context(), s) {
		if !errors.Is(err, fault.Closed) {
			t.Errorf("%s: got %v, want fault.Closed", call, err)
		}
	}
}

func TestEndedContext(t *testing.T) {
	dsn := servertest.Postgres(t)
	s := openWith(t, settings(dsn))
	bury(t, s, "a", "r")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for call, err := range controltest.Calls(ended, s) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want context canceled", call, err)
		}
	}
	if got := find(t, s, "a"); got.State != control.StateDead || got.Attempts != 1 {
		t.Errorf("got %s after %d attempts, want nothing changed", got.State, got.Attempts)
	}
	if s, err := Open(ended, settings(dsn), slog.New(slog.DiscardHandler)); !errors.Is(err, context.Canceled) || s != nil {
		t.Errorf("open: got %v, want context canceled", err)
	}
	closeStore(t, s)
}

// TestNothingIsLeftBehind closes stores that were used, that lost their server, and that could not be opened.
func TestNothingIsLeftBehind(t *testing.T) {
	dsn := servertest.Postgres(t)
	proxy, through := proxied(t, dsn)
	before := goleak.IgnoreCurrent()
	s := openWith(t, settings(through))
	bury(t, s, "a", "r")
	proxy.Hold()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Batches().Find(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("find: got %v, want context deadline exceeded", err)
	}
	proxy.Release()
	closeStore(t, s)
	if s, err := Open(t.Context(), settings(wrong(t, dsn, "nobody", "", "")), slog.New(slog.DiscardHandler)); err == nil || s != nil {
		t.Errorf("open: got %v, want an error", err)
	}
	proxy.Cut()
	servertest.NoLeaks(t, before)
}

func BenchmarkStore(b *testing.B) {
	dsn := servertest.Postgres(b)
	controltest.Bench(b, func(b *testing.B) control.Store { return openWith(b, inSchema(dsn, fmt.Sprint(b.Name(), time.Now()))) })
}
