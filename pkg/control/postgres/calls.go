package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// patience is how long a call may take, with waiting for a connection. It is for servers that went away without a word: one
// that is there ends a statement before that.
const (
	patience         = 40 * time.Second
	statementTimeout = 30 * time.Second
)

// exec runs a statement and gives how many records it changed.
func (s *store) exec(ctx context.Context, sql string, args ...any) (changed int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tag, err := s.pool.Exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}

// one runs a statement that answers with one record, as scan reads it: pgx.ErrNoRows when there is none.
func one[T any](ctx context.Context, s *store, scan func(pgx.CollectableRow) (T, error), sql string, args ...any) (of T, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return of, err
	}
	return pgx.CollectExactlyOneRow(rows, scan)
}

// listOf gives all records of a statement's answer, as scan reads them.
func listOf[T any](ctx context.Context, s *store, scan func(pgx.CollectableRow) (T, error), sql string, args ...any) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// locked is as one, in a transaction that has run lock before: what sql sees is what there is once it has the lock.
func locked[T any](ctx context.Context, s *store, lock string, scan func(pgx.CollectableRow) (T, error), sql string, args ...any,
) (of T, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var b pgx.Batch
	b.Queue(lock)
	b.Queue(sql, args...)
	answers := s.pool.SendBatch(ctx, &b)
	defer func() { // the transaction is committed here, or not
		if cerr := answers.Close(); err == nil {
			err = cerr
		}
	}()
	if _, err := answers.Exec(); err != nil {
		return of, err
	}
	rows, err := answers.Query()
	if err != nil {
		return of, err
	}
	return pgx.CollectExactlyOneRow(rows, scan)
}

// number reads a number.
func number(row pgx.CollectableRow) (n int, err error) {
	err = row.Scan(&n)
	return n, err
}
