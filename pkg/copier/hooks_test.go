package copier

import (
	"context"

	"github.com/scratchdata/scratchdata/pkg/control"
)

// hooks are called when a process notes something; the call waits for them.
type hooks struct {
	save  func(j control.Job, noted bool) // before, and after it was noted
	stage func(b control.StagedBatch)     // before
}

// hooked is a control store with hooks.
type hooked struct {
	control.Store
	hooks hooks
}

func (h hooked) Jobs() control.Jobs     { return hookedJobs{h.Store.Jobs(), h.hooks} }
func (h hooked) Staged() control.Staged { return hookedStaged{h.Store.Staged(), h.hooks} }

type hookedJobs struct {
	control.Jobs
	hooks hooks
}

func (h hookedJobs) Save(ctx context.Context, j control.Job) (bool, error) {
	if h.hooks.save != nil {
		h.hooks.save(j, false)
	}
	canceling, err := h.Jobs.Save(ctx, j)
	if h.hooks.save != nil && err == nil {
		h.hooks.save(j, true)
	}
	return canceling, err
}

type hookedStaged struct {
	control.Staged
	hooks hooks
}

func (h hookedStaged) Put(ctx context.Context, id string, b control.StagedBatch) error {
	if h.hooks.stage != nil {
		h.hooks.stage(b)
	}
	return h.Staged.Put(ctx, id, b)
}
