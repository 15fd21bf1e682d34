package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// queries never says a public id in an error: errors are logged, and who has the id may ask the query.
type queries struct{ s *store }

// Save implements control.Queries.
func (v queries) Save(ctx context.Context, q control.NamedQuery, fresh bool) (version int, err error) {
	err = v.s.inTx(ctx, v.s.synced, func(ctx context.Context, tx *sql.Tx) error {
		earlier, err := v.supersede(ctx, tx, q.Destination, q.Name)
		if err != nil {
			return err
		}
		if fresh && earlier > 0 {
			return fault.New(fault.Exists, "query_exists", "destination %.40q has a query %.64q already", q.Destination, q.Name)
		}
		version = earlier + 1
		_, err = tx.StmtContext(ctx, v.s.stmts.saveQuery.Stmt).ExecContext(ctx, q.Destination, q.Name, version, q.Description,
			q.Query, q.Params, q.Public, q.Fixed, q.Saved.UnixMicro())
		return err
	})
	if errors.Is(err, fault.Exists) {
		return 0, err
	}
	if err != nil {
		return 0, v.s.failed("save query of destination "+q.Destination, err)
	}
	return version, nil
}

// supersede makes the last version of name an earlier one and returns its number, 0 when there is none.
func (v queries) supersede(ctx context.Context, tx *sql.Tx, destination, name string) (version int, err error) {
	err = tx.StmtContext(ctx, v.s.stmts.supersede.Stmt).QueryRowContext(ctx, destination, name).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return version, err
}

// Find implements control.Queries.
func (v queries) Find(ctx context.Context, destination, name string, version int) (control.NamedQuery, error) {
	stmt, args := v.s.stmts.findQuery, []any{destination, name, version}
	if version == 0 {
		stmt, args = v.s.stmts.lastQuery, args[:2]
	}
	q, err := scanQuery(stmt.QueryRowContext(ctx, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return q, unknownQuery(destination, name)
	}
	if err != nil {
		return q, v.s.failed("find query of destination "+destination, err)
	}
	return q, nil
}

// FindPublic implements control.Queries.
func (v queries) FindPublic(ctx context.Context, public string) (control.NamedQuery, error) {
	q, err := scanQuery(v.s.stmts.publicQuery.QueryRowContext(ctx, public))
	if errors.Is(err, sql.ErrNoRows) {
		return q, fault.New(fault.NotFound, "unknown_query", "no query has this public id")
	}
	if err != nil {
		return q, v.s.failed("find query by its public id", err)
	}
	return q, nil
}

// List implements control.Queries.
func (v queries) List(ctx context.Context, destination string) ([]control.NamedQuery, error) {
	list, err := listOf(ctx, v.s.stmts.queries, scanQuery, destination)
	if err != nil {
		return nil, v.s.failed("list queries of destination "+destination, err)
	}
	return list, nil
}

// Delete implements control.Queries.
func (v queries) Delete(ctx context.Context, destination, name string) error {
	deleted, err := v.s.exec(ctx, v.s.stmts.deleteQuery, destination, name)
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
func scanQuery(row row) (q control.NamedQuery, err error) {
	var saved int64
	err = row.Scan(&q.Destination, &q.Name, &q.Version, &q.Description, &q.Query, &q.Params, &q.Public, &q.Fixed, &saved)
	if err != nil {
		return control.NamedQuery{}, err
	}
	q.Saved = time.UnixMicro(saved).UTC()
	return q, nil
}
