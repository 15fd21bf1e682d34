// Package postgrest turns a PostgREST request for rows of one table into SQL.
//
// Parse reads a request by the grammar of PostgREST 12's "Tables and Views"; Select.SQL finds its columns in the table
// and writes one SELECT in a Dialect. The SQL has names of that table's columns and the request's aliases, quoted by the
// dialect, and numbers of rows; every value is bound. A mistake is fault.Invalid and says in which parameter and where.
package postgrest

import "github.com/scratchdata/scratchdata/pkg/schema"

// Caps of a request. They bound the memory and the recursion that a stranger's URL can cost, and the work of an engine
// that plans the SQL.
const (
	maxLength  = 64 << 10 // of the query string, in bytes
	maxDepth   = 16       // of and(…) and or(…) in each other
	maxFilters = 256      // in all groups together
	maxValues  = 4096     // in all filters together
	maxItems   = 2000     // of select
	maxTerms   = 64       // of order
)

// Request is what PostgREST reads of a GET or HEAD.
type Request struct {
	Query     string // the query string as it came, without '?': the order of its parameters is that of the conditions
	Range     string // the header: "0-24", "10-" or empty
	RangeUnit string // the header: "items" or empty
	Prefer    string // the header; of several their values with commas between
}

// Select is a request that was understood, not yet bound to a table.
type Select struct {
	Range Range // of the rows asked for
	Count bool  // whether the number of all rows that match is wanted too

	items []item // none is all columns
	where []condition
	order []term
}

// Statement is a request as SQL.
type Statement struct {
	SQL   string
	Count string // the SQL that counts all rows that match, with the same Args; empty when that was not asked for
	Args  []any  // the texts to bind, in order
	Range Range
}

// Translate makes SQL in d of a request for rows of table, which has cols.
func Translate(r Request, table schema.Table, cols []schema.Column, d Dialect) (Statement, error) {
	s, err := Parse(r)
	if err != nil {
		return Statement{}, err
	}
	return s.SQL(table, cols, d)
}

// Parse reads a request.
func Parse(r Request) (*Select, error) {
	params, err := split(r.Query)
	if err != nil {
		return nil, err
	}
	b := builder{seen: make(map[string]string), left: allowance{filters: maxFilters, values: maxValues}}
	for _, p := range params {
		if err := b.add(p); err != nil {
			return nil, err
		}
	}
	b.s.Count = wantsCount(r.Prefer)
	b.s.Range, err = rangeOf(b.seen, r)
	if err != nil {
		return nil, err
	}
	return &b.s, nil
}
