package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/scratchdata/scratchdata/pkg/builtin"
	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/tables"
)

// OpenTables opens the destinations of cfg and what is known of their columns, and nothing else. A destination that only
// one process can have open must not be the running server's: ask that one's API. The caller ends with closeAll.
func OpenTables(ctx context.Context, cfg config.Config, log *slog.Logger) (t *tables.Tables, closeAll func() error, err error) {
	if _, err := os.Stat(cfg.DataDir); err != nil {
		return nil, nil, fmt.Errorf("find the data folder: %w", err)
	}
	s := &server{cfg: cfg, log: log, drivers: builtin.List(cfg.DataDir), dests: destination.NewSet(nil)}
	if s.control, err = s.drivers.Databases.Open(ctx, cfg.Database.Type, &cfg.Database.Settings, log); err != nil {
		return nil, nil, fmt.Errorf("open the database: %w", err)
	}
	s.later(s.control)
	if err := s.destinations(ctx); err != nil {
		return nil, nil, errors.Join(err, s.close())
	}
	return tables.New(s.dests, s.control.Columns(), log), s.close, nil
}
