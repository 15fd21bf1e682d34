package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// jobFields is what scanJob reads.
const jobFields = `id, source, key, query, params, destination, tbl, state, canceling, run, plan, read_rows, read_bytes,
	read_batches, written_rows, written_bytes, written_batches, rescued, counted, error, created, started, finished, until`

// jobOpen and jobEnded are the conditions of jobs' partial indexes.
const (
	jobOpen  = `state not in ('done', 'failed', 'canceled')`
	jobEnded = `state in ('done', 'failed', 'canceled')`
)

// Each change of a job is a statement of its own, which no other can come between.
const (
	addJob = `insert into jobs (` + jobFields + `) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
		$17, $18, $19, $20, $21, $22, $23, $24) on conflict (sha256(id)) do nothing`

	// claimJob waits for a job that somebody is changing, and passes it by only if it is not free then. To skip those that are
	// locked would be to say that there is none while one is being saved.
	claimJob = `with free as materialized (select id from jobs where ` + jobOpen + ` and until <= $1
			order by created, id limit 1 for update)
		update jobs set run = run + 1, until = $2 where sha256(id) = (select sha256(id) from free) returning ` + jobFields
	saveJob = `update jobs set state = $3, plan = $4, read_rows = $5, read_bytes = $6, read_batches = $7, written_rows = $8,
		written_bytes = $9, written_batches = $10, rescued = $11, counted = $12, error = $13, started = $14, finished = $15,
		until = $16 where sha256(id) = sha256($1) and run = $2 and ` + jobOpen + ` returning canceling`
	cancelJob = `update jobs set canceling = canceling or ` + jobOpen + `,
		state = case when ` + jobOpen + ` and run = 0 then 'canceled' else state end,
		finished = case when ` + jobOpen + ` and run = 0 then $3 else finished end
		where sha256(id) = sha256($1) and source = $2 returning ` + jobFields

	findJob = `select ` + jobFields + ` from jobs where sha256(id) = sha256($1)`
	jobsOf  = `select ` + jobFields + ` from jobs where sha256(source) = sha256($2) order by created desc, id desc limit $1`
	allJobs = `select ` + jobFields + ` from jobs order by created desc, id desc limit $1`

	// pruneJobs keeps a job while it has batches: they are found by it.
	pruneJobs = `delete from jobs where ctid = any(array(select ctid from jobs where ` + jobEnded + ` and finished < $1
		and not exists (select from staged where sha256(job) = sha256(jobs.id)) order by finished limit $2 for update))`
)

// jobs never says a query or its parameters in an error: errors are logged, and those are the data of whoever asked.
type jobs struct{ s *store }

// Add implements control.Jobs.
func (v jobs) Add(ctx context.Context, j control.Job) error {
	added, err := v.s.exec(ctx, addJob, text(j.ID), text(j.Source), text(j.Key), text(j.Query), j.Params, text(j.Destination),
		text(j.Table.String()), j.State, j.Canceling, j.Run, j.Plan, j.Read.Rows, j.Read.Bytes, j.Read.Batches, j.Written.Rows,
		j.Written.Bytes, j.Written.Batches, j.Rescued, j.Counted, text(j.Error), j.Created, j.Started, j.Finished, j.Until)
	if err != nil {
		return v.s.failed("add job "+j.ID, err)
	}
	if added == 0 {
		return fault.New(fault.Exists, "job_exists", "another job has the id %.40q", j.ID)
	}
	return nil
}

// Find implements control.Jobs.
func (v jobs) Find(ctx context.Context, id string) (control.Job, error) {
	j, err := one(ctx, v.s, scanJob, findJob, text(id))
	if errors.Is(err, pgx.ErrNoRows) {
		return j, fault.New(fault.NotFound, "unknown_job", "no job has the id %.40q", id)
	}
	if err != nil {
		return j, v.s.failed("find job "+id, err)
	}
	return j, nil
}

// List implements control.Jobs.
func (v jobs) List(ctx context.Context, source string, most int) ([]control.Job, error) {
	sql, args := jobsOf, []any{max(most, 0), text(source)} // a limit below zero is an error
	if source == "" {
		sql, args = allJobs, args[:1]
	}
	list, err := listOf(ctx, v.s, scanJob, sql, args...)
	if err != nil {
		return nil, v.s.failed("list jobs", err)
	}
	return list, nil
}

// Claim implements control.Jobs. Those who wait for a job look again and again: one that finds none writes nothing.
func (v jobs) Claim(ctx context.Context, now, until time.Time) (control.Job, error) {
	j, err := one(ctx, v.s, scanJob, claimJob, now, until)
	if errors.Is(err, pgx.ErrNoRows) {
		return control.Job{}, fault.New(fault.NotFound, "no_job", "no job waits for somebody to work on it")
	}
	if err != nil {
		return control.Job{}, v.s.failed("claim job", err)
	}
	return j, nil
}

// Save implements control.Jobs.
func (v jobs) Save(ctx context.Context, j control.Job) (canceling bool, err error) {
	canceling, err = one(ctx, v.s, pgx.RowTo[bool], saveJob, text(j.ID), j.Run, j.State, j.Plan, j.Read.Rows, j.Read.Bytes,
		j.Read.Batches, j.Written.Rows, j.Written.Bytes, j.Written.Batches, j.Rescued, j.Counted, text(j.Error), j.Started,
		j.Finished, j.Until)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, fault.New(fault.Closed, "job_closed", "job %.40q is finished, or was claimed again after run %d", j.ID, j.Run)
	}
	if err != nil {
		return false, v.s.failed("save job "+j.ID, err)
	}
	return canceling, nil
}

// Cancel implements control.Jobs.
func (v jobs) Cancel(ctx context.Context, source, id string, now time.Time) (control.Job, error) {
	j, err := one(ctx, v.s, scanJob, cancelJob, text(id), text(source), now)
	if errors.Is(err, pgx.ErrNoRows) {
		return j, fault.New(fault.NotFound, "unknown_job", "no job that asks destination %.40q has the id %.40q", source, id)
	}
	if err != nil {
		return j, v.s.failed("cancel job "+id, err)
	}
	return j, nil
}

// scanJob reads jobFields.
func scanJob(row pgx.CollectableRow) (j control.Job, err error) {
	err = row.Scan((*text)(&j.ID), (*text)(&j.Source), (*text)(&j.Key), (*text)(&j.Query), &j.Params, (*text)(&j.Destination),
		table{&j.Table}, &j.State, &j.Canceling, &j.Run, &j.Plan, &j.Read.Rows, &j.Read.Bytes, &j.Read.Batches, &j.Written.Rows,
		&j.Written.Bytes, &j.Written.Batches, &j.Rescued, &j.Counted, (*text)(&j.Error), &j.Created, &j.Started, &j.Finished,
		&j.Until)
	if err != nil {
		return control.Job{}, err
	}
	return j, nil
}
