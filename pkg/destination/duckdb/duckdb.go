// Package duckdb keeps rows in a DuckDB database, through the engine's own chunks of columns.
package duckdb

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// Destination is an open DuckDB database.
//
// After an error that the engine calls fatal it refuses all work. The call that met it fails as fault.Internal; the
// next call waits for those in progress and opens the file again, once.
type Destination struct {
	cfg Config
	log *slog.Logger

	mu     sync.Mutex
	engine *engine // guarded by mu; nil when the last try to open it failed
	closed bool    // guarded by mu
}

var (
	_ destination.Destination = (*Destination)(nil)
	_ destination.Rules       = (*Destination)(nil)
	_ destination.Rescuer     = (*Destination)(nil)
)

// Open opens the database and makes it when there is none. It never removes or replaces a file.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (destination.Destination, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	e, err := openEngine(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &Destination{cfg: cfg, log: log, engine: e}, nil
}

// enter begins a call; the caller ends it with done.
func (d *Destination) enter(ctx context.Context) (*engine, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, fault.New(fault.Closed, "destination_closed", "the destination is closed")
	}
	if d.engine != nil && d.engine.broken.Load() && !d.cfg.InMemory {
		d.log.WarnContext(ctx, "the database refuses work after an error, opening it again", "file", d.cfg.File)
		old := d.engine
		d.engine = nil
		if err := old.close(); err != nil {
			d.log.WarnContext(ctx, "close of the broken database failed", "file", d.cfg.File, "err", err)
		}
	}
	if d.engine == nil {
		e, err := openEngine(ctx, d.cfg)
		if err != nil {
			return nil, err
		}
		d.engine = e
	}
	d.engine.calls.Add(1)
	return d.engine, nil
}

// call runs do as one call.
func (d *Destination) call(ctx context.Context, do func(*engine) error) error {
	e, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer func() { e.done(err) }() // also when do panics: Close waits for it
	err = do(e)
	return err
}

// Close waits for calls in progress and frees the connections. The second Close does nothing.
func (d *Destination) Close() error {
	d.mu.Lock()
	e := d.engine
	d.engine, d.closed = nil, true
	d.mu.Unlock()
	if e == nil {
		return nil
	}
	if err := e.close(); err != nil {
		return fmt.Errorf("close DuckDB file %s: %w", d.cfg.File, err)
	}
	return nil
}

// badSQL is a mistake in a query.
func badSQL(format string, args ...any) error {
	return fault.New(fault.Invalid, "bad_sql", format, args...)
}
