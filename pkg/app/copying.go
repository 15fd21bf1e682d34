package app

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/scratchdata/scratchdata/pkg/copier"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

// copying makes the receipts, and what works on copies where there are workers.
func (s *server) copying(context.Context) error {
	s.receipts = transport.NewReceipts(s.writer, s.control.Batches())
	s.receipts.KnowCopies(s.control.Jobs())
	if s.workers == nil {
		return nil
	}
	s.receipts.Follow(s.workers)
	cfg := copierConfig(s.cfg)
	cfg.Dir, cfg.Room = filepath.Join(s.cfg.DataDir, "copy"), s.workers.Room
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("copies: %w", err)
	}
	w := copier.NewWorker(cfg, s.dests, s.control, transport.NewCourier(s.blobs, s.queue, s.control.Batches()), s.receipts, s.log,
		copier.NewMetrics(s.registry))
	s.stages = append(s.stages, stage{name: "copies", run: w.Run})
	return nil
}

// mayCopy reports whether the configuration lets rows of one destination be copied into another.
func (s *server) mayCopy(source, destination string) bool {
	for _, d := range s.cfg.Destinations {
		if d.ID == destination {
			return d.CopyFrom == nil || slices.Contains(d.CopyFrom, "*") || slices.Contains(d.CopyFrom, source)
		}
	}
	return false
}
