package httpapi

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/named"
	"github.com/scratchdata/scratchdata/pkg/result"
)

// namedReply tells of a named query.
type namedReply struct {
	named.Query
	URL       string    `json:"url"`
	PublicURL string    `json:"public_url,omitempty"`
	SavedAt   time.Time `json:"saved_at"`
}

func namedReplyOf(r *http.Request, q named.Query) namedReply {
	reply := namedReply{Query: q, URL: baseOf(r) + "/api/query/" + url.PathEscape(q.Name), SavedAt: q.Saved.UTC()}
	if q.PublicID != "" {
		reply.PublicURL = baseOf(r) + "/query/" + url.PathEscape(q.PublicID)
	}
	return reply
}

// sentQuery is a named query as it is sent. A document that the server gave is one: what only the server says of a query is
// let through, and counts for nothing.
type sentQuery struct {
	named.Query
	Version   ignored `json:"version"`
	URL       ignored `json:"url"`
	PublicURL ignored `json:"public_url"`
	SavedAt   ignored `json:"saved_at"`
}

// ignored is a member whose value does not matter.
type ignored struct{}

// UnmarshalJSON takes any value.
func (*ignored) UnmarshalJSON([]byte) error { return nil }

const namedExample = `{"name": "top", "query": "select * from t limit $n", "params": [{"name": "n", "type": "int", "default": 10}]}`

func (s *Server) makeNamed(w http.ResponseWriter, r *http.Request) error {
	return s.saveNamed(w, r, "", true)
}

// putNamed changes a query, or makes it.
func (s *Server) putNamed(w http.ResponseWriter, r *http.Request) error {
	return s.saveNamed(w, r, chi.URLParam(r, "name"), false)
}

// saveNamed saves the query that is the body, under the name that the URL gives it, if it does.
func (s *Server) saveNamed(w http.ResponseWriter, r *http.Request, name string, fresh bool) error {
	body, err := s.smallBody(w, r)
	if err != nil {
		return err
	}
	q := sentQuery{Query: named.Query{Name: name}}
	if err := readJSON(body, &q, namedExample); err != nil {
		return err
	}
	if name != "" && q.Name != name {
		return fault.New(fault.Invalid, "bad_name", "name: the body says %.80q, the URL %.80q", q.Name, name)
	}
	q.Destination = callOf(r.Context()).grant.Destination
	saved, err := s.deps.Named.Save(r.Context(), q.Query, fresh)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if saved.Version == 1 {
		status = http.StatusCreated
		w.Header().Set("Location", "/api/queries/"+url.PathEscape(saved.Name))
	}
	return writeJSON(w, status, namedReplyOf(r, saved))
}

func (s *Server) listNamed(w http.ResponseWriter, r *http.Request) error {
	list, err := s.deps.Named.List(r.Context(), callOf(r.Context()).grant.Destination)
	if err != nil {
		return err
	}
	reply := make([]namedReply, len(list))
	for i, q := range list {
		reply[i] = namedReplyOf(r, q)
	}
	return writeJSON(w, http.StatusOK, reply)
}

func (s *Server) showNamed(w http.ResponseWriter, r *http.Request) error {
	q, err := s.findNamed(r)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, namedReplyOf(r, q))
}

// findNamed finds the query that the URL names, in the version that it names.
func (s *Server) findNamed(r *http.Request) (named.Query, error) {
	version := 0
	if text := r.URL.Query().Get("version"); text != "" {
		var err error
		if version, err = strconv.Atoi(text); err != nil || version < 1 {
			return named.Query{}, fault.New(fault.Invalid, "bad_parameter", "version: %.40q is not a version such as 1", text)
		}
	}
	return s.deps.Named.Find(r.Context(), callOf(r.Context()).grant.Destination, chi.URLParam(r, "name"), version)
}

func (s *Server) deleteNamed(w http.ResponseWriter, r *http.Request) error {
	if err := s.deps.Named.Delete(r.Context(), callOf(r.Context()).grant.Destination, chi.URLParam(r, "name")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// runNamed answers a named query with the parameters of the URL.
func (s *Server) runNamed(w http.ResponseWriter, r *http.Request) error {
	q, err := s.findNamed(r)
	if err != nil {
		return err
	}
	return s.answerNamed(w, r, q, false)
}

// runPublic answers a named query by its public link.
func (s *Server) runPublic(w http.ResponseWriter, r *http.Request) error {
	q, err := s.deps.Named.FindPublic(r.Context(), chi.URLParam(r, "id"))
	if err != nil {
		return err
	}
	return s.answerNamed(w, r, q, true)
}

func (s *Server) answerNamed(w http.ResponseWriter, r *http.Request, q named.Query, public bool) error {
	given := r.URL.Query()
	args, err := q.Args(given, public)
	if err != nil {
		return err
	}
	format, err := result.FormatOf(given.Get("format"), r.Header.Get("Accept"))
	if err != nil {
		return err
	}
	return s.send(w, r, asking{destination: q.Destination, sql: q.SQL, args: args, format: format})
}
