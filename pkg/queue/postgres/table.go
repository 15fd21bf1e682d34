package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A message is a row. Each delivery gives it another receipt; it is deleted when its work is done. Rows live for seconds, so
// the vacuum comes early and does not hold back. The index is all that is read to find the next message: also with many
// that are hidden, and with many that are not. As each change moves visible_at, which is in the index, room left in the
// pages would make no change cheaper, and the table is as full as any.
const makeTable = `
create table %[1]s (
	id         bigint generated always as identity primary key,
	body       bytea not null,
	visible_at timestamptz not null default now(),
	attempt    integer not null default 0,
	receipt    uuid
) with (
	autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0,
	autovacuum_analyze_threshold = 1000, autovacuum_analyze_scale_factor = 0.05
);
create index on %[1]s (visible_at);
comment on table %[1]s is 'a queue of Scratch Data'`

// statements are those of one table.
type statements struct {
	send, take, next, hide, remove, undo string
}

// statementsFor gives the statements for a table, whose name is quoted. All times are the database's.
func statementsFor(table string) statements {
	in := func(sql string) string { return strings.ReplaceAll(sql, "$table", table) }
	return statements{
		send: in(`insert into $table (body) values ($1)`),
		// Who takes a message locks its row, so that others pass it over, and looks again whether it is visible still.
		take: in(`with next as (
				select id from $table where visible_at <= now() order by visible_at limit 1 for update skip locked
			)
			update $table q set visible_at = now() + $1::bigint * interval '1 microsecond', attempt = q.attempt + 1, receipt = $2::uuid
			from next where q.id = next.id
			returning q.id, q.body, q.attempt`),
		next:   in(`select (extract(epoch from visible_at - now()) * 1000000)::bigint from $table order by visible_at limit 1`),
		hide:   in(`update $table set visible_at = now() + $1::bigint * interval '1 microsecond' where id = $2 and receipt = $3::uuid`),
		undo:   in(`update $table set visible_at = now(), attempt = attempt - 1, receipt = null where id = $1 and receipt = $2::uuid`),
		remove: in(`delete from $table where id = $1`),
	}
}

// ensure makes the table when it is missing, holds that it can be used, and gives its number.
func ensure(ctx context.Context, pool *pgxpool.Pool, table string) (oid uint32, err error) {
	var there bool // also for a user who may not make tables
	if err := pool.QueryRow(ctx, "select to_regclass($1) is not null", table).Scan(&there); err != nil {
		return 0, fmt.Errorf("look for the table %s: %w", table, err)
	}
	if !there {
		_, err := pool.Exec(ctx, fmt.Sprintf(makeTable, table)) // several statements, all or none
		if code := codeOf(err); err != nil && code != duplicateTable && code != uniqueViolation {
			return 0, fmt.Errorf("make the table %s: %w", table, err)
		}
	}
	return check(ctx, pool, table)
}

// Postgres' codes. When two make a table at the same time, the later one gets one of the first two.
const (
	duplicateTable  = "42P07"
	uniqueViolation = "23505"
	undefinedColumn = "42703"
)

// codeOf gives Postgres' code of an error, empty when it is none of the server's.
func codeOf(err error) string {
	var reply *pgconn.PgError
	if errors.As(err, &reply) {
		return reply.Code
	}
	return ""
}

// check holds that the table is a queue, and that this user may do with it all that is needed.
func check(ctx context.Context, pool *pgxpool.Pool, table string) (oid uint32, err error) {
	var replica, allowed bool
	err = pool.QueryRow(ctx, `select $1::regclass::oid, pg_is_in_recovery(), has_table_privilege($1, 'select')
		and has_table_privilege($1, 'insert') and has_table_privilege($1, 'update') and has_table_privilege($1, 'delete')`,
		table).Scan(&oid, &replica, &allowed)
	switch {
	case err != nil:
		return 0, fmt.Errorf("look at the table %s: %w", table, err)
	case replica:
		return 0, errors.New("the server is a replica, which can only be read")
	case !allowed:
		return 0, fmt.Errorf("the user may not do all that is needed with the table %s: grant select, insert, update, delete", table)
	}
	_, err = pool.Exec(ctx, "select id, body, visible_at, attempt, receipt from "+table+" limit 0")
	if codeOf(err) == undefinedColumn {
		return 0, fmt.Errorf("the table %s is there and is not a queue: name another: %w", table, err)
	}
	return oid, err
}
