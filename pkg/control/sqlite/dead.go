package sqlite

import (
	"context"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

type dead struct{ s *store }

// List implements control.Dead.
func (v dead) List(ctx context.Context, destination string) (list []control.Batch, err error) {
	if list, err = listOf(ctx, v.s.stmts.list, scan, destination); err != nil {
		return nil, v.s.failed("list dead batches", err)
	}
	return list, nil
}

// Revive implements control.Dead.
func (v dead) Revive(ctx context.Context, id string) error {
	return v.change(ctx, "revive", v.s.stmts.revive, id)
}

// Forget implements control.Dead.
func (v dead) Forget(ctx context.Context, id string) error {
	return v.change(ctx, "forget", v.s.stmts.forget, id)
}

// change runs stmt, which changes nothing but the dead batch id.
func (v dead) change(ctx context.Context, verb string, stmt statement, id string) error {
	changed, err := v.s.exec(ctx, stmt, id)
	if err != nil {
		return v.s.failed(verb+" dead batch "+id, err)
	}
	if changed == 0 {
		return fault.New(fault.NotFound, "unknown_dead_batch", "no dead batch has the id %.40q", id)
	}
	return nil
}
