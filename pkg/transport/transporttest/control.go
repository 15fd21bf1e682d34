package transporttest

import (
	"context"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
)

// The operations of the control store that a script can let fail.
const (
	OpShipped      = "control shipped"
	OpAttempt      = "control attempt"
	OpSettle       = "control settle"
	OpFind         = "control find"
	OpRevive       = "control revive"
	OpForget       = "control forget"
	OpNote         = "control note"
	OpRemember     = "control remember"
	OpClaim        = "control claim"
	OpSave         = "control save"
	OpFindJob      = "control find job"
	OpStage        = "control stage"
	OpListStaged   = "control list staged"
	OpForgetStaged = "control forget staged"
)

// Control is c under a script.
func Control(c control.Store, s *Script) control.Store { return faultyControl{c, s} }

type faultyControl struct {
	control.Store
	s *Script
}

func (f faultyControl) Batches() control.Batches { return faultyBatches{f.Store.Batches(), f.s} }
func (f faultyControl) Dead() control.Dead       { return faultyDead{f.Store.Dead(), f.s} }
func (f faultyControl) Columns() control.Columns { return faultyColumns{f.Store.Columns(), f.s} }
func (f faultyControl) Keys() control.Keys       { return faultyKeys{f.Store.Keys(), f.s} }
func (f faultyControl) Jobs() control.Jobs       { return faultyJobs{f.Store.Jobs(), f.s} }
func (f faultyControl) Staged() control.Staged   { return faultyStaged{f.Store.Staged(), f.s} }

type faultyBatches struct {
	control.Batches
	s *Script
}

func (f faultyBatches) Shipped(ctx context.Context, b control.Batch) error {
	return f.s.Do(OpShipped, func() error { return f.Batches.Shipped(ctx, b) })
}

func (f faultyBatches) Attempt(ctx context.Context, b control.Batch) (known control.Batch, err error) {
	err = f.s.Do(OpAttempt, func() error { known, err = f.Batches.Attempt(ctx, b); return err })
	return known, err
}

func (f faultyBatches) Settle(ctx context.Context, id string, o control.Outcome) error {
	return f.s.Do(OpSettle, func() error { return f.Batches.Settle(ctx, id, o) })
}

// Find never loses an answer: that is the same as not to be asked.
func (f faultyBatches) Find(ctx context.Context, id string) (b control.Batch, err error) {
	if err := f.s.Do(OpFind, func() error { return nil }); err != nil {
		return control.Batch{}, err
	}
	return f.Batches.Find(ctx, id)
}

type faultyDead struct {
	control.Dead
	s *Script
}

func (f faultyDead) Revive(ctx context.Context, id string) error {
	return f.s.Do(OpRevive, func() error { return f.Dead.Revive(ctx, id) })
}

func (f faultyDead) Forget(ctx context.Context, id string) error {
	return f.s.Do(OpForget, func() error { return f.Dead.Forget(ctx, id) })
}

type faultyColumns struct {
	control.Columns
	s *Script
}

func (f faultyColumns) Note(ctx context.Context, cols []control.Column) error {
	return f.s.Do(OpNote, func() error { return f.Columns.Note(ctx, cols) })
}

type faultyKeys struct {
	control.Keys
	s *Script
}

func (f faultyKeys) Remember(ctx context.Context, inserts []control.KeyedInsert) (elsewhere []control.KeyedInsert, err error) {
	err = f.s.Do(OpRemember, func() error {
		elsewhere, err = f.Keys.Remember(ctx, inserts)
		return err
	})
	return elsewhere, err
}

type faultyJobs struct {
	control.Jobs
	s *Script
}

// Claim is under the script once there is a job, as it is asked again and again before.
func (f faultyJobs) Claim(ctx context.Context, now, until time.Time) (j control.Job, err error) {
	if err := f.s.Bystander().Do(OpClaim, func() error { return nil }); err != nil {
		return control.Job{}, err
	}
	if free, err := f.free(ctx, now); err != nil || !free {
		return f.Jobs.Claim(ctx, now, until)
	}
	err = f.s.Do(OpClaim, func() error { j, err = f.Jobs.Claim(ctx, now, until); return err })
	if err != nil {
		return control.Job{}, err
	}
	return j, nil
}

// free reports whether a job can be claimed.
func (f faultyJobs) free(ctx context.Context, now time.Time) (bool, error) {
	const all = 1000
	jobs, err := f.Jobs.List(ctx, "", all)
	for _, j := range jobs {
		if !j.State.Ended() && !j.Until.After(now) {
			return true, nil
		}
	}
	return false, err
}

func (f faultyJobs) Save(ctx context.Context, j control.Job) (canceling bool, err error) {
	err = f.s.Do(OpSave, func() error { canceling, err = f.Jobs.Save(ctx, j); return err })
	return canceling, err
}

func (f faultyJobs) Find(ctx context.Context, id string) (control.Job, error) {
	if err := f.s.Do(OpFindJob, func() error { return nil }); err != nil {
		return control.Job{}, err
	}
	return f.Jobs.Find(ctx, id)
}

type faultyStaged struct {
	control.Staged
	s *Script
}

func (f faultyStaged) Put(ctx context.Context, id string, b control.StagedBatch) error {
	return f.s.Do(OpStage, func() error { return f.Staged.Put(ctx, id, b) })
}

func (f faultyStaged) List(ctx context.Context, id string) ([]control.StagedBatch, error) {
	if err := f.s.Do(OpListStaged, func() error { return nil }); err != nil {
		return nil, err
	}
	return f.Staged.List(ctx, id)
}

func (f faultyStaged) Forget(ctx context.Context, id string, run int) error {
	return f.s.Do(OpForgetStaged, func() error { return f.Staged.Forget(ctx, id, run) })
}
