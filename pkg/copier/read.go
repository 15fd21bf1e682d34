package copier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

// read asks the copy's query and stores its answer in batches, the next one being written while one is stored. It gives
// the answer's columns.
func (w *Worker) read(ctx context.Context, k *keeper) ([]schema.Seen, error) {
	j := k.snapshot()
	args, err := argsOf(j)
	if err != nil {
		return nil, err
	}
	g, ctx := errgroup.WithContext(ctx)
	files := make(chan batchFile)
	out := newCutter(ctx, w, k, files)
	g.Go(func() error {
		defer close(files)
		err := w.dests.Use(ctx, j.Source, func(d destination.Destination) error { return d.Query(ctx, j.Query, args, out) })
		return errors.Join(err, out.drop())
	})
	g.Go(func() error {
		for f := range files {
			if err := w.stage(ctx, k, f); err != nil {
				return err
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("read from destination %s: %w", j.Source, err)
	}
	return out.rows.Seen(), nil
}

func argsOf(j control.Job) ([]any, error) {
	var params query.Params
	if len(j.Params) > 0 {
		if err := json.Unmarshal(j.Params, &params); err != nil {
			return nil, fmt.Errorf("read the parameters of a copy: %w", err)
		}
	}
	return params.Args()
}

// stage stores a batch file as a blob, which is noted before so that it is found should the process die, and removes the
// file.
func (w *Worker) stage(ctx context.Context, k *keeper, f batchFile) (err error) {
	defer func() { err = errors.Join(err, os.Remove(f.path)) }()
	j := k.snapshot()
	return insist(ctx, k.log, "storing a batch", func() error {
		if err := w.store.Staged().Put(ctx, j.ID, f.StagedBatch); err != nil {
			return err
		}
		return w.courier.Put(ctx, keyOf(j, f.StagedBatch), f.path)
	})
}

// keyOf gives the blob's key of a batch of j.
func keyOf(j control.Job, b control.StagedBatch) string {
	return transport.KeyOf(j.Destination, j.Table, b.ID)
}

// perRun is how many batches one claim of a copy may have.
const perRun = 1 << 28

// batchID gives the id of the n-th batch, from 1 on, that a claim of j has stored. Batches are parts of the copy as tables'
// rows are parts of a batch, and those of another claim have other ids.
func batchID(j control.Job, n int) string { return rowid.Part(j.ID, j.Run*perRun+n) }
