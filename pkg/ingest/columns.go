package ingest

import "github.com/scratchdata/scratchdata/pkg/schema"

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
