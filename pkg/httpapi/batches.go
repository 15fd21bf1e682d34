package httpapi

import (
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// receipt tells where an accepted insert is now. Another destination's receipts are not there for the caller.
func (s *Server) receipt(w http.ResponseWriter, r *http.Request) error {
	rec, err := s.deps.Receipts.Find(r.Context(), chi.URLParam(r, "id"))
	if err != nil {
		return err
	}
	if rec.Destination != callOf(r.Context()).grant.Destination {
		return fault.New(fault.NotFound, "unknown_receipt", "no insert has this receipt")
	}
	return writeJSON(w, http.StatusOK, rec)
}

// deadBatch is a batch whose load was given up, as the API shows it.
type deadBatch struct {
	Batch       string    `json:"batch"`
	Destination string    `json:"destination"`
	Table       string    `json:"table"`
	Rows        int64     `json:"rows"`
	Bytes       int64     `json:"bytes"`
	Attempts    int       `json:"attempts"`
	Reason      string    `json:"reason"`
	Created     time.Time `json:"created"`
	Died        time.Time `json:"died"`
}

func deadBatchOf(b control.Batch) deadBatch {
	return deadBatch{Batch: b.ID, Destination: b.Destination, Table: b.Table.String(), Rows: b.Rows, Bytes: b.Bytes,
		Attempts: b.Attempts, Reason: b.Reason, Created: b.Created, Died: b.Settled}
}

func (s *Server) listDead(w http.ResponseWriter, r *http.Request) error {
	batches, err := s.deps.Graves.List(r.Context(), callOf(r.Context()).grant.Destination)
	if err != nil {
		return err
	}
	reply := make([]deadBatch, 0, len(batches))
	for _, b := range batches {
		reply = append(reply, deadBatchOf(b))
	}
	return writeJSON(w, http.StatusOK, reply)
}

func (s *Server) showDead(w http.ResponseWriter, r *http.Request) error {
	b, err := s.deps.Graves.Find(r.Context(), callOf(r.Context()).grant.Destination, chi.URLParam(r, "id"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, deadBatchOf(b))
}

func (s *Server) replayDead(w http.ResponseWriter, r *http.Request) error {
	id := chi.URLParam(r, "id")
	if err := s.deps.Graves.Replay(r.Context(), callOf(r.Context()).grant.Destination, id); err != nil {
		return err
	}
	s.log.InfoContext(r.Context(), "dead batch replayed", "batch", id)
	return writeJSON(w, http.StatusAccepted, map[string]string{"batch": id, "state": string(control.StateShipped)})
}

func (s *Server) dropDead(w http.ResponseWriter, r *http.Request) error {
	id := chi.URLParam(r, "id")
	if err := s.deps.Graves.Drop(r.Context(), callOf(r.Context()).grant.Destination, id); err != nil {
		return err
	}
	s.log.WarnContext(r.Context(), "dead batch dropped", "batch", id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
