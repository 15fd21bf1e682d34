package catalog

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// database is a destination that keeps its tables' columns in memory and counts the calls. Rows are not kept: a load
// fails when a column of the batch has no place and there is no __rescued, as every driver's does.
type database struct {
	mu      sync.Mutex
	tables  map[schema.Table][]schema.Column
	calls   []string
	clashes bool    // every batch has a value that must be rescued
	fails   []error // what the next loads return; nil loads
	missing bool    // Columns cannot be asked
}

func newDatabase() *database { return &database{tables: make(map[schema.Table][]schema.Column)} }

func (d *database) call(name string) func() {
	d.mu.Lock()
	d.calls = append(d.calls, name)
	return d.mu.Unlock
}

func (d *database) CreateTable(_ context.Context, table schema.Table) error {
	defer d.call("CreateTable")()
	if _, ok := d.tables[table]; !ok {
		d.tables[table] = []schema.Column{{Name: schema.RowID, Kind: schema.Text}}
	}
	return nil
}

func (d *database) Columns(_ context.Context, table schema.Table) ([]schema.Column, error) {
	defer d.call("Columns")()
	if d.missing {
		return nil, errors.New("the connection broke")
	}
	cols, ok := d.tables[table]
	if !ok {
		return nil, fault.New(fault.NotFound, "unknown_table", "no table %s", table)
	}
	return slices.Clone(cols), nil
}

func (d *database) AddColumns(_ context.Context, table schema.Table, cols []schema.Column) error {
	defer d.call("AddColumns")()
	have, ok := d.tables[table]
	if !ok {
		return fault.New(fault.NotFound, "unknown_table", "no table %s", table)
	}
	for _, c := range cols {
		if !slices.ContainsFunc(have, func(h schema.Column) bool { return strings.EqualFold(h.Name, c.Name) }) {
			have = append(have, c)
		}
	}
	d.tables[table] = have
	return nil
}

func (d *database) Load(_ context.Context, table schema.Table, b destination.Batch) (destination.Loaded, error) {
	defer d.call("Load")()
	if len(d.fails) > 0 {
		err := d.fails[0]
		d.fails = d.fails[1:]
		if err != nil {
			return destination.Loaded{}, err
		}
	}
	cols, ok := d.tables[table]
	if !ok {
		return destination.Loaded{}, fault.New(fault.NotFound, "unknown_table", "no table %s", table)
	}
	var rescued int64
	for _, s := range b.Seen {
		name := strings.ReplaceAll(s.Name, " ", "_")
		placed := slices.ContainsFunc(cols, func(c schema.Column) bool { return strings.EqualFold(c.Name, name) })
		if s.Kinds.Join() != schema.Null && (!placed || d.clashes) {
			rescued++
		}
	}
	if rescued > 0 && !slices.ContainsFunc(cols, func(c schema.Column) bool { return c.Name == schema.Rescued }) {
		return destination.Loaded{}, destination.ErrRescueColumn
	}
	return destination.Loaded{Rows: b.Rows, Rescued: rescued}, nil
}

func (d *database) Query(context.Context, string, []any, result.Writer) error {
	return fault.Unsupported
}
func (d *database) Tables(context.Context) ([]schema.Table, error) { return nil, fault.Unsupported }
func (d *database) Close() error                                   { return nil }

// columnsOf lists a table's columns as name:kind.
func (d *database) columnsOf(table schema.Table) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for _, c := range d.tables[table] {
		names = append(names, c.Name+":"+c.Kind.String())
	}
	return strings.Join(names, " ")
}

// took gives the calls since the last time, and forgets them.
func (d *database) took() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := strings.Join(d.calls, " ")
	d.calls = nil
	return s
}

// caseless is a database that takes names for the same whatever their case, and writes spaces as '_'.
type caseless struct{ *database }

func (caseless) ColumnName(key string) string { return strings.ReplaceAll(key, " ", "_") }
func (caseless) Fold(name string) string      { return strings.ToLower(name) }

func (caseless) ColumnKind(k schema.Kind) schema.Kind { return k }

// notes is a control.Columns in memory.
type notes struct {
	mu    sync.Mutex
	known map[string]control.Column // by table and name
	fails error
}

func newNotes() *notes { return &notes{known: make(map[string]control.Column)} }

func (n *notes) Note(_ context.Context, cols []control.Column) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fails != nil {
		return n.fails
	}
	for _, c := range cols {
		n.known[c.Table.String()+"."+c.Name] = c
	}
	return nil
}

func (n *notes) List(context.Context, string, schema.Table) ([]control.Column, error) {
	return nil, fault.Unsupported
}
