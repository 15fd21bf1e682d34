package postgres

import (
	"context"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

const (
	listDead = `select ` + batchFields + ` from batches where state = 'dead' and ($1::bytea = '' or destination = $1)
		order by created nulls first, id`
	reviveDead = `update batches set state = 'shipped', attempts = 0, settled = null where id = $1 and state = 'dead'`
	forgetDead = `delete from batches where id = $1 and state = 'dead'`
)

type dead struct{ s *store }

// List implements control.Dead.
func (v dead) List(ctx context.Context, destination string) ([]control.Batch, error) {
	list, err := listOf(ctx, v.s, scanBatch, listDead, text(destination))
	if err != nil {
		return nil, v.s.failed("list dead batches", err)
	}
	return list, nil
}

// Revive implements control.Dead.
func (v dead) Revive(ctx context.Context, id string) error {
	return v.change(ctx, "revive", reviveDead, id)
}

// Forget implements control.Dead.
func (v dead) Forget(ctx context.Context, id string) error {
	return v.change(ctx, "forget", forgetDead, id)
}

// change runs sql, which changes nothing but the dead batch id.
func (v dead) change(ctx context.Context, verb, sql, id string) error {
	changed, err := v.s.exec(ctx, sql, text(id))
	if err != nil {
		return v.s.failed(verb+" dead batch "+id, err)
	}
	if changed == 0 {
		return fault.New(fault.NotFound, "unknown_dead_batch", "no dead batch has the id %.40q", id)
	}
	return nil
}
