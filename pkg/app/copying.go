package app

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/scratchdata/scratchdata/pkg/config"
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
	cfg.Dir, cfg.Room, cfg.Batch = filepath.Join(s.cfg.DataDir, "copy"), s.workers.Room, s.batchSize
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
	d, ok := s.destination(destination)
	return ok && (d.CopyFrom == nil || slices.Contains(d.CopyFrom, "*") || slices.Contains(d.CopyFrom, source))
}

// batchSize gives the most bytes and rows of a batch for a destination.
func (s *server) batchSize(destination string) (bytes, rows int64) {
	u := s.cfg.Uploads
	d, _ := s.destination(destination) // of one that is gone by now nothing is special
	return cmp.Or(int64(d.MaxFileSize), int64(u.MaxFileSize)), cmp.Or(int64(d.MaxRows), int64(u.MaxRows))
}

// destination gives the configuration of a destination as it is now.
func (s *server) destination(id string) (config.Destination, bool) {
	list := s.cfg.Destinations
	if now := s.current.Load(); now != nil {
		list = *now
	}
	if at := indexOf(list, id); at >= 0 {
		return list[at], true
	}
	return config.Destination{}, false
}
