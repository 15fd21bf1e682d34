package transporttest

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	bloblocal "github.com/scratchdata/scratchdata/pkg/blobstore/local"
	blobmemory "github.com/scratchdata/scratchdata/pkg/blobstore/memory"
	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/control/sqlite"
	"github.com/scratchdata/scratchdata/pkg/queue"
	queuelocal "github.com/scratchdata/scratchdata/pkg/queue/local"
	queuememory "github.com/scratchdata/scratchdata/pkg/queue/memory"
)

// Stores are the places where batches wait, and what is remembered of them. Those in memory live as long as the Stores, the
// local ones and the control store are opened anew by each process.
type Stores struct {
	Kind    string // local or memory
	Dir     string
	Blobs   blobstore.Store
	Queue   queue.Queue
	Control control.Store
}

// Open opens what is not open.
func (s *Stores) Open(t *testing.T) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	var errs [3]error
	switch {
	case s.Kind == "local":
		blobs := bloblocal.DefaultConfig()
		blobs.Dir = filepath.Join(s.Dir, "blobs")
		s.Blobs, errs[0] = bloblocal.Open(t.Context(), blobs, log)
		q := queuelocal.DefaultConfig()
		q.File = filepath.Join(s.Dir, "queue.db")
		s.Queue, errs[1] = queuelocal.Open(t.Context(), q, log)
	case s.Blobs == nil:
		s.Blobs, errs[0] = blobmemory.Open(t.Context(), blobmemory.DefaultConfig(), log)
		s.Queue, errs[1] = queuememory.Open(t.Context(), queuememory.DefaultConfig(), log)
	}
	cfg := sqlite.DefaultConfig()
	cfg.File = filepath.Join(s.Dir, "control.db")
	s.Control, errs[2] = sqlite.Open(t.Context(), cfg, log)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
}

// Close closes what a process has opened, and the rest too when it was the last.
func (s *Stores) Close(t *testing.T, last bool) {
	t.Helper()
	err := s.Control.Close()
	if s.Kind == "local" || last {
		err = errors.Join(err, s.Blobs.Close(), s.Queue.Close())
	}
	if err != nil {
		t.Error(err)
	}
}
