// Package sqlite keeps what the server remembers in a SQLite file.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/sqlitedb"
)

//go:embed migrations/*.sql
var migrations embed.FS

// readers is how many connections read at a time.
const readers = 4

// pruneAtOnce is how many records a transaction of Prune removes, so that no other write waits long.
const pruneAtOnce = 1000

// store is the whole store; batches, dead, columns, keys, shares, queries, jobs and staged are views of it.
//
// Most commits need no sync: should a power loss take the last of them, a batch is noted as shipped, or tried, once more
// when its message comes again. A batch's end is synced, as its message is deleted right after it, and so are columns
// and keys, which nobody tells of again, and what a person asks for, such as a share or a query, and how far a copy is. A
// sync takes all commits before it along, also those of the other connection.
type store struct {
	file   string
	writes sync.Mutex // one transaction at a time, so that none finds the file locked by the other connection and sleeps
	fast   *sql.DB
	synced *sql.DB
	read   *sql.DB
	stmts  statements
	closed chan struct{}
	close  func() error
}

// Open opens the store in cfg.File, which is made when it is missing. Several processes may have the same file open.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (control.Store, error) {
	s := &store{file: cfg.File, closed: make(chan struct{})}
	s.close = sync.OnceValue(s.closeAll)
	if err := s.open(ctx, log); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *store) open(ctx context.Context, log *slog.Logger) error {
	steps, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	if s.synced, err = sqlitedb.Writer(ctx, s.file, sqlitedb.SyncFull, steps, log); err != nil {
		return err
	}
	if s.fast, err = sqlitedb.Writer(ctx, s.file, sqlitedb.SyncNormal, steps, log); err != nil {
		return err
	}
	if s.read, err = sqlitedb.Reader(s.file, readers); err != nil {
		return err
	}
	if err := s.prepare(ctx); err != nil {
		return fmt.Errorf("open %s: %w", s.file, err)
	}
	return nil
}

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

// Now implements control.Clock: all who have the file open are on one machine, and its clock is theirs.
func (s *store) Now(ctx context.Context) (time.Time, error) {
	select {
	case <-s.closed:
		return time.Time{}, s.failed("ask for the time", errors.New("the store is closed"))
	default:
		return time.Now().UTC().Truncate(time.Microsecond), ctx.Err()
	}
}

// Prune implements control.Store.
func (s *store) Prune(ctx context.Context, before time.Time) error {
	for _, p := range []struct {
		what string
		stmt statement
	}{
		{"batches loaded", s.stmts.prune},
		{"shares expired", s.stmts.pruneShares},
		{"staged batches of jobs finished", s.stmts.pruneStaged},
		{"jobs finished", s.stmts.pruneJobs},
	} {
		if err := s.inSteps(ctx, p.stmt, before); err != nil {
			return s.failed("forget "+p.what+" before "+before.Format(time.RFC3339), err)
		}
	}
	return nil
}

// inSteps runs stmt, which removes records up to a limit, until it finds fewer.
func (s *store) inSteps(ctx context.Context, stmt statement, before time.Time) error {
	for {
		n, err := s.exec(ctx, stmt, before.UnixMicro(), pruneAtOnce)
		if err != nil || n < pruneAtOnce {
			return err
		}
	}
}

// Close implements control.Store.
func (s *store) Close() error { return s.close() }

func (s *store) closeAll() error {
	close(s.closed)
	var errs []error
	for _, db := range []*sql.DB{s.read, s.fast, s.synced} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// inTx calls work in a transaction of db.
func (s *store) inTx(ctx context.Context, db *sql.DB, work func(ctx context.Context, tx *sql.Tx) error) error {
	s.writes.Lock()
	defer s.writes.Unlock()
	return sqlitedb.InTx(ctx, db, work)
}

// exec runs a statement that writes and gives how many records it changed.
func (s *store) exec(ctx context.Context, stmt statement, args ...any) (changed int64, err error) {
	err = s.inTx(ctx, stmt.db, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.StmtContext(ctx, stmt.Stmt).ExecContext(ctx, args...)
		if err != nil {
			return err
		}
		changed, err = result.RowsAffected()
		return err
	})
	return changed, err
}

// failed says what was tried, and that the store is closed when it is.
func (s *store) failed(what string, err error) error {
	select {
	case <-s.closed:
		return fmt.Errorf("%s: %w", what, errors.Join(fault.Closed, err))
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}
