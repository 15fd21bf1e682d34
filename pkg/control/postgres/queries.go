package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// queryFields is what scanQuery reads.
const queryFields = `destination, name, version, description, query, params, public, fixed, saved`

// ofName finds the versions of a name. An index is used for it only when it is written just so.
const ofName = `sha256(destination) = sha256($1) and sha256(name) = sha256($2)`

const (
	// lockQueries is for those who save and delete: each must see what the one before has done.
	lockQueries = `select pg_advisory_xact_lock(hashtextextended('scratchdata control queries ' || current_schema(), 0))`

	// saveQuery makes the last version an earlier one, and adds the next. With fresh, $9, it does so for a new name only.
	saveQuery = `with earlier as (
			update queries set last = false where ` + ofName + ` and last and not $9 returning version)
		insert into queries (` + queryFields + `, last)
		select $1, $2, coalesce((select version from earlier), 0) + 1, $3, $4, $5, $6, $7, $8, true
		where not $9 or not exists (select from queries where ` + ofName + `)
		returning version`
	deleteQuery = `with gone as (delete from queries where ` + ofName + ` returning 1) select count(*) from gone`

	findQuery   = `select ` + queryFields + ` from queries where ` + ofName + ` and version = $3`
	lastQuery   = `select ` + queryFields + ` from queries where ` + ofName + ` and last`
	publicQuery = `select ` + queryFields + ` from queries where sha256(public) = sha256($1) and last and public <> ''`
	listQueries = `select ` + queryFields + ` from queries where sha256(destination) = sha256($1) and last order by name`
)

// queries never says a public id in an error: errors are logged, and who has the id may ask the query.
type queries struct{ s *store }

// Save implements control.Queries.
func (v queries) Save(ctx context.Context, q control.NamedQuery, fresh bool) (version int, err error) {
	version, err = locked(ctx, v.s, lockQueries, number, saveQuery, text(q.Destination), text(q.Name), text(q.Description),
		text(q.Query), q.Params, text(q.Public), q.Fixed, q.Saved, fresh)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, fault.New(fault.Exists, "query_exists", "destination %.40q has a query %.64q already", q.Destination, q.Name)
	}
	if err != nil {
		return 0, v.s.failed("save query of destination "+q.Destination, err)
	}
	return version, nil
}

// Find implements control.Queries.
func (v queries) Find(ctx context.Context, destination, name string, version int) (control.NamedQuery, error) {
	sql, args := findQuery, []any{text(destination), text(name), version}
	if version == 0 {
		sql, args = lastQuery, args[:2]
	}
	q, err := one(ctx, v.s, scanQuery, sql, args...)
	if errors.Is(err, pgx.ErrNoRows) {
		return q, unknownQuery(destination, name)
	}
	if err != nil {
		return q, v.s.failed("find query of destination "+destination, err)
	}
	return q, nil
}

// FindPublic implements control.Queries.
func (v queries) FindPublic(ctx context.Context, public string) (control.NamedQuery, error) {
	q, err := one(ctx, v.s, scanQuery, publicQuery, text(public))
	if errors.Is(err, pgx.ErrNoRows) {
		return q, fault.New(fault.NotFound, "unknown_query", "no query has this public id")
	}
	if err != nil {
		return q, v.s.failed("find query by its public id", err)
	}
	return q, nil
}

// List implements control.Queries.
func (v queries) List(ctx context.Context, destination string) ([]control.NamedQuery, error) {
	list, err := listOf(ctx, v.s, scanQuery, listQueries, text(destination))
	if err != nil {
		return nil, v.s.failed("list queries of destination "+destination, err)
	}
	return list, nil
}

// Delete implements control.Queries.
func (v queries) Delete(ctx context.Context, destination, name string) error {
	deleted, err := locked(ctx, v.s, lockQueries, number, deleteQuery, text(destination), text(name))
	if err != nil {
		return v.s.failed("delete query of destination "+destination, err)
	}
	if deleted == 0 {
		return unknownQuery(destination, name)
	}
	return nil
}

func unknownQuery(destination, name string) error {
	return fault.New(fault.NotFound, "unknown_query", "destination %.40q has no such query %.64q", destination, name)
}

// scanQuery reads queryFields.
func scanQuery(row pgx.CollectableRow) (q control.NamedQuery, err error) {
	err = row.Scan((*text)(&q.Destination), (*text)(&q.Name), &q.Version, (*text)(&q.Description), (*text)(&q.Query), &q.Params,
		(*text)(&q.Public), &q.Fixed, &q.Saved)
	if err != nil {
		return control.NamedQuery{}, err
	}
	return q, nil
}
