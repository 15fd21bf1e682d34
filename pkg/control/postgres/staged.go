package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/scratchdata/scratchdata/pkg/control"
)

const (
	stage = `insert into staged (job, id, run, row_count, bytes) values ($1, $2, $3, $4, $5)
		on conflict (sha256(job), sha256(id)) do update set run = excluded.run, row_count = excluded.row_count, bytes = excluded.bytes`
	unstage    = `delete from staged where sha256(job) = sha256($1) and (run < $2 or $2 < 0)`
	listStaged = `select id, run, row_count, bytes from staged where sha256(job) = sha256($1) order by id`

	// pruneStaged runs before pruneJobs, which keeps a job while it has batches.
	pruneStaged = `delete from staged where ctid = any(array(select staged.ctid from jobs
		join staged on sha256(staged.job) = sha256(jobs.id) where ` + jobEnded + ` and finished < $1
		order by finished limit $2 for update of staged))`
)

type staged struct{ s *store }

// Put implements control.Staged.
func (v staged) Put(ctx context.Context, id string, b control.StagedBatch) error {
	if _, err := v.s.exec(ctx, stage, text(id), text(b.ID), b.Run, b.Rows, b.Bytes); err != nil {
		return v.s.failed("note staged batch "+b.ID+" of job "+id, err)
	}
	return nil
}

// List implements control.Staged.
func (v staged) List(ctx context.Context, id string) ([]control.StagedBatch, error) {
	list, err := listOf(ctx, v.s, scanStaged, listStaged, text(id))
	if err != nil {
		return nil, v.s.failed("list staged batches of job "+id, err)
	}
	return list, nil
}

// Forget implements control.Staged.
func (v staged) Forget(ctx context.Context, id string, run int) error {
	if _, err := v.s.exec(ctx, unstage, text(id), run); err != nil {
		return v.s.failed("forget staged batches of job "+id, err)
	}
	return nil
}

func scanStaged(row pgx.CollectableRow) (b control.StagedBatch, err error) {
	err = row.Scan((*text)(&b.ID), &b.Run, &b.Rows, &b.Bytes)
	return b, err
}
