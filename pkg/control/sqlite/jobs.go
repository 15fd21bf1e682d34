package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// jobs never says a query or its parameters in an error: errors are logged, and those are the data of whoever asked.
type jobs struct{ s *store }

// Add implements control.Jobs.
func (v jobs) Add(ctx context.Context, j control.Job) error {
	added, err := v.s.exec(ctx, v.s.stmts.addJob, j.ID, j.Source, j.Key, j.Query, j.Params, j.Destination, j.Table.String(),
		j.State, j.Canceling, j.Run, j.Plan, j.Read.Rows, j.Read.Bytes, j.Read.Batches, j.Written.Rows, j.Written.Bytes,
		j.Written.Batches, j.Rescued, j.Counted, j.Error, j.Created.UnixMicro(), j.Started.UnixMicro(), j.Finished.UnixMicro(),
		j.Until.UnixMicro())
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
	j, err := scanJob(v.s.stmts.findJob.QueryRowContext(ctx, id))
	if errors.Is(err, sql.ErrNoRows) {
		return j, fault.New(fault.NotFound, "unknown_job", "no job has the id %.40q", id)
	}
	if err != nil {
		return j, v.s.failed("find job "+id, err)
	}
	return j, nil
}

// List implements control.Jobs.
func (v jobs) List(ctx context.Context, source string, most int) ([]control.Job, error) {
	stmt, args := v.s.stmts.jobsOf, []any{source, max(most, 0)} // a limit below zero would be none
	if source == "" {
		stmt, args = v.s.stmts.allJobs, args[1:]
	}
	list, err := listOf(ctx, stmt, scanJob, args...)
	if err != nil {
		return nil, v.s.failed("list jobs", err)
	}
	return list, nil
}

// Claim implements control.Jobs. It is synced, so that no power loss brings a Run back that was given out already. Those who
// wait for a job look again and again, so it looks before it takes the lock of all who write.
func (v jobs) Claim(ctx context.Context, now, until time.Time) (j control.Job, err error) {
	var free bool
	if err = v.s.stmts.freeJob.QueryRowContext(ctx, now.UnixMicro()).Scan(&free); err == nil {
		j, err = change(ctx, v.s, v.s.stmts.claimJob, scanJob, until.UnixMicro(), now.UnixMicro())
	}
	if errors.Is(err, sql.ErrNoRows) {
		return control.Job{}, fault.New(fault.NotFound, "no_job", "no job waits for somebody to work on it")
	}
	if err != nil {
		return control.Job{}, v.s.failed("claim job", err)
	}
	return j, nil
}

// Save implements control.Jobs.
func (v jobs) Save(ctx context.Context, j control.Job) (canceling bool, err error) {
	canceling, err = change(ctx, v.s, v.s.stmts.saveJob, scanCanceling, j.State, j.Plan, j.Read.Rows, j.Read.Bytes,
		j.Read.Batches, j.Written.Rows, j.Written.Bytes, j.Written.Batches, j.Rescued, j.Counted, j.Error, j.Started.UnixMicro(),
		j.Finished.UnixMicro(), j.Until.UnixMicro(), j.ID, j.Run)
	if errors.Is(err, sql.ErrNoRows) {
		return false, fault.New(fault.Closed, "job_closed", "job %.40q is finished, or was claimed again after run %d", j.ID, j.Run)
	}
	if err != nil {
		return false, v.s.failed("save job "+j.ID, err)
	}
	return canceling, nil
}

// Cancel implements control.Jobs.
func (v jobs) Cancel(ctx context.Context, source, id string, now time.Time) (control.Job, error) {
	j, err := change(ctx, v.s, v.s.stmts.cancelJob, scanJob, now.UnixMicro(), id, source)
	if errors.Is(err, sql.ErrNoRows) {
		return j, fault.New(fault.NotFound, "unknown_job", "no job that asks destination %.40q has the id %.40q", source, id)
	}
	if err != nil {
		return j, v.s.failed("cancel job "+id, err)
	}
	return j, nil
}

// change runs a statement that changes one record and answers with it, as scan reads it: sql.ErrNoRows when it found none.
func change[T any](ctx context.Context, s *store, stmt statement, scan func(row) (T, error), args ...any) (changed T, err error) {
	err = s.inTx(ctx, stmt.db, func(ctx context.Context, tx *sql.Tx) error {
		changed, err = scan(tx.StmtContext(ctx, stmt.Stmt).QueryRowContext(ctx, args...))
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return changed, nil
}

// scanJob reads jobFields.
func scanJob(row row) (j control.Job, err error) {
	var table string
	var created, started, finished, until int64
	err = row.Scan(&j.ID, &j.Source, &j.Key, &j.Query, blob{&j.Params}, &j.Destination, &table, &j.State, &j.Canceling, &j.Run,
		blob{&j.Plan}, &j.Read.Rows, &j.Read.Bytes, &j.Read.Batches, &j.Written.Rows, &j.Written.Bytes, &j.Written.Batches,
		&j.Rescued, &j.Counted, &j.Error, &created, &started, &finished, &until)
	if err != nil {
		return control.Job{}, err
	}
	if table != "" {
		if j.Table, err = schema.ParseTable(table); err != nil {
			return control.Job{}, err
		}
	}
	j.Created, j.Started = time.UnixMicro(created).UTC(), time.UnixMicro(started).UTC()
	j.Finished, j.Until = time.UnixMicro(finished).UTC(), time.UnixMicro(until).UTC()
	return j, nil
}

func scanCanceling(row row) (canceling bool, err error) {
	err = row.Scan(&canceling)
	return canceling, err
}

// blob reads what may be null and tells that from what is empty. Read into a []byte both are nil, as the driver gives a nil
// slice for the one and nil for the other.
type blob struct{ to *[]byte }

// Scan implements sql.Scanner.
func (b blob) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		*b.to = nil
	case []byte:
		*b.to = append([]byte{}, v...) // it is the driver's
	default:
		return fmt.Errorf("%T is not a blob", value)
	}
	return nil
}
