package postgres

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/control/controltest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// TestServerRestarts holds that a store needs nothing but its server's return, in order or after a crash, and that what was
// said to be kept is.
func TestServerRestarts(t *testing.T) {
	server := servertest.StartPostgres(t)
	s := openWith(t, settings(server.Database(t)))
	defer func() { closeStore(t, s) }()
	bury(t, s, "a", "r")
	remember(t, s, controltest.KeyedInserts(0, 10))
	for name, end := range map[string]func(testing.TB){"stopped": server.Stop, "crashed": server.Crash} {
		fillConnections(t, s)
		end(t)
		for call, err := range controltest.Calls(t.Context(), s) {
			if err == nil || fault.Of(err) != fault.Internal && fault.Of(err) != fault.Busy {
				t.Errorf("%s, %s: got %v, want an error that may be tried again", name, call, err)
			}
		}
		server.Start(t)
		// Connections that were idle for less than a second are not looked at before their next use: each fails once at most.
		failed := 0
		for _, err := s.Batches().Find(t.Context(), "a"); err != nil; _, err = s.Batches().Find(t.Context(), "a") {
			if failed++; failed > int(s.pool.Config().MaxConns) {
				t.Fatalf("%s: got %v after %d failures, want that it recovers", name, err, failed)
			}
		}
		if got := find(t, s, "a"); got.State != control.StateDead || got.Reason != "r" {
			t.Errorf("%s: got %s, %q, want dead, %q", name, got.State, got.Reason, "r")
		}
		wantTotal(t, s, 10)
	}
}

// fillConnections lets the store have all connections that it may.
func fillConnections(t *testing.T, s *store) {
	t.Helper()
	var wg sync.WaitGroup
	for range s.pool.Config().MaxConns {
		wg.Go(func() {
			if _, err := s.pool.Exec(t.Context(), "select pg_sleep(0.2)"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestConnectionsAreCut has connections that end while nobody uses them, and while they are used.
func TestConnectionsAreCut(t *testing.T) {
	proxy, dsn := proxied(t, servertest.Postgres(t))
	c := settings(dsn)
	c.MaxOpenConns = 1
	s := openWith(t, c)
	defer closeStore(t, s)
	bury(t, s, "a", "r")
	for n := range 3 {
		proxy.Cut()
		_, err := s.Batches().Find(t.Context(), "a")
		if err != nil && fault.Of(err) != fault.Internal {
			t.Errorf("cut %d: got %v, want an error of no kind", n, err)
		}
		find(t, s, "a")
	}
	proxy.Refuse(true)
	proxy.Cut()
	for range 3 {
		if _, err := s.Batches().Find(t.Context(), "a"); err == nil || fault.Of(err) != fault.Internal {
			t.Errorf("refused: got %v, want an error of no kind", err)
		}
	}
	proxy.Refuse(false)
	find(t, s, "a")
}

// TestSilentServer has one that says nothing: a call ends with its context, and the store is of use when the server is.
func TestSilentServer(t *testing.T) {
	proxy, dsn := proxied(t, servertest.Postgres(t))
	s := openWith(t, settings(dsn))
	defer closeStore(t, s)
	bury(t, s, "a", "r")
	for name, begin := range map[string]func() (context.Context, context.CancelFunc){
		"a deadline": func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), 20*time.Millisecond)
		},
		"a caller who leaves": func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Millisecond, cancel)
			return ctx, cancel
		},
	} {
		proxy.Hold()
		ctx, cancel := begin()
		for call, err := range controltest.Calls(ctx, s) {
			if !errors.Is(err, ctx.Err()) || ctx.Err() == nil {
				t.Errorf("%s, %s: got %v, want %v", name, call, err, ctx.Err())
			}
		}
		cancel()
		proxy.Release()
		find(t, s, "a")
	}
}

// TestBusy has what the database says when it has no room or time, which is not the caller's mistake.
func TestBusy(t *testing.T) {
	s := openWith(t, settings(with(t, servertest.Postgres(t), "statement_timeout", "200")))
	defer closeStore(t, s)
	for name, sql := range map[string]string{
		"a statement that takes too long": "select pg_sleep(60)",
		"a conflict of transactions":      "do $$ begin raise exception 'x' using errcode = '40001'; end $$",
		"a deadlock":                      "do $$ begin raise exception 'x' using errcode = '40P01'; end $$",
		"a lock":                          "do $$ begin raise exception 'x' using errcode = '55P03'; end $$",
		"a server that starts":            "do $$ begin raise exception 'x' using errcode = '57P03'; end $$",
	} {
		_, err := s.exec(t.Context(), sql)
		err = s.failed("note shipped batch a", err)
		if !errors.Is(err, fault.Busy) || fault.AfterOf(err) != busyRetry || !fault.Retryable(err) {
			t.Errorf("%s: got %v, want fault.Busy that says when to try again", name, err)
		}
		if got, want := fault.TextOf(err), "the server's own database is busy"; got != want {
			t.Errorf("%s: the caller gets %q, want %q", name, got, want)
		}
	}
}

// TestStandby holds that a store whose server has become a standby looks for the one that took its place: its connections
// are made anew.
func TestStandby(t *testing.T) {
	c := settings(servertest.Postgres(t))
	c.MaxOpenConns = 1
	s := openWith(t, c)
	defer closeStore(t, s)
	bury(t, s, "a", "r")
	if _, err := s.pool.Exec(t.Context(), "set default_transaction_read_only = on"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Batches().Attempt(t.Context(), control.Batch{ID: "a"})
	if err == nil || fault.Of(err) != fault.Internal {
		t.Errorf("got %v, want an error of no kind", err)
	}
	if b, err := s.Batches().Attempt(t.Context(), control.Batch{ID: "a"}); err != nil || b.Attempts != 2 {
		t.Errorf("again: got attempt %d and %v, want 2", b.Attempts, err)
	}
}

// TestLostAfterTheStatement has what fails at the commit, after the statement was answered: a call must not say that it was
// done then.
func TestLostAfterTheStatement(t *testing.T) {
	s := openNew(t)
	// The constraint is looked at when the transaction is committed, after the statement's own answer.
	run(t, s, `create function late() returns trigger language plpgsql as 'begin raise exception ''too late''; end'`)
	for _, table := range []string{"batches", "queries"} {
		run(t, s, `create constraint trigger late after insert on `+table+` deferrable initially deferred for each row execute function late()`)
	}
	_, attempt := s.Batches().Attempt(t.Context(), control.Batch{ID: "a"})
	_, save := s.Queries().Save(t.Context(), control.NamedQuery{Name: "a"}, true)
	for call, err := range map[string]error{
		"one": attempt, "locked": save, "exec": s.Batches().Shipped(t.Context(), control.Batch{ID: "a"}),
	} {
		if err == nil {
			t.Errorf("%s: got no error, and nothing was committed", call)
		}
	}
	wantBatches(t, s, 0)
	var n int
	if err := s.pool.QueryRow(t.Context(), "select count(*) from queries").Scan(&n); err != nil || n != 0 {
		t.Errorf("got %d queries and %v, want none", n, err)
	}
	if s.pool.Stat().AcquiredConns() != 0 {
		t.Error("a connection was not given back")
	}
}
