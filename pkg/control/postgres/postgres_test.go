package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/control/controltest"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

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

// run runs a statement of the test's own.
func run(t testing.TB, s *store, sql string, args ...any) {
	t.Helper()
	if _, err := s.pool.Exec(context.Background(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// TestStore has a schema of its own for each store: to make a database takes much longer.
func TestStore(t *testing.T) {
	dsn := servertest.Postgres(t)
	controltest.Run(t, func(t *testing.T) control.Store { return openWith(t, inSchema(dsn, t.Name())) })
	controltest.RunDurable(t, func(t *testing.T) func() control.Store {
		return func() control.Store { return openWith(t, inSchema(dsn, t.Name())) }
	})
}

// inSchema is the settings of a store with a schema whose name is made of what is given, which may be of any length.
func inSchema(dsn, of string) Config {
	c := settings(dsn)
	sum := sha256.Sum256([]byte(of))
	c.Schema = fmt.Sprintf("%x It's \"%s\"", sum[:8], "ä")
	return c
}
