package sqlite

import (
	"context"

	"github.com/scratchdata/scratchdata/pkg/control"
)

type staged struct{ s *store }

// Put implements control.Staged. It is synced: a batch is noted before it is stored, and what is stored and not noted would
// be found by nobody.
func (v staged) Put(ctx context.Context, id string, b control.StagedBatch) error {
	if _, err := v.s.exec(ctx, v.s.stmts.stage, id, b.ID, b.Run, b.Rows, b.Bytes); err != nil {
		return v.s.failed("note staged batch "+b.ID+" of job "+id, err)
	}
	return nil
}

// List implements control.Staged.
func (v staged) List(ctx context.Context, id string) ([]control.StagedBatch, error) {
	list, err := listOf(ctx, v.s.stmts.staged, scanStaged, id)
	if err != nil {
		return nil, v.s.failed("list staged batches of job "+id, err)
	}
	return list, nil
}

// Forget implements control.Staged. It need not be synced: what comes back by a power loss is forgotten once more.
func (v staged) Forget(ctx context.Context, id string, run int) error {
	if _, err := v.s.exec(ctx, v.s.stmts.unstage, id, run); err != nil {
		return v.s.failed("forget staged batches of job "+id, err)
	}
	return nil
}

func scanStaged(row row) (b control.StagedBatch, err error) {
	err = row.Scan(&b.ID, &b.Run, &b.Rows, &b.Bytes)
	return b, err
}
