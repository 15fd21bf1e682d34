// Package sqlitefile opens SQLite files and brings their schema up to date.
package sqlitefile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the database/sql driver "sqlite"

	"github.com/scratchdata/scratchdata/pkg/durable"
)

// Sync is what a commit waits for.
type Sync string

// The levels: Full survives power loss; Normal survives a crash of the process, and may forget the last commits at a
// power loss, never corrupting the file.
const (
	Full   Sync = "FULL"
	Normal Sync = "NORMAL"
)

// Open opens the file, and its folder, made when missing, and runs those of the SQL migrations that it has not had. One
// connection is used, because SQLite has one writer. A file of a newer version than the migrations know is an error.
func Open(ctx context.Context, file string, sync Sync, migrations fs.FS) (*sql.DB, error) {
	if err := durable.MkdirAll(filepath.Dir(file)); err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	q := url.Values{
		"_pragma": {"journal_mode(WAL)", "synchronous(" + string(sync) + ")", "busy_timeout(10000)", "foreign_keys(1)"},
		"_txlock": {"immediate"},
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	db.SetMaxOpenConns(1)
	if err := migrate(ctx, db, migrations); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", file, err), db.Close())
	}
	return db, nil
}

func migrate(ctx context.Context, db *sql.DB, migrations fs.FS) error {
	p, err := goose.NewProvider(goose.DialectSQLite3, db, migrations, goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	sources := p.ListSources()
	known := sources[len(sources)-1].Version
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	if have > known {
		return fmt.Errorf("its schema has version %d and this program knows up to %d: use a newer program", have, known)
	}
	_, err = p.Up(ctx)
	return err
}
