package ingest

import (
	"slices"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// columns is the columns of a batch, in the order in which they were first seen.
type columns struct {
	list  []schema.Seen
	index map[string]int
}

// merge adds what an insert has seen. Inserts of one table mostly have the same columns in the same order, so the place
// is guessed before it is looked up.
func (c *columns) merge(seen []schema.Seen) {
	for i, s := range seen {
		if i < len(c.list) && c.list[i].Name == s.Name {
			c.list[i].Kinds |= s.Kinds
			continue
		}
		if at, ok := c.index[s.Name]; ok {
			c.list[at].Kinds |= s.Kinds
			continue
		}
		if c.index == nil {
			c.index = make(map[string]int)
		}
		c.index[s.Name] = len(c.list)
		c.list = append(c.list, s)
	}
}

// parts is what a batch has for other tables than its own.
type parts struct {
	list   []*part
	index  map[schema.Table]*part
	widest int // the most columns that one of them has
}

type part struct {
	table schema.Table
	rows  int64
	columns
}

// merge adds what an insert had.
func (p *parts) merge(list []schema.Part) {
	for _, of := range list {
		known := p.index[of.Table]
		if known == nil {
			if p.index == nil {
				p.index = make(map[schema.Table]*part)
			}
			known = &part{table: of.Table}
			p.index[of.Table] = known
			p.list = append(p.list, known)
		}
		known.rows += of.Rows
		known.columns.merge(of.Seen)
		p.widest = max(p.widest, len(known.columns.list))
	}
}

// sorted gives the parts by their tables' names: the same rows have the same parts, however they came together.
func sorted(list []schema.Part) []schema.Part {
	slices.SortFunc(list, func(a, b schema.Part) int { return strings.Compare(a.Table.String(), b.Table.String()) })
	return list
}

func (p *parts) all() []schema.Part {
	var list []schema.Part
	for _, of := range p.list {
		list = append(list, schema.Part{Table: of.table, Rows: of.rows, Seen: of.columns.list})
	}
	return sorted(list)
}
