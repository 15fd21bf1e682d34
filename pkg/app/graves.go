package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/scratchdata/scratchdata/pkg/builtin"
	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

// OpenGraves opens what holds the dead batches of cfg, beside a server that may be running, and nothing else. The caller
// closes it.
func OpenGraves(ctx context.Context, cfg config.Config, log *slog.Logger) (*transport.Graves, func() error, error) {
	for key, driver := range map[string]string{"queue": cfg.Queue.Type, "blob_store": cfg.BlobStore.Type} {
		if driver == builtin.Memory {
			return nil, nil, fault.New(fault.Unsupported, "in_memory",
				"%s is of type %s, which only the server itself can see: ask its API, GET /api/dead", key, driver)
		}
	}
	if _, err := os.Stat(cfg.DataDir); err != nil {
		return nil, nil, fmt.Errorf("find the data folder: %w", err)
	}
	s := &server{cfg: cfg, log: log, drivers: builtin.List(cfg.DataDir)}
	if err := s.stores(ctx); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open the dead batches: %w", err), s.close())
	}
	return transport.NewGraves(s.control, s.queue, s.blobs), s.close, nil
}
