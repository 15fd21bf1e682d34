// Package ingestonly stands for a destination that only other nodes have open: this one takes rows for it, and no more.
package ingestonly

import (
	"context"
	"log/slog"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Config has nothing to set: how the database is reached is the business of the nodes that have it.
type Config struct{}

// DefaultConfig returns the settings used when none are given.
func DefaultConfig() Config { return Config{} }

// Validate finds no mistake.
func (Config) Validate() error { return nil }

// Destination is not open here: every call is destination.ErrElsewhere.
type Destination struct{}

var (
	_ destination.Destination = Destination{}
	_ destination.Rescuer     = Destination{}
)

// Open opens nothing.
func Open(context.Context, Config, *slog.Logger) (destination.Destination, error) {
	return Destination{}, nil
}

// CreateTable implements destination.Destination.
func (Destination) CreateTable(context.Context, schema.Table) error { return destination.ErrElsewhere }

// Columns implements destination.Destination.
func (Destination) Columns(context.Context, schema.Table) ([]schema.Column, error) {
	return nil, destination.ErrElsewhere
}

// AddColumns implements destination.Destination.
func (Destination) AddColumns(context.Context, schema.Table, []schema.Column) error {
	return destination.ErrElsewhere
}

// Load implements destination.Destination.
func (Destination) Load(context.Context, schema.Table, destination.Batch) (destination.Loaded, error) {
	return destination.Loaded{}, destination.ErrElsewhere
}

// Query implements destination.Destination.
func (Destination) Query(context.Context, string, []any, result.Writer) error {
	return destination.ErrElsewhere
}

// Tables implements destination.Destination.
func (Destination) Tables(context.Context) ([]schema.Table, error) {
	return nil, destination.ErrElsewhere
}

// Rescued implements destination.Rescuer.
func (Destination) Rescued(context.Context, schema.Table, func(rowID, object string) error) error {
	return destination.ErrElsewhere
}

// CountRescued implements destination.Rescuer.
func (Destination) CountRescued(context.Context, schema.Table, func(key string, rows int64) error) error {
	return destination.ErrElsewhere
}

// Restore implements destination.Rescuer.
func (Destination) Restore(context.Context, schema.Table, map[string]schema.Kind) (destination.Restored, error) {
	return destination.Restored{}, destination.ErrElsewhere
}

// Close implements destination.Destination.
func (Destination) Close() error { return nil }
