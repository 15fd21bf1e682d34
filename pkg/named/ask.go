package named

import (
	"context"
	"errors"
	"net/url"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/query"
)

// Find gives a version of destination's query, the last one for 0, or fault.NotFound.
func (s *Queries) Find(ctx context.Context, destination, name string, version int) (Query, error) {
	return found(s.store.Find(ctx, destination, name, version))
}

// FindPublic gives the query that has the public link id, or fault.NotFound.
func (s *Queries) FindPublic(ctx context.Context, id string) (Query, error) {
	return found(s.store.FindPublic(ctx, id))
}

func found(r control.NamedQuery, err error) (Query, error) {
	if errors.Is(err, fault.NotFound) {
		return Query{}, notThere()
	}
	if err != nil {
		return Query{}, err
	}
	return queryOf(r)
}

func notThere() error { return fault.New(fault.NotFound, "unknown_query", "there is no such query") }

// List gives the last versions of destination's queries, by name.
func (s *Queries) List(ctx context.Context, destination string) ([]Query, error) {
	records, err := s.store.List(ctx, destination)
	if err != nil {
		return nil, err
	}
	list := make([]Query, len(records))
	for i, r := range records {
		if list[i], err = queryOf(r); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Delete forgets destination's query and its public link, or gives fault.NotFound.
func (s *Queries) Delete(ctx context.Context, destination, name string) error {
	err := s.store.Delete(ctx, destination, name)
	if errors.Is(err, fault.NotFound) {
		return notThere()
	}
	return err
}

// Args gives the arguments of q for the parameters of a URL. Of a public one the fixed values are set, and it is a mistake
// to give others.
func (q Query) Args(given url.Values, public bool) ([]any, error) {
	values := query.Params{}
	for _, p := range q.Params {
		fixed, isFixed := q.Fixed[p.Name]
		texts := given[p.Name]
		switch {
		case public && isFixed && len(texts) > 0:
			return nil, fault.New(fault.Denied, "fixed_param", "parameter %s is fixed for this link", p.Name)
		case public && isFixed:
			values[p.Name] = fixed
		case len(texts) > 1:
			return nil, fault.New(fault.Invalid, "bad_param", "parameter %s is there more than once", p.Name)
		case len(texts) == 1:
			value, err := p.parse(texts[0])
			if err != nil {
				return nil, err
			}
			values[p.Name] = value
		case p.Default != nil:
			values[p.Name] = p.Default
		default:
			return nil, fault.New(fault.Invalid, "missing_param", "parameter %s must be given: it is %s", p.Name, types[p.Type])
		}
	}
	return values.Args()
}
