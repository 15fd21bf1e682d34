package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

type dead store

func (s *dead) List(ctx context.Context, destination string) (list []control.Batch, err error) {
	rows, err := s.db.QueryContext(ctx, `select `+columns+` from batches where state = 'dead' and (?1 = '' or destination = ?1) order by settled, id`, destination)
	if err != nil {
		return nil, fmt.Errorf("list the dead batches: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		b, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("list the dead batches: %w", err)
		}
		list = append(list, b)
	}
	return list, rows.Err()
}

func (s *dead) Revive(ctx context.Context, id string) error {
	return s.change(ctx, id, `update batches set state = 'shipped', attempts = 0, settled = 0, reason = '' where id = ? and state = 'dead'`)
}

func (s *dead) Forget(ctx context.Context, id string) error {
	return s.change(ctx, id, `delete from batches where id = ? and state = 'dead'`)
}

// change runs stmt, which touches the dead batch id, and waits for the disk.
func (s *dead) change(ctx context.Context, id, stmt string) error {
	err := (*store)(s).durably(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, stmt, id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return err
		}
		return fault.New(fault.NotFound, "not_dead", "no dead batch has the id %.40q", id)
	})
	if err != nil {
		return fmt.Errorf("change the dead batch %.40s: %w", id, err)
	}
	return nil
}
