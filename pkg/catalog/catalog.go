// Package catalog makes the tables and columns that batches need, and remembers which are there.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// maxTables is how many tables are remembered. Beyond it one is forgotten for each new one, so that memory does not
// grow with the number of tables; a forgotten table costs one more call of Columns.
const maxTables = 4096

// maxTries is how often one Insert calls Load: once, once more after a stale memory, and twice for the rescue column,
// as the first time a column dropped by hand is made again instead.
const maxTries = 4

// Catalog knows the columns of each destination's tables. Safe for concurrent use.
type Catalog struct {
	cap    int
	notes  control.Columns
	log    *slog.Logger
	mu     sync.Mutex
	tables map[place]*columns // guarded by mu
}

type place struct {
	destination string
	table       schema.Table
}

// New returns a catalog that knows nothing yet. No table gets more than most columns, those of Scratch Data itself not
// counted; a column that somebody else added counts. notes remembers which batch made a column.
func New(most int, notes control.Columns, log *slog.Logger) *Catalog {
	return &Catalog{cap: most, notes: notes, log: log, tables: make(map[place]*columns)}
}

// Insert loads b into table of d, which is the destination id, and makes what is missing first: the table, the columns
// that b's rows have values for, and the column for rescued values once the load asks for it. A table that was changed
// by hand since it was last looked at is looked at again.
func (c *Catalog) Insert(ctx context.Context, id string, d destination.Destination, table schema.Table,
	b destination.Batch) (destination.Loaded, error) {
	t := target{Destination: d, id: id, table: table, batch: b.BatchFile(), rules: destination.RulesOf(d), cap: c.cap, notes: c.notes, log: c.log}
	cols := c.columns(place{id, table}, d)
	var rescue, retried bool
	for try := 1; ; try++ {
		loaded, err := t.insert(ctx, cols, b, rescue)
		if err == nil {
			return loaded, nil
		}
		cols.forget()
		switch {
		case try == maxTries:
			return loaded, fmt.Errorf("insert batch %s into %s: %w", b.ID, table, err)
		case errors.Is(err, destination.ErrRescueColumn):
			rescue = true
		case !retried && (errors.Is(err, fault.NotFound) || errors.Is(err, fault.Invalid)):
			retried = true // what is remembered of the table may be out of date
		default:
			return loaded, fmt.Errorf("insert batch %s into %s: %w", b.ID, table, err)
		}
	}
}

// columns gives what is remembered of the table at p, which is in d. Of another that was there before, perhaps another
// database, nothing is.
func (c *Catalog) columns(p place, d destination.Destination) *columns {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.tables[p]
	if old != nil && !isAnother(old.of, d) {
		return old
	}
	if old == nil && len(c.tables) >= maxTables {
		for old := range c.tables {
			delete(c.tables, old) // whoever uses it still may: two memories of a table do no harm
			break
		}
	}
	cols := newColumns(d)
	c.tables[p] = cols
	return cols
}

// isAnother reports whether a and b are different openings. Drivers give pointers, which tell; of what cannot be compared
// nobody knows, and the memory that is wrong then is mended by Insert.
func isAnother(a, b destination.Destination) bool {
	return reflect.TypeOf(a) != reflect.TypeOf(b) || reflect.ValueOf(a).Comparable() && a != b
}

// target is the table of one Insert.
type target struct {
	destination.Destination
	id    string
	table schema.Table
	batch string
	rules destination.Rules
	cap   int
	notes control.Columns
	log   *slog.Logger
}

// insert tries once.
func (t target) insert(ctx context.Context, cols *columns, b destination.Batch, rescue bool) (destination.Loaded, error) {
	if err := cols.prepare(ctx, t, b.Seen, rescue); err != nil {
		return destination.Loaded{}, err
	}
	loaded, err := t.Load(ctx, t.table, b)
	if err == nil && loaded.Rescued > 0 {
		// Perhaps because a column was dropped by hand: the next batch looks again, and makes it again.
		cols.forget()
	}
	return loaded, err
}
