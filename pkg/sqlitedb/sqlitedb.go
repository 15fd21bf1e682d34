// Package sqlitedb opens the SQLite files that the program keeps for itself.
package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/scratchdata/scratchdata/pkg/durable"
)

// Sync says which commits survive a power loss. None is lost when only the process dies.
type Sync string

// The ways to sync.
const (
	SyncNormal Sync = "NORMAL" // the file stays whole, but the last commits may be missing
	SyncFull   Sync = "FULL"   // every commit survives
)

// busyTimeout is how long a statement waits for another process that writes.
const busyTimeout = 10 * time.Second

// Writer opens file, which is made when it is missing, and brings its tables up to date by migrations, which are SQL files
// as goose reads them. The pool has one connection, as SQLite takes one writer at a time; transactions take the lock when
// they begin.
func Writer(ctx context.Context, file string, sync Sync, migrations fs.FS, log *slog.Logger) (*sql.DB, error) {
	if err := durable.MkdirAll(filepath.Dir(file)); err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	db, err := pool(file, 1, url.Values{"_synchronous": {string(sync)}, "_txlock": {"immediate"}})
	if err != nil {
		return nil, err
	}
	if err := upToDate(ctx, db, migrations, log.With("file", file)); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", file, err), db.Close())
	}
	return db, nil
}

// Reader opens file for reading by up to conns at a time. A Writer must have opened it before.
func Reader(file string, conns int) (*sql.DB, error) {
	return pool(file, conns, url.Values{"_query_only": {"true"}})
}

func pool(file string, conns int, params url.Values) (*sql.DB, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	name := filepath.ToSlash(abs)
	if !strings.HasPrefix(name, "/") {
		name = "/" + name // C:/data
	}
	params.Set("_busy_timeout", strconv.FormatInt(busyTimeout.Milliseconds(), 10))
	params.Set("_journal_mode", "WAL")
	dsn := url.URL{Scheme: "file", Path: name, RawQuery: params.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// tries is how often upToDate begins anew, because another process did the same to the file at the same time.
const tries = 5

func upToDate(ctx context.Context, db *sql.DB, migrations fs.FS, log *slog.Logger) error {
	var err error
	for range tries {
		if err = migrate(ctx, db, migrations, log); err == nil || errors.Is(err, errNewer) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

var errNewer = errors.New("it was written by a newer version of this program; start that one, or restore a back-up from before")

func migrate(ctx context.Context, db *sql.DB, migrations fs.FS, log *slog.Logger) error {
	p, err := goose.NewProvider(goose.DialectSQLite3, db, migrations,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > target {
		return fmt.Errorf("its tables have version %d, and this program knows up to %d: %w", current, target, errNewer)
	}
	done, err := p.Up(ctx)
	for _, m := range done {
		log.InfoContext(ctx, "tables brought up to date", "version", m.Source.Version)
	}
	return err
}

// InTx calls work in a transaction on db and commits it. An ended ctx stops it before it begins and not later, so that
// the error says whether the work was done, unless the disk fails at the commit.
func InTx(ctx context.Context, db *sql.DB, work func(ctx context.Context, tx *sql.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := work(ctx, tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
