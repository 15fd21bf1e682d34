package destinationtest

import (
	"context"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Dialect is what a database does in its own way. The zero Dialect is that of one that holds every value as the plain
// rules say, and lets nobody but the driver make tables.
type Dialect struct {
	// Quote makes an identifier of a column's name, for one that does not take it in double quotes as it is. nil is that.
	Quote func(name string) string
	// NoNull says that columns have no NULL: a value that is missing is the type's zero value.
	NoNull bool
	// Instead is what cells of the matrix hold that cannot hold what the plain rules say, as the matrix writes it.
	Instead map[Cell]string
	// OpenStringTypes gives an empty database whose driver makes every new column text. nil when there is no such driver.
	OpenStringTypes func(t *testing.T) destination.Destination

	// Exec runs a statement as a person would who has the database's own shell. nil leaves out what needs tables that
	// people made; all that follows is for these.
	Exec func(ctx context.Context, d destination.Destination, sql string) error
	// Setup are statements to run before the natives' tables are made.
	Setup []string
	// Tail is what follows the columns in CREATE TABLE.
	Tail string
	// Text and Int name the types of text and of 64-bit integers.
	Text, Int string
	// AsText is the SQL that turns a value into text, with %s for the column.
	AsText string
	// RowIDs are the types of integers that a row id's number fits into, NarrowRowID one that is smaller.
	RowIDs      []string
	NarrowRowID string
	// Double defines the column "v" that the database fills with twice the column "n", Check the constraint that "v" is
	// less than 10, and CheckSays is in the message of a row that breaks it. Empty: there is no such thing.
	Double, Check, CheckSays string
	// Natives are the database's own types.
	Natives []Native
}

// Cell is a place in the matrix: a value by its name there, and a column's kind.
type Cell struct {
	Value string
	Kind  schema.Kind
}

// Native is one of the database's own types, and what becomes of values in a column of it.
type Native struct {
	Type   string
	Values []NativeValue
}

// NativeValue is a JSON value and the text that a column has of it, as AsText gives it.
type NativeValue struct {
	Value, Want string
	Rescued     bool // Want is the zero value, and the original is rescued
}
