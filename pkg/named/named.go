// Package named keeps queries under names, with typed parameters, and says what is to be run when one is asked.
package named

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/query"
)

// Queries keeps the named queries of all destinations. Safe for concurrent use.
type Queries struct {
	store  control.Queries
	runner *query.Runner
}

// New returns the queries that store remembers; runner checks them.
func New(store control.Queries, runner *query.Runner) *Queries { return &Queries{store, runner} }

// Query is a named query as people write and read it.
type Query struct {
	Name        string       `json:"name"`
	Version     int          `json:"version,omitempty"`
	Description string       `json:"description,omitempty"`
	SQL         string       `json:"query"`
	Params      []Param      `json:"params"`
	Public      bool         `json:"public"`          // it has a link that needs no key
	Fixed       query.Params `json:"fixed,omitempty"` // values that the link sets, and that nobody who has it can change
	PublicID    string       `json:"-"`
	Saved       time.Time    `json:"-"`
	Destination string       `json:"-"`
}

// nameText is what the name of a query may be: it is part of a URL.
var nameText = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// maxParams is the most parameters that a named query may have.
const maxParams = 100

// Save keeps q as the next version of its name; with fresh the name must be new. A public link stays the same over
// versions that have one.
func (s *Queries) Save(ctx context.Context, q Query, fresh bool) (Query, error) {
	if err := q.check(); err != nil {
		return q, err
	}
	values, err := q.sample()
	if err != nil {
		return q, err
	}
	args, err := values.Args()
	if err != nil {
		return q, err
	}
	if err := s.runner.Check(ctx, q.Destination, q.SQL, args); err != nil {
		return q, err
	}
	if q.PublicID, err = s.publicID(ctx, q); err != nil {
		return q, err
	}
	if q.Params == nil {
		q.Params = []Param{} // as it is found
	}
	q.Saved = time.Now().Truncate(time.Microsecond)
	record, err := q.record()
	if err != nil {
		return q, err
	}
	q.Version, err = s.store.Save(ctx, record, fresh)
	if errors.Is(err, fault.Exists) {
		return q, fault.New(fault.Exists, "query_exists", "there is a query named %s already: PUT changes it", q.Name)
	}
	return q, err
}

// publicID is that of the version before, if it has one and is to keep it.
func (s *Queries) publicID(ctx context.Context, q Query) (string, error) {
	if !q.Public {
		return "", nil
	}
	before, err := s.store.Find(ctx, q.Destination, q.Name, 0)
	switch {
	case errors.Is(err, fault.NotFound) || err == nil && before.Public == "":
		return rand.Text(), nil
	case err != nil:
		return "", err
	}
	return before.Public, nil
}

// check says what is wrong with q's own parts.
func (q *Query) check() error {
	switch {
	case !nameText.MatchString(q.Name):
		return fault.New(fault.Invalid, "bad_name", "name: %.80q must be 1 to 64 letters, digits, '_' or '-'", q.Name)
	case strings.TrimSpace(q.SQL) == "":
		return fault.New(fault.Invalid, "no_query", "no query: send SQL as the member query")
	case len(q.Params) > maxParams:
		return fault.New(fault.Invalid, "too_many_params", "a named query may have %d parameters, this has %d", maxParams, len(q.Params))
	case len(q.Fixed) > 0 && !q.Public:
		return fault.New(fault.Invalid, "bad_param", "fixed: values can be fixed for a public query only")
	}
	known := map[string]bool{}
	for i := range q.Params {
		p := &q.Params[i]
		if err := p.check(); err != nil {
			return err
		}
		if known[p.Name] {
			return fault.New(fault.Invalid, "bad_param", "parameter %s is there twice", p.Name)
		}
		known[p.Name] = true
	}
	for name := range q.Fixed {
		if !known[name] {
			return fault.New(fault.Invalid, "bad_param", "fixed: the query has no parameter %.80q", name)
		}
	}
	return nil
}

// sample gives a value for each parameter, to check the query with: NULL where there is none.
func (q *Query) sample() (query.Params, error) {
	values := query.Params{}
	for _, p := range q.Params {
		value := json.RawMessage("null")
		if p.Default != nil {
			value = p.Default
		}
		if fixed, ok := q.Fixed[p.Name]; ok {
			value = fixed
		}
		checked, err := p.checked(value)
		if err != nil {
			return nil, err
		}
		values[p.Name] = checked
	}
	return values, nil
}

// record is q as it is kept.
func (q *Query) record() (r control.NamedQuery, err error) {
	r = control.NamedQuery{Destination: q.Destination, Name: q.Name, Description: q.Description, Query: q.SQL, Public: q.PublicID, Saved: q.Saved}
	if len(q.Params) > 0 {
		r.Params, err = json.Marshal(q.Params)
	}
	if err == nil && len(q.Fixed) > 0 {
		r.Fixed, err = json.Marshal(q.Fixed)
	}
	if err != nil {
		return r, fmt.Errorf("keep query %s: %w", q.Name, err)
	}
	return r, nil
}

func queryOf(r control.NamedQuery) (Query, error) {
	q := Query{Destination: r.Destination, Name: r.Name, Version: r.Version, Description: r.Description, SQL: r.Query, Public: r.Public != "",
		PublicID: r.Public, Saved: r.Saved, Params: []Param{}}
	for text, to := range map[*[]byte]any{&r.Params: &q.Params, &r.Fixed: &q.Fixed} {
		if len(*text) == 0 {
			continue
		}
		if err := json.Unmarshal(*text, to); err != nil {
			return q, fmt.Errorf("read query %s: %w", r.Name, err)
		}
	}
	return q, nil
}
