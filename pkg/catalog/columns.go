package catalog

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// columns is what is remembered of one table.
type columns struct {
	of destination.Destination // where the table is
	// turn is the table's lock: whoever's element is in it reads and changes the table's columns. It is a channel
	// because waiting for somebody whose database hangs must end with the context.
	turn  chan struct{}
	stale atomic.Bool         // the columns must be read again
	known map[string]struct{} // by folded name; guarded by turn
	own   int                 // how many of known are not Scratch Data's; guarded by turn
}

func newColumns(of destination.Destination) *columns {
	c := &columns{of: of, turn: make(chan struct{}, 1)}
	c.forget()
	return c
}

// forget makes the next prepare read the columns again.
func (c *columns) forget() { c.stale.Store(true) }

// prepare makes the table and the columns that rows with the columns seen need. With rescue a load has asked for the
// column for rescued values: the columns are read again, and it is added unless others turned out to be missing, which
// may be all that the load needs.
func (c *columns) prepare(ctx context.Context, t target, seen []schema.Seen, rescue bool) error {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.turn }()
	if c.stale.Swap(false) {
		if err := c.read(ctx, t); err != nil {
			c.forget()
			return err
		}
	}
	missing := c.missing(t, seen)
	if rescue && len(missing) == 0 && !c.has(t, schema.Rescued) {
		missing = []schema.Column{{Name: schema.Rescued, Kind: schema.Text}}
	}
	if len(missing) == 0 {
		return nil
	}
	return c.add(ctx, t, missing)
}

// read asks the database for the columns, and makes the table when there is none.
func (c *columns) read(ctx context.Context, t target) error {
	cols, err := t.Columns(ctx, t.table)
	if errors.Is(err, fault.NotFound) {
		if err := t.note(ctx, []schema.Column{{Name: schema.RowID, Kind: schema.Text}}); err != nil {
			return err
		}
		if err := t.CreateTable(ctx, t.table); err != nil {
			return err
		}
		t.log.InfoContext(ctx, "table made", "destination", t.id, "table", t.table.String())
		cols, err = t.Columns(ctx, t.table)
	}
	if err != nil {
		return err
	}
	c.known, c.own = make(map[string]struct{}, len(cols)), 0
	c.note(t, cols)
	return nil
}

// note remembers that cols are about to be made. It comes first, as a column that exists is not made again.
func (t target) note(ctx context.Context, cols []schema.Column) error {
	now := time.Now()
	list := make([]control.Column, len(cols))
	for i, col := range cols {
		list[i] = control.Column{Destination: t.id, Table: t.table, Name: col.Name, Kind: t.rules.ColumnKind(col.Kind), Batch: t.batch, Made: now}
	}
	if err := t.notes.Note(ctx, list); err != nil {
		return fmt.Errorf("note new columns of %s: %w", t.table, err)
	}
	return nil
}

// add makes cols.
func (c *columns) add(ctx context.Context, t target, cols []schema.Column) error {
	if err := t.note(ctx, cols); err != nil {
		c.forget()
		return err
	}
	if err := t.AddColumns(ctx, t.table, cols); err != nil {
		c.forget() // some may have been added
		return err
	}
	c.note(t, cols)
	for _, col := range cols {
		t.log.InfoContext(ctx, "column added", "destination", t.id, "table", t.table.String(), "column", col.Name,
			"kind", t.rules.ColumnKind(col.Kind).String())
	}
	return nil
}

func (c *columns) note(t target, cols []schema.Column) {
	for _, col := range cols {
		c.known[t.rules.Fold(col.Name)] = struct{}{}
		if !ours(col.Name) {
			c.own++
		}
	}
}

func (c *columns) has(t target, name string) bool {
	_, ok := c.known[t.rules.Fold(name)]
	return ok
}

// missing lists the columns to add. Those of Scratch Data come first and are added whatever the cap says. Of the others
// the first ones get a column, in the order in which they were seen, until the cap is reached; what the rest hold is
// rescued by the load. A column that had only nulls so far gets none, as nothing tells its type.
func (c *columns) missing(t target, seen []schema.Seen) []schema.Column {
	var cols []schema.Column
	for _, name := range [...]string{schema.RowID, schema.BatchFile} {
		if !c.has(t, name) {
			cols = append(cols, schema.Column{Name: name, Kind: schema.Text})
		}
	}
	own := c.own
	for _, s := range c.unknown(t, seen) {
		kind := s.Kinds.Join()
		switch {
		case s.Name == schema.Rescued:
			cols = append(cols, schema.Column{Name: schema.Rescued, Kind: schema.Text})
		case kind != schema.Null && own < t.cap:
			cols = append(cols, schema.Column{Name: s.Name, Kind: kind, Like: s.Type})
			own++
		}
	}
	return cols
}

// unknown lists the columns of seen that the table lacks, under the names they will have there. Names that the database
// holds to be the same are one column, which has the kinds of all of them.
func (c *columns) unknown(t target, seen []schema.Seen) []schema.Seen {
	var list []schema.Seen
	at := make(map[string]int) // folded name → index in list
	rowID, batchFile, rescued := t.rules.Fold(schema.RowID), t.rules.Fold(schema.BatchFile), t.rules.Fold(schema.Rescued)
	for _, s := range seen {
		name := t.rules.ColumnName(s.Name)
		fold := t.rules.Fold(name)
		switch fold {
		case rowID, batchFile:
			continue
		case rescued:
			name = schema.Rescued // also when a key is spelt differently but means the same to the database
		}
		if _, ok := c.known[fold]; ok {
			continue
		}
		if i, ok := at[fold]; ok {
			list[i].Kinds |= s.Kinds
			list[i].Type = nil
			continue
		}
		at[fold] = len(list)
		list = append(list, schema.Seen{Name: name, Kinds: s.Kinds, Type: s.Type})
	}
	return list
}

// ours reports whether the column is one that Scratch Data itself adds.
func ours(name string) bool {
	return name == schema.RowID || name == schema.BatchFile || name == schema.Rescued
}
