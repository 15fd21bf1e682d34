// Package copier copies the answer of a query into a table, of the same destination or another.
//
// A copy is a job in the control store. Whoever claims it reads the answer into batch files in the blob store, under names
// that nobody else knows; once all of it is there one record turns the job from reading to loading, and the batches go
// the way of all others, each loaded exactly once. A process that dies while reading leaves nothing in the table, and the
// next one begins anew; one that dies while loading is followed by one that goes on. See docs/adr/0013-copies.md.
package copier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// listed is how many jobs List gives.
const listed = 1000

// Copies are the copies that were asked for. Safe for concurrent use.
type Copies struct {
	dests  *destination.Set
	jobs   control.Jobs
	runner *query.Runner
	may    func(source, destination string) bool
	ids    *rowid.Source
	log    *slog.Logger
}

// New returns the copies that jobs remembers. may says whether rows of one destination may be copied into another.
func New(dests *destination.Set, jobs control.Jobs, runner *query.Runner, may func(source, destination string) bool, log *slog.Logger) *Copies {
	return &Copies{dests: dests, jobs: jobs, runner: runner, may: may, ids: rowid.NewSource(), log: log}
}

// Wish is a copy that somebody asks for.
type Wish struct {
	Source      string // the destination that is asked
	Key         string // the id of the key
	Query       string
	Params      query.Params
	Destination string
	Table       schema.Table
}

// Start notes the copy w, which begins soon. What can be told now to be a mistake is.
func (c *Copies) Start(ctx context.Context, w Wish) (control.Job, error) {
	if err := c.check(ctx, w); err != nil {
		return control.Job{}, err
	}
	j := control.Job{ID: c.ids.Batch(), Source: w.Source, Key: w.Key, Query: w.Query, Destination: w.Destination, Table: w.Table,
		State: control.JobQueued, Counted: -1, Created: time.Now().Truncate(time.Microsecond)}
	if len(w.Params) > 0 {
		var err error
		if j.Params, err = json.Marshal(w.Params); err != nil {
			return control.Job{}, fmt.Errorf("keep the parameters of a copy: %w", err)
		}
	}
	if err := c.jobs.Add(ctx, j); err != nil {
		return control.Job{}, err
	}
	c.log.InfoContext(ctx, "copy queued", "job", j.ID, "source", j.Source, "destination", j.Destination, "table", j.Table.String(), "key", j.Key)
	return j, nil
}

func (c *Copies) check(ctx context.Context, w Wish) error {
	if !c.dests.Has(w.Destination) {
		return fault.New(fault.Invalid, "unknown_destination", "destination_id: no destination has the id %.80q", w.Destination)
	}
	if w.Source != w.Destination && !c.may(w.Source, w.Destination) {
		return fault.New(fault.Denied, "copy_not_allowed", "destination %s takes no copies from destination %s: see its setting copy_from",
			w.Destination, w.Source)
	}
	err := c.dests.Use(ctx, w.Destination, func(d destination.Destination) error {
		_, err := d.Columns(ctx, w.Table)
		return err
	})
	if err != nil && !errors.Is(err, fault.NotFound) {
		return fmt.Errorf("look at the table %s: %w", w.Table, err)
	}
	args, err := w.Params.Args()
	if err != nil {
		return err
	}
	return c.runner.Check(ctx, w.Source, w.Query, args)
}

// List gives the latest copies that ask the destination source, newest first.
func (c *Copies) List(ctx context.Context, source string) ([]control.Job, error) {
	return c.jobs.List(ctx, source, listed)
}

// Find gives the copy id that asks the destination source, or fault.NotFound.
func (c *Copies) Find(ctx context.Context, source, id string) (control.Job, error) {
	j, err := c.jobs.Find(ctx, id)
	if errors.Is(err, fault.NotFound) || err == nil && j.Source != source {
		return control.Job{}, unknown(id)
	}
	return j, err
}

// Cancel ends the copy id of source: one that waits at once, one that is worked on soon. What was loaded already stays.
func (c *Copies) Cancel(ctx context.Context, source, id string) (control.Job, error) {
	j, err := c.jobs.Cancel(ctx, source, id, time.Now().Truncate(time.Microsecond))
	if errors.Is(err, fault.NotFound) {
		return control.Job{}, unknown(id)
	}
	if err == nil {
		c.log.InfoContext(ctx, "copy to be canceled", "job", id, "state", string(j.State))
	}
	return j, err
}

func unknown(id string) error {
	return fault.New(fault.NotFound, "unknown_job", "no copy has the id %.40q", id)
}
