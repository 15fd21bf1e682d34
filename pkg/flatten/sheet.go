package flatten

import (
	"slices"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// sheet is what the rows of one table share. Only multitable bodies have more than one.
type sheet struct {
	table schema.Table
	tag   []byte // begins each of its rows; of the body's own table empty
	link  []byte // the column of other tables that points to its rows
	tree  tree
	seen  []*column // the request's columns, in order of first appearance
	rows  int       // of the request
	used  bool      // by the request
	apart node      // the last place that key gave and the tree has no room for
}

func newSheet(l Limits) *sheet {
	s := &sheet{}
	s.tree.reset(l)
	return s
}

// begin makes the sheet ready for a request.
func (s *sheet) begin(l Limits) {
	if s.tree.full() {
		s.tree.reset(l)
	}
	s.tree.names = 0
	s.seen, s.rows, s.used = s.seen[:0], 0, true
}

// trim lets go of memory that only unusual names need.
func (s *sheet) trim() {
	s.tree.trim()
	if cap(s.apart.path) > keepSize {
		s.apart.path = nil
	}
}

// appendSeen appends the columns of the last request to dst.
func (s *sheet) appendSeen(dst []schema.Seen) []schema.Seen {
	for _, c := range s.seen {
		dst = append(dst, schema.Seen{Name: c.name, Kinds: c.kinds})
	}
	return dst
}

// key gives the place of a name on the top level of the table's rows. One that the tree has no room for is good until the
// next call.
func (s *sheet) key(name []byte) *node {
	t := &s.tree
	if n := t.root.kids[string(name)]; n != nil {
		return n
	}
	if len(name) <= longName && t.room(nodeSize+3*len(name)) {
		return t.kid(t.root, name, 0)
	}
	s.apart = node{col: t.unset, path: append(s.apart.path[:0], name...), temp: true, reserved: reserved(name)}
	return &s.apart
}

// name sets the body's own table. The other tables that are remembered are those of another one's rows, then.
func (f *Flattener) name(t schema.Table) {
	if f.root.table != t {
		f.root.table, f.root.link = t, linkTo(t)
	}
	if f.mode == Multitable && f.scattered != t && !t.IsZero() {
		f.forget()
		f.scattered = t
	}
}

// forget drops all that is remembered of rows but for the buffers.
func (f *Flattener) forget() {
	f.sheets = nil
	f.root.tree.reset(f.limits)
}

// sheetOf gives the sheet of the table that is named after the key at n, or nil when a request may not have one more.
func (f *Flattener) sheetOf(n *node) *sheet {
	s := n.sheet
	if s == nil {
		s = f.open(schema.TableOfKey(f.root.table.Qualifier(), string(unescape(nil, n.path))))
		if !n.temp {
			n.sheet = s
		}
	}
	if s.used {
		return s
	}
	if len(f.parts) >= f.limits.Tables {
		return nil
	}
	s.begin(f.limits)
	f.parts = append(f.parts, s)
	return s
}

// open gives the sheet of a table: that of the body's own for its own name.
func (f *Flattener) open(t schema.Table) *sheet {
	if t == f.root.table {
		return f.root
	}
	s := f.sheets[t]
	if s == nil {
		s = newSheet(f.limits)
		s.table, s.link = t, linkTo(t)
		s.tag = []byte(`{"` + schema.TableTag + `":"` + t.String() + `"`)
		if f.sheets == nil {
			f.sheets = map[schema.Table]*sheet{}
		}
		f.sheets[t] = s
	}
	return s
}

// linkTo gives the name of the columns that point to a table's rows.
func linkTo(t schema.Table) []byte {
	name := []byte(t.Name() + "_id")
	if reserved(name) {
		name = append(name, '_')
	}
	return name
}

// Parts returns what the last Flatten had for other tables, in order of first appearance. It is valid until the next.
func (f *Flattener) Parts() []schema.Part {
	f.partsOut = slices.Grow(f.partsOut[:0], len(f.parts))
	for _, s := range f.parts {
		if s.rows > 0 {
			f.partsOut = append(f.partsOut, schema.Part{Table: s.table, Rows: int64(s.rows), Seen: s.appendSeen(nil)})
		}
	}
	return f.partsOut
}

// endSheets lets go of what only unusual requests need.
func (f *Flattener) endSheets() {
	f.root.trim()
	size := 0
	for _, s := range f.parts {
		s.used = false
		s.trim()
	}
	for _, s := range f.sheets {
		size += s.tree.size + s.tree.held + sheetSize
	}
	if size > f.limits.treeBytes() {
		f.forget()
	}
}

// sheetSize is what an empty sheet takes, about.
const sheetSize = 2 << 10
