// Package pgcommit lets a commit in Postgres return only when a crash of the server cannot undo it.
package pgcommit

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// within is how long the server may take to change its setting. A pool waits for its connections when it closes.
const within = 10 * time.Second

// wait leaves each setting but off as it is: all of them have the commit on the server's own disk. What is set for the
// session stays when the server's configuration is changed and read again.
const wait = `select set_config('synchronous_commit', case current_setting('synchronous_commit')
	when 'off' then 'on' else current_setting('synchronous_commit') end, false)`

// Wait lets the commits of a new connection wait for the disk, whatever the server, the database, the role or the DSN says.
// It is for [pgconn.Config.AfterConnect].
func Wait(ctx context.Context, c *pgconn.PgConn) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if _, err := c.Exec(ctx, wait).ReadAll(); err != nil {
		return fmt.Errorf("let commits wait for the disk: %w", err)
	}
	return nil
}

// Querier is a connection, or a pool of them.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Warn says in the log when connections begin with commits that do not wait: a pooler in transaction mode gives Wait one of
// its own connections, and a later statement another.
func Warn(ctx context.Context, q Querier, log *slog.Logger) error {
	var off bool
	err := q.QueryRow(ctx, "select reset_val = 'off' from pg_settings where name = 'synchronous_commit'").Scan(&off)
	if err != nil {
		return fmt.Errorf("look at synchronous_commit: %w", err)
	}
	if off {
		log.WarnContext(ctx, "synchronous_commit is off where connections begin; it is turned on for each, but behind a pooler in "+
			"transaction mode that does not hold, and a crash of the server undoes what it has committed: set it to on for the role")
	}
	return nil
}
