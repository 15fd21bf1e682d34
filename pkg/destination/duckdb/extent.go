package duckdb

import (
	"strconv"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// The engine plans a query without looking whether it is to stop, and without an account of the memory for that. Queries
// that are short can be large to plan: a CTE that takes all columns of another one twice, twenty times over, has a million.
// So the extent of a query is reckoned from its syntax tree before anything is bound. A CTE counts once, as the engine makes its rows
// once, if it is not to be NOT MATERIALIZED; its columns count wherever they are taken.

// What a query may be made of. Each is planned in about a second, and what is more takes a minute soon.
const (
	maxJoined  = 64     // relations that are joined with each other: the time to order them grows with the sixth power
	maxParts   = 2_000  // SELECTs, tables and other relations
	maxColumns = 50_000 // of all SELECTs together
)

// columnsOfFunction is more than a table function gives.
const columnsOfFunction = 100

// extent is how large something is to plan. The figures are no integers, as they would overflow.
type extent struct {
	width   float64 // columns that it gives
	columns float64 // that it and all in it give
	parts   float64
	joined  float64 // relations that are ordered together with those that it is joined with
}

func (e extent) with(o extent) extent {
	return extent{e.width + o.width, e.columns + o.columns, e.parts + o.parts, e.joined + o.joined}
}

// scope has the CTEs that a name may mean.
type scope struct {
	outer *scope
	name  string
	cte   *cte
}

func (s *scope) find(name string) *cte {
	for ; s != nil; s = s.outer {
		if s.name == fold(name) {
			return s.cte
		}
	}
	return nil
}

// cte is a query that has a name.
type cte struct {
	is      extent
	inlined bool // wherever it is used
	used    bool
}

// use gives what one use of the CTE adds. The engine may inline the only use of any.
func (c *cte) use() extent {
	if c.inlined {
		return c.is
	}
	e := extent{width: c.is.width, parts: 1, joined: 1}
	if !c.used {
		e.joined = max(1, c.is.joined)
	}
	c.used = true
	return e
}

// surveyor reckons the extent of a query.
type surveyor struct {
	width   func(table string) float64 // columns of a table
	inlined bool                       // CTEs may be; the tree does not tell which are NOT MATERIALIZED
	joined  float64                    // most relations that were found joined
}

// wide is how many columns a table is taken to have, until it matters.
const wide = 1_000

// checkExtent refuses sql, which is the statement, when it is too large to be planned.
func (c *conn) checkExtent(sql string, statement any) error {
	s := surveyor{inlined: strings.Contains(strings.ToLower(sql), "materialized"), width: func(string) float64 { return wide }}
	if s.check(statement) == nil {
		return nil
	}
	rows, err := c.rows(widthsSQL)
	if err != nil {
		return err
	}
	widths := make(map[string]float64, len(rows))
	for _, row := range rows {
		widths[fold(row[0])], _ = strconv.ParseFloat(row[1], 64) // it is an integer
	}
	s.joined, s.width = 0, func(table string) float64 { return widths[fold(table)] }
	return s.check(statement)
}

// widthsSQL asks for the columns of each table and view; of the widest, when several have the same name.
const widthsSQL = "SELECT table_name, max(n)::VARCHAR FROM (SELECT table_name, count(*) AS n FROM duckdb_columns() " +
	"GROUP BY database_name, schema_name, table_name) GROUP BY table_name"

// check refuses a statement that is too large.
func (s *surveyor) check(statement any) error {
	of, _ := statement.(map[string]any)
	e := s.query(of["node"], nil)
	for _, tt := range [...]struct {
		is, most float64
		what     string
	}{
		{s.joined, maxJoined, "tables that are joined with each other"},
		{e.parts, maxParts, "SELECTs and tables"},
		{e.columns, maxColumns, "columns in all of its SELECTs"},
	} {
		if tt.is > tt.most {
			return fault.New(fault.Invalid, "query_too_large", "the query has more than %.0f %s", tt.most, tt.what)
		}
	}
	return nil
}
