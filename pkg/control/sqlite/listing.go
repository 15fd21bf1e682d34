package sqlite

import (
	"context"
	"errors"
)

// row is what a scan function reads from: one row of an answer, or the only one.
type row interface{ Scan(dest ...any) error }

// listOf gives all rows of stmt's answer, as scan reads them.
func listOf[T any](ctx context.Context, stmt statement, scan func(row) (T, error), args ...any) (list []T, err error) {
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		of, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, of)
	}
	return list, rows.Err()
}
