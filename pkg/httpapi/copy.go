package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/scratchdata/scratchdata/pkg/copier"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// copyBody is a copy that is asked for.
type copyBody struct {
	Query       string        `json:"query"`
	Params      query.Params  `json:"params"`
	Destination destinationID `json:"destination_id"`
	Table       string        `json:"destination_table"`
}

// destinationID is an id that may be written as a number.
type destinationID string

// UnmarshalJSON reads a text or an integer.
func (d *destinationID) UnmarshalJSON(b []byte) error {
	var n json.Number
	if !bytes.HasPrefix(b, []byte(`"`)) {
		if err := json.Unmarshal(b, &n); err != nil {
			return err
		}
		*d = destinationID(n)
		return nil
	}
	var s string
	err := json.Unmarshal(b, &s)
	*d = destinationID(s)
	return err
}

const copyExample = `{"query": "select * from events", "destination_id": 2, "destination_table": "events"}`

// copyReply tells of a copy that was begun.
type copyReply struct {
	JobID string `json:"job_id"`
	URL   string `json:"url"` // where to see how far it is
}

func (s *Server) startCopy(w http.ResponseWriter, r *http.Request) error {
	body, err := s.smallBody(w, r)
	if err != nil {
		return err
	}
	var in copyBody
	if err := readJSON(body, &in, copyExample); err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(in.Query) == "":
		return fault.New(fault.Invalid, "no_query", "no query: the body must be JSON like %s", copyExample)
	case in.Destination == "":
		return fault.New(fault.Invalid, "no_destination", "no destination_id: the body must be JSON like %s", copyExample)
	}
	table, err := schema.ParseTable(in.Table)
	if err != nil {
		return err
	}
	grant := callOf(r.Context()).grant
	j, err := s.deps.Copies.Start(r.Context(), copier.Wish{Source: grant.Destination, Key: grant.KeyID, Query: in.Query, Params: in.Params,
		Destination: string(in.Destination), Table: table})
	if err != nil {
		return err
	}
	reply := copyReply{JobID: j.ID, URL: baseOf(r) + "/api/jobs/" + j.ID}
	w.Header().Set("Location", reply.URL)
	return writeJSON(w, http.StatusAccepted, reply)
}

func (s *Server) listJobs(w http.ResponseWriter, r *http.Request) error {
	list, err := s.deps.Copies.List(r.Context(), callOf(r.Context()).grant.Destination)
	if err != nil {
		return err
	}
	reply := make([]copier.Report, len(list))
	for i, j := range list {
		reply[i] = copier.ReportOf(j, time.Now())
	}
	return writeJSON(w, http.StatusOK, reply)
}

func (s *Server) showJob(w http.ResponseWriter, r *http.Request) error {
	j, err := s.deps.Copies.Find(r.Context(), callOf(r.Context()).grant.Destination, chi.URLParam(r, "id"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, copier.ReportOf(j, time.Now()))
}

// cancelJob asks for a copy to end: 202 when it will soon, 200 when it has.
func (s *Server) cancelJob(w http.ResponseWriter, r *http.Request) error {
	j, err := s.deps.Copies.Cancel(r.Context(), callOf(r.Context()).grant.Destination, chi.URLParam(r, "id"))
	if err != nil {
		return err
	}
	status := http.StatusAccepted
	if j.State.Ended() {
		status = http.StatusOK
	}
	return writeJSON(w, status, copier.ReportOf(j, time.Now()))
}
