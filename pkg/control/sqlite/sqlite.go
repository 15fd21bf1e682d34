// Package sqlite keeps what the server remembers about itself in a SQLite file.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/sqlitefile"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config is where the file is.
type Config struct {
	File string `yaml:"file"` // made when it is missing
}

// DefaultConfig returns the settings used when none are given.
func DefaultConfig() Config { return Config{File: "./data/control.db"} }

// Validate says what is wrong with c.
func (c Config) Validate() error {
	if c.File == "" {
		return errors.New("file: a file is wanted")
	}
	return nil
}

// Open opens the store, and makes it when it is missing.
//
// Commits do not wait for the disk, but for those that make a batch dead: a power loss may forget the last states, which
// are told anew when their messages are delivered again; it must not forget a dead batch, whose message is gone.
func Open(ctx context.Context, c Config, _ *slog.Logger) (control.Store, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	db, err := sqlitefile.Open(ctx, c.File, sqlitefile.Normal, sub)
	if err != nil {
		return nil, fmt.Errorf("the server's own records: %w", err)
	}
	return &store{db: db}, nil
}

type store struct{ db *sql.DB }

func (s *store) Batches() control.Batches { return (*batches)(s) }

func (s *store) Dead() control.Dead { return (*dead)(s) }

func (s *store) Prune(ctx context.Context, before time.Time) error {
	_, err := s.db.ExecContext(ctx, `delete from batches where state = 'loaded' and settled < ?`, before.UnixMicro())
	if err != nil {
		return fmt.Errorf("forget old batches: %w", err)
	}
	return nil
}

func (s *store) Close() error { return s.db.Close() }

// durably runs do in a transaction whose commit waits for the disk.
func (s *store) durably(ctx context.Context, do func(*sql.Tx) error) (err error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, "pragma synchronous = full"); err != nil {
		return err
	}
	defer func() {
		_, rerr := conn.ExecContext(context.WithoutCancel(ctx), "pragma synchronous = normal")
		err = errors.Join(err, rerr)
	}()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
