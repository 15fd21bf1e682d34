package duckdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// Load appends b's rows in one transaction with the note that b was loaded.
func (d *Destination) Load(ctx context.Context, table schema.Table, b destination.Batch) (did destination.Loaded, err error) {
	if err := checkTable(table); err != nil {
		return did, err
	}
	err = d.call(ctx, func(e *engine) error {
		did, err = e.load(ctx, table, b)
		return err
	})
	if err != nil {
		return destination.Loaded{}, fmt.Errorf("load batch %s into %s: %w", b.ID, table, err)
	}
	return did, nil
}

func (e *engine) load(ctx context.Context, table schema.Table, b destination.Batch) (did destination.Loaded, err error) {
	w, err := e.writer.take(ctx)
	if err != nil {
		return did, err
	}
	defer e.writer.put(w)
	if err = e.prune(ctx, w, time.Now()); err == nil {
		err = w.within(ctx, beginWrite, commit, func() (err error) {
			did, err = e.loadOnce(ctx, w, table, b)
			return err
		})
	}
	return did, e.tableFault(ctx, w, table, err)
}

// loadOnce is load in the transaction that w is in.
func (e *engine) loadOnce(ctx context.Context, w *conn, table schema.Table, b destination.Batch) (did destination.Loaded, err error) {
	found, ok, err := e.findBatch(w, b.ID)
	if err != nil {
		return did, err
	}
	if ok {
		return destination.Loaded{Rows: found.rows, Rescued: found.rescued, Already: true}, nil
	}
	if did, err = e.appendRows(ctx, w, table, b); err != nil {
		return did, err
	}
	return did, e.addBatch(w, b.ID, entry{did.Rows, did.Rescued})
}

// appendRows reads b's rows and appends them to table, in the transaction that w is in.
func (e *engine) appendRows(ctx context.Context, w *conn, table schema.Table, b destination.Batch) (did destination.Loaded, err error) {
	all, err := e.describe(w, table)
	if err != nil {
		return did, err
	}
	cols := columnsOf(b, all)
	rows, err := b.Open(ctx)
	if err != nil {
		return did, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	dec := ndjson.NewDecoder(rows, plain(cols), ndjson.Options{BatchID: b.BatchFile(), Name: columnName, Fold: fold})
	rescued, err := e.appendTo(ctx, w, table, cols, dec)
	if errors.Is(err, ndjson.ErrNoRescued) {
		err = destination.ErrRescueColumn
	}
	if err != nil {
		return did, err
	}
	why := dec.Why()
	why[schema.Unfit] += rescued
	return destination.Loaded{Rows: dec.Rows(), Rescued: why.Total(), Why: why}, nil
}

// columnsOf gives the columns of all that b's rows are written to: those that b has, ours, and those that must not be
// left out. The engine fills the others: with their defaults, or NULL.
func columnsOf(b destination.Batch, all []column) []column {
	seen := map[string]*vector.Type{schema.RowID: nil, schema.BatchFile: nil, schema.Rescued: nil}
	for _, s := range b.Seen {
		seen[fold(columnName(s.Name))] = s.Type
	}
	var cols []column
	for _, c := range all {
		like, has := seen[fold(c.Name)]
		if !c.Computed && (has || c.NotNull && !c.Default) {
			c.Like = like
			cols = append(cols, c)
		}
	}
	return cols
}

// plain gives cols as the decoder and the appender take them.
func plain(cols []column) []schema.Column {
	plain := make([]schema.Column, len(cols))
	for i, c := range cols {
		plain[i] = c.Column
		if c.Kind == schema.Foreign {
			plain[i].Kind = schema.Nested // the stage gets the JSON text, so that the original can be rescued
			plain[i].NotNull = false      // the decoder would fill in a text, which need not convert: the stage has the zero value
		}
	}
	return plain
}

// appendTo appends the rows of dec, and returns how many values the engine could not convert and were rescued.
func (e *engine) appendTo(ctx context.Context, w *conn, table schema.Table, cols []column, dec *ndjson.Decoder) (rescued int64, err error) {
	if needsStage(cols) {
		return e.appendStaged(ctx, w, table, cols, dec)
	}
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.Name
	}
	a, err := newAppender(w, e.catalog, schemaOf(table), table.Name(), names, plain(cols))
	if err != nil {
		return 0, err
	}
	return 0, a.appendAll(ctx, dec)
}

// In flight is what the decoder may be ahead: while the engine compresses what it has, the next rows are read.
const (
	maxRows  = 2048     // of a batch: the engine's own chunk
	maxCells = 64 << 10 // of a batch, so that wide tables take no more memory than narrow ones
	inFlight = 16       // batches
)

// rowsOf gives how many rows a batch of cols columns has.
func rowsOf(cols int) int { return max(min(maxRows, maxCells/max(cols, 1)), 1) }

// appendAll appends all rows of dec and frees the appender. Rows are read in a second goroutine.
func (a *appender) appendAll(ctx context.Context, dec *ndjson.Decoder) (err error) {
	defer func() { err = errors.Join(err, a.close(err == nil)) }()
	free, full := make(chan *ndjson.Batch, inFlight), make(chan *ndjson.Batch, inFlight)
	for range inFlight {
		free <- nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(full)
		return decode(ctx, dec, rowsOf(len(a.puts)), free, full)
	})
	g.Go(func() error {
		for b := range full {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := a.append(b); err != nil {
				return err
			}
			free <- b
		}
		return nil
	})
	return g.Wait()
}

// decode fills batches from free and sends them to full, which has room for all of them.
func decode(ctx context.Context, dec *ndjson.Decoder, rows int, free <-chan *ndjson.Batch, full chan<- *ndjson.Batch) error {
	for {
		var b *ndjson.Batch
		select {
		case b = <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
		if b == nil {
			b = new(ndjson.Batch)
		}
		switch err := dec.Next(b, rows); err {
		case nil:
			full <- b
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}
