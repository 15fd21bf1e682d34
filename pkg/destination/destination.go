// Package destination is the port to the databases that rows are loaded into and asked from.
package destination

import (
	"context"
	"errors"
	"io"

	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Destination is one open database. Drivers stay thin: what is the same for every database (which columns are missing,
// what is rescued, retries, result encoding) is in this package's functions, once. Safe for concurrent use.
type Destination interface {
	// CreateTable makes an empty table with the row id column alone; one that exists is left as it is.
	CreateTable(ctx context.Context, table schema.Table) error
	// Columns lists table's columns in order, or fault.NotFound.
	Columns(ctx context.Context, table schema.Table) ([]schema.Column, error)
	// AddColumns adds cols; one that exists already, also one added meanwhile by another process, is left as it is.
	AddColumns(ctx context.Context, table schema.Table, cols []schema.Column) error
	// Load appends b's rows, all or none. The same batch id twice leaves its rows once.
	// ErrRescueColumn: nothing was loaded, and the table needs the column __rescued first.
	Load(ctx context.Context, table schema.Table, b Batch) (Loaded, error)
	// Query runs sql read-only, its parameters bound to args, in order or, those that are Named, by name, and gives its rows to out as they arrive, never holding the whole result; it stops at
	// the first error of out or ctx. A mistake in sql is fault.Invalid; anything but one SELECT is fault.Denied.
	Query(ctx context.Context, sql string, args []any, out result.Writer) error
	// Tables lists the tables, sorted.
	Tables(ctx context.Context) ([]schema.Table, error)
	// Close waits for calls in progress and frees the connections.
	Close() error
}

// Named is the value of the parameter that a query spells $Name, in any case of its letters. The values of parameters are
// nil, bool, int, int64, float64, string and time.Time.
type Named struct {
	Name  string
	Value any
}

// Batch is what Load appends: rows in canonical NDJSON, as package flatten writes them.
type Batch struct {
	ID   string        // ULID; the key of exactly-once
	File string        // the id of the batch file that this is a part of; empty is ID
	Rows int64         // how many rows there are
	Seen []schema.Seen // the columns of the rows and the kinds of their values
	// Open reads the rows from the first on. Load may call it more than once.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// BatchFile is what the rows' column __batch_file gets.
func (b Batch) BatchFile() string {
	if b.File != "" {
		return b.File
	}
	return b.ID
}

// Loaded says what a Load did.
type Loaded struct {
	Rows    int64 // rows of the batch that are in the table
	Rescued int64 // values that went into __rescued
	Already bool  // the batch had been loaded before; nothing was added now
	// Why counts the rescued values by reason. Of a batch that had been loaded before it is not known any more.
	Why schema.Rescues
}

// Rules are a database's rules for column names.
type Rules interface {
	// ColumnName gives the name that the database will use for a column of that JSON key. Two keys with the same
	// Fold of their names share a column.
	ColumnName(key string) string
	// Fold gives the form in which the database compares names.
	Fold(name string) string
	// ColumnKind gives the kind of the column that is made for values of a kind: text, where every new column is.
	ColumnKind(k schema.Kind) schema.Kind
}

// RulesOf gives d's rules. One that states none takes any key as it is and compares names by their bytes.
func RulesOf(d Destination) Rules {
	if r, ok := d.(Rules); ok {
		return r
	}
	return asIs{}
}

type asIs struct{}

func (asIs) ColumnName(key string) string { return key }
func (asIs) Fold(name string) string      { return name }

func (asIs) ColumnKind(k schema.Kind) schema.Kind { return k }

// Rescuer gives back what loads had to set aside. Every Destination that can change rows is one.
type Rescuer interface {
	// Rescued gives each row of table that has rescued values to each: its id, and the JSON object's text. It stops at
	// the first error of each or ctx. A table without the column __rescued has none; a missing one is fault.NotFound.
	Rescued(ctx context.Context, table schema.Table, each func(rowID, object string) error) error
	// CountRescued gives each key of those objects to each, with how many rows have it; as Rescued otherwise.
	CountRescued(ctx context.Context, table schema.Table, each func(key string, rows int64) error) error
	// Restore puts rescued values into the columns that hold them without loss by now, and takes them out of
	// __rescued, which is NULL when nothing is left in it; all in one transaction, or row by row on a cluster that has
	// none: another Restore does the rest of one that broke off. A value stays where it is if its column has another
	// one than NULL or a type's zero value, or if the column could hold it from the start (was gives the columns' first
	// kinds by name, as far as they are known): then it is a duplicate, not a misfit.
	Restore(ctx context.Context, table schema.Table, was map[string]schema.Kind) (Restored, error)
}

// Restored says what a Restore did.
type Restored struct {
	Rows   int64 // that changed
	Values int64 // that went into their columns
	Left   int64 // that stayed in __rescued
}

// ErrRescueColumn says that a value did not fit and the table has no column __rescued to keep it. Nothing was loaded.
var ErrRescueColumn = errors.New("the table needs the column " + schema.Rescued)
