package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// versions is the table that says which migrations were done. Another program may keep tables of its own beside ours.
const versions = "scratchdata_control_version"

// One server at a time makes tables. The lock ends with its connection, whatever becomes of the server.
const (
	lockTables = `select pg_advisory_xact_lock(hashtextextended('scratchdata control tables ' ||
		coalesce(nullif($1, ''), current_schema(), ''), 0))`
	noTimeout = `set local idle_in_transaction_session_timeout = 0`
	hasSchema = `select exists (select from pg_namespace where nspname = $1)`
)

// upToDate brings the tables up to date while conn has the lock.
func upToDate(ctx context.Context, conn *pgx.Conn, cfg *pgx.ConnConfig, schema string, log *slog.Logger) (err error) {
	tx, err := conn.Begin(ctx) // ends with its connection: it has only the lock
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, noTimeout); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, lockTables, schema); err != nil {
		return fmt.Errorf("wait for others that bring the tables up to date: %w", err)
	}
	db := stdlib.OpenDB(*cfg)
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := makeSchema(ctx, db, schema); err != nil {
		return err
	}
	return migrate(ctx, db, log)
}

// makeSchema makes the schema when it is missing. One that is there needs no right to make any.
func makeSchema(ctx context.Context, db *sql.DB, schema string) error {
	if schema == "" {
		return nil
	}
	var there bool
	if err := db.QueryRowContext(ctx, hasSchema, schema).Scan(&there); err != nil || there {
		return err
	}
	if _, err := db.ExecContext(ctx, "create schema "+pgx.Identifier{schema}.Sanitize()); err != nil {
		return fmt.Errorf("make schema %s: %w", schema, err)
	}
	return nil
}

var errNewer = errors.New("it was written by a newer version of this program; start that one, or restore a back-up from before")

func migrate(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	steps, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, steps,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()), goose.WithTableName(versions))
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
