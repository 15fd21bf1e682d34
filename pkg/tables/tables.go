// Package tables tells what the destinations' tables are like and what had to be rescued, and puts that back.
package tables

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/postgrest"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Tables looks after the tables of all destinations. Safe for concurrent use.
type Tables struct {
	dests *destination.Set
	notes control.Columns
	log   *slog.Logger
}

// New returns the tables of dests, of whose columns notes knows which batches made them.
func New(dests *destination.Set, notes control.Columns, log *slog.Logger) *Tables {
	return &Tables{dests: dests, notes: notes, log: log}
}

// List gives the tables of the destination id, sorted.
func (t *Tables) List(ctx context.Context, id string) (list []schema.Table, err error) {
	err = t.dests.Use(ctx, id, func(d destination.Destination) error {
		list, err = d.Tables(ctx)
		return err
	})
	return list, err
}

// Column is what is known of one column.
type Column struct {
	Name    string     `json:"name"`
	Type    string     `json:"type"` // the database's own name of it
	Kind    string     `json:"kind"` // what it takes
	NotNull bool       `json:"not_null,omitempty"`
	Created *time.Time `json:"created_at,omitempty"` // nil when somebody else made it, as is the receipt empty
	Receipt string     `json:"receipt,omitempty"`    // of the batch that it was made for
	Rescued int64      `json:"rescued"`              // values in __rescued that it could not hold, or already had another for
}

// Shape is what is known of a table.
type Shape struct {
	Columns []Column `json:"columns"` // in the table's order
	Rescued int64    `json:"rescued"` // values in __rescued, those among them that belong to no column
}

// Shape gives what is known of table, or fault.NotFound.
func (t *Tables) Shape(ctx context.Context, id string, table schema.Table) (shape Shape, err error) {
	err = t.dests.Use(ctx, id, func(d destination.Destination) error {
		shape, err = t.shape(ctx, id, d, table)
		return err
	})
	return shape, err
}

func (t *Tables) shape(ctx context.Context, id string, d destination.Destination, table schema.Table) (Shape, error) {
	cols, err := d.Columns(ctx, table)
	if err != nil {
		return Shape{}, err
	}
	notes, err := t.notes.List(ctx, id, table)
	if err != nil {
		return Shape{}, err
	}
	rules := destination.RulesOf(d)
	shape, at := Shape{Columns: make([]Column, len(cols))}, make(map[string]int, len(cols))
	for i, c := range cols {
		shape.Columns[i] = Column{Name: c.Name, Type: c.Type, Kind: c.Kind.String(), NotNull: c.NotNull}
		at[rules.Fold(c.Name)] = i
	}
	for _, n := range notes {
		if i, ok := at[rules.Fold(rules.ColumnName(n.Name))]; ok {
			c := &shape.Columns[i]
			c.Created, c.Receipt = &n.Made, rowid.Receipt(n.Batch, 0, rowid.WholeBatch)
		}
	}
	if r, ok := d.(destination.Rescuer); ok {
		err = r.CountRescued(ctx, table, func(key string, rows int64) error {
			shape.count(rules, at, key, rows)
			return nil
		})
	}
	return shape, err
}

// count adds the rescued values of a key. at has the columns by folded name.
func (s *Shape) count(rules destination.Rules, at map[string]int, key string, rows int64) {
	s.Rescued += rows
	i, ok := at[rules.Fold(rules.ColumnName(key))] // a column may be called a#2, too
	if !ok {
		i, ok = at[rules.Fold(rules.ColumnName(number.ReplaceAllString(key, "")))]
	}
	if ok {
		s.Columns[i].Rescued += rows
	}
}

// number is what a rescued value's key ends with when the row has several of that key: it begins with 2.
var number = regexp.MustCompile(`#([2-9]|[1-9][0-9]+)$`)

// Speaker is a destination whose SQL a PostgREST request can be written in.
type Speaker interface{ Dialect() postgrest.Dialect }

// Select gives the SQL of a PostgREST request for rows of table.
func (t *Tables) Select(ctx context.Context, id string, table schema.Table, r postgrest.Request) (stmt postgrest.Statement, err error) {
	err = t.dests.Use(ctx, id, func(d destination.Destination) error {
		cols, err := d.Columns(ctx, table)
		if err != nil {
			return err
		}
		speaker, ok := d.(Speaker)
		if !ok {
			return fault.New(fault.Unsupported, "no_rest", "destination %s cannot be asked this way", id)
		}
		stmt, err = postgrest.Translate(r, table, cols, speaker.Dialect())
		return err
	})
	return stmt, err
}

// errEnough ends a listing at its limit.
var errEnough = errors.New("enough")

// Rescued is a row's rescued values.
type Rescued struct {
	RowID  string
	Object string // JSON text
}

// maxListed is how many bytes of rescued values one listing has, but for the last row.
const maxListed = 16 << 20

// Rescued gives up to limit rows of table that have rescued values, fewer if they are very large, and whether there are
// more.
func (t *Tables) Rescued(ctx context.Context, id string, table schema.Table, limit int) (rows []Rescued, more bool, err error) {
	size := 0
	err = t.rescuer(ctx, id, func(r destination.Rescuer) error {
		return r.Rescued(ctx, table, func(rowID, object string) error {
			if len(rows) == limit || size > maxListed {
				return errEnough
			}
			size += len(object)
			rows = append(rows, Rescued{rowID, object})
			return nil
		})
	})
	if errors.Is(err, errEnough) {
		return rows, true, nil
	}
	return rows, false, err
}

// Replay puts the rescued values of table that their columns can hold by now into these.
func (t *Tables) Replay(ctx context.Context, id string, table schema.Table) (did destination.Restored, err error) {
	notes, err := t.notes.List(ctx, id, table)
	if err != nil {
		return destination.Restored{}, err
	}
	was := make(map[string]schema.Kind, len(notes))
	for _, n := range notes {
		was[n.Name] = n.Kind
	}
	err = t.rescuer(ctx, id, func(r destination.Rescuer) error {
		did, err = r.Restore(ctx, table, was)
		return err
	})
	if err == nil {
		t.log.InfoContext(ctx, "rescued values replayed", "destination", id, "table", table.String(), "rows", did.Rows,
			"values", did.Values, "left", did.Left)
	}
	return did, err
}

func (t *Tables) rescuer(ctx context.Context, id string, do func(destination.Rescuer) error) error {
	return t.dests.Use(ctx, id, func(d destination.Destination) error {
		r, ok := d.(destination.Rescuer)
		if !ok {
			return fault.New(fault.Unsupported, "no_rescue", "destination %s cannot change rows", id)
		}
		return do(r)
	})
}
