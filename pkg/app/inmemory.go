package app

import (
	"context"
	"time"

	"github.com/scratchdata/scratchdata/pkg/builtin"
)

// inMemory reports whether batches on their way are lost when this process ends.
func (s *server) inMemory() bool {
	return s.cfg.Queue.Type == builtin.Memory || s.cfg.BlobStore.Type == builtin.Memory
}

// restOfBatches gives what waits until nothing is left to load, nil where that can wait for the next start.
func (s *server) restOfBatches() func(context.Context) {
	if !s.inMemory() {
		return nil
	}
	s.log.Warn("batches wait in memory: those that are not loaded are lost when this process is killed",
		"queue", s.cfg.Queue.Type, "blob_store", s.cfg.BlobStore.Type)
	return s.awaitLoads
}

// pendingEvery is how often a stop looks whether all is loaded.
const pendingEvery = 20 * time.Millisecond

// awaitLoads waits until no batch is on its way.
func (s *server) awaitLoads(ctx context.Context) {
	tick := time.NewTicker(pendingEvery)
	defer tick.Stop()
	for {
		n, _, err := s.control.Batches().Pending(ctx)
		if err == nil && n == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.log.Error("batches that were not loaded are lost with the memory they are in", "batches", n, "err", err)
			return
		}
	}
}
