// Package postgres keeps what the server remembers in a Postgres database, which several servers may share.
package postgres

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/scratchdata/scratchdata/pkg/control"
)

// pruneAtOnce is how many records a transaction of Prune removes, so that no other write waits long.
const pruneAtOnce = 1000

const clockNow = `select clock_timestamp()`

// store is the whole store; batches, dead, columns, keys, shares, queries, jobs and staged are views of it.
//
// Each change is one statement, and so one transaction, that holds its conditions itself. The few that need a lock before
// they look, such as Save of queries, send it along: both are one transaction and one round trip. So there is no
// transaction that a server which is gone could leave open, and when an answer is lost, all was done or nothing.
type store struct {
	pool   *pgxpool.Pool
	closed chan struct{}
	close  func()
}

// Open connects to the database of cfg and brings its tables up to date.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (control.Store, error) {
	pool, err := connect(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	s := &store{pool: pool, closed: make(chan struct{})}
	s.close = sync.OnceFunc(func() {
		close(s.closed)
		s.pool.Close() // waits for the calls in progress
	})
	return s, nil
}

// Shared implements control.Shared.
func (s *store) Shared() bool { return true }

// Batches implements control.Store.
func (s *store) Batches() control.Batches { return batches{s} }

// Dead implements control.Store.
func (s *store) Dead() control.Dead { return dead{s} }

// Columns implements control.Store.
func (s *store) Columns() control.Columns { return columns{s} }

// Keys implements control.Store.
func (s *store) Keys() control.Keys { return keys{s} }

// Shares implements control.Store.
func (s *store) Shares() control.Shares { return shares{s} }

// Queries implements control.Store.
func (s *store) Queries() control.Queries { return queries{s} }

// Jobs implements control.Store.
func (s *store) Jobs() control.Jobs { return jobs{s} }

// Staged implements control.Store.
func (s *store) Staged() control.Staged { return staged{s} }

// Now implements control.Clock: the servers' own clocks may differ.
func (s *store) Now(ctx context.Context) (time.Time, error) {
	now, err := one(ctx, s, pgx.RowTo[time.Time], clockNow)
	if err != nil {
		return time.Time{}, s.failed("ask for the time", err)
	}
	return now, nil
}

// Prune implements control.Store.
func (s *store) Prune(ctx context.Context, before time.Time) error {
	for _, p := range []struct{ what, sql string }{
		{"batches loaded", pruneBatches},
		{"shares expired", pruneShares},
		{"staged batches of jobs finished", pruneStaged},
		{"jobs finished", pruneJobs},
	} {
		if err := s.inSteps(ctx, p.sql, before); err != nil {
			return s.failed("forget "+p.what+" before "+before.Format(time.RFC3339), err)
		}
	}
	return nil
}

// inSteps runs sql, which removes records up to a limit, until it finds fewer. It must wait for what another server is
// removing and then take others, so that fewer means that there are none.
func (s *store) inSteps(ctx context.Context, sql string, before time.Time) error {
	for {
		n, err := s.exec(ctx, sql, before, pruneAtOnce)
		if err != nil || n < pruneAtOnce {
			return err
		}
	}
}

// Close implements control.Store.
func (s *store) Close() error {
	s.close()
	return nil
}
