package httpapi

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/share"
)

// shareBody is a share that is asked for.
type shareBody struct {
	Query    string       `json:"query"`
	Params   query.Params `json:"params"`
	Name     string       `json:"name"`
	Duration *int64       `json:"duration"` // seconds; a day when it is not there
}

// shareReply tells of a share.
type shareReply struct {
	ID        string            `json:"id"`
	Name      string            `json:"name,omitempty"`
	Query     string            `json:"query,omitempty"` // in lists
	CreatedAt time.Time         `json:"created_at"`
	ExpiresAt time.Time         `json:"expires_at"`
	URL       string            `json:"url"`  // of the page
	URLs      map[string]string `json:"urls"` // of the data, by format
}

func shareReplyOf(r *http.Request, s control.Share) shareReply {
	base := baseOf(r) + "/share/" + url.PathEscape(s.ID)
	reply := shareReply{ID: s.ID, Name: s.Name, CreatedAt: s.Created.UTC(), ExpiresAt: s.Expires.UTC(), URL: base, URLs: map[string]string{}}
	for _, f := range result.Formats() {
		reply.URLs[f.Name] = base + "/data." + f.Name
	}
	return reply
}

// baseOf is where the caller reaches this server, as far as the request tells.
func baseOf(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || strings.EqualFold(first(r.Header, "X-Forwarded-Proto"), "https") {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

func (s *Server) makeShare(w http.ResponseWriter, r *http.Request) error {
	body, err := s.smallBody(w, r)
	if err != nil {
		return err
	}
	var in shareBody
	if err := readJSON(body, &in, `{"query": "select 1", "duration": 3600}`); err != nil {
		return err
	}
	if strings.TrimSpace(in.Query) == "" {
		return noQuery()
	}
	grant := callOf(r.Context()).grant
	wish := share.Wish{Destination: grant.Destination, Key: grant.KeyID, Name: in.Name, Query: in.Query, Params: in.Params,
		Duration: share.DefaultDuration}
	if in.Duration != nil {
		wish.Duration = time.Duration(min(max(*in.Duration, 0), int64(2*share.MaxDuration/time.Second))) * time.Second
	}
	made, err := s.deps.Shares.Make(r.Context(), wish)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, shareReplyOf(r, made))
}

func (s *Server) listShares(w http.ResponseWriter, r *http.Request) error {
	list, err := s.deps.Shares.List(r.Context(), callOf(r.Context()).grant.Destination)
	if err != nil {
		return err
	}
	reply := make([]shareReply, len(list))
	for i, of := range list {
		reply[i] = shareReplyOf(r, of)
		reply[i].Query = of.Query
	}
	return writeJSON(w, http.StatusOK, reply)
}

func (s *Server) revokeShare(w http.ResponseWriter, r *http.Request) error {
	if err := s.deps.Shares.Revoke(r.Context(), callOf(r.Context()).grant.Destination, chi.URLParam(r, "id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// sharedData answers a share's query. Nothing of the request changes it but the format.
func (s *Server) sharedData(w http.ResponseWriter, r *http.Request) error {
	name, ok := strings.CutPrefix(chi.URLParam(r, "file"), "data.")
	if !ok || name == "" {
		return notFound(w, r)
	}
	format, err := result.FormatOf(name, "")
	if err != nil {
		return err
	}
	of, args, err := s.deps.Shares.Open(r.Context(), chi.URLParam(r, "id"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Disposition", `inline; filename="`+fileName(of.Name)+"."+format.Name+`"`)
	err = s.send(w, r, asking{destination: of.Destination, sql: of.Query, args: args, format: format})
	if err != nil {
		w.Header().Del("Content-Disposition") // gone already when the answer has begun
	}
	return err
}

// fileName makes a plain name for a file of a share's name.
func fileName(name string) string {
	plain := strings.Trim(strings.Map(func(c rune) rune {
		if notPlain(c) {
			return '-'
		}
		return c
	}, name), "-")
	if plain == "" {
		return "data"
	}
	return plain
}

func noQuery() error {
	return fault.New(fault.Invalid, "no_query", "no query: send SQL as ?query= or as the body of a POST")
}
