package flatten

import (
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

const (
	rowHead = `{"` + schema.RowID + `":"`
	rowEnd  = "}\n"
)

// lead is how a row with a fresh id begins.
type lead [len(rowHead) + rowid.Len + 1]byte

func newLead() (l lead) {
	copy(l[:], rowHead)
	l[len(l)-1] = '"'
	return l
}

// id returns the place of the id.
func (l *lead) id() []byte { return l[len(rowHead) : len(rowHead)+rowid.Len] }

// beginRow begins a row of the sheet at hand, with a fresh id.
func (f *Flattener) beginRow() {
	f.nextID()
	f.row++
	f.mark = f.n
	f.own = nil
	f.cuts = f.cuts[:0]
	f.rescued = f.rescued[:0]
	f.names.clear()
	tag := f.sheet.tag
	f.ensure(len(tag) + len(f.lead))
	f.n += copy(f.out[f.n:], tag)
	*(*lead)(f.out[f.n:]) = f.lead
	if len(tag) > 0 {
		f.out[f.n] = ',' // where a row without a tag has its brace
	}
	f.n += len(f.lead)
}

// undoRow forgets what was read of the row.
func (f *Flattener) undoRow() {
	f.n = f.mark
	for _, c := range f.sheet.seen {
		if c.row == f.row {
			c.kinds = c.before
		}
	}
}

// endRow completes the row, and hands the rows on when they are many.
func (f *Flattener) endRow(to outlet) error {
	if len(f.cuts) > 0 || len(f.rescued) > 0 || f.own != nil {
		f.rebuildRow()
	}
	f.ensure(len(rowEnd))
	f.out[f.n], f.out[f.n+1] = rowEnd[0], rowEnd[1]
	f.n += len(rowEnd)
	if f.n-f.mark > f.maxRow() {
		return f.tooLarge()
	}
	f.rows++
	f.sheet.rows++
	f.written += f.n - f.mark
	if to.each != nil {
		to.each(f.rowID())
	}
	if f.n >= flushSize {
		return f.flush(to.out)
	}
	return nil
}

// maxRow is how long a row may be as it is written.
func (f *Flattener) maxRow() int { return 2 * f.limits.RowBytes }

// ensure makes room for n more bytes of output.
func (f *Flattener) ensure(n int) {
	if len(f.out)-f.n < n {
		out := make([]byte, max(2*len(f.out), f.n+n, firstRead))
		copy(out, f.out[:f.n])
		f.out = out
	}
}

// put writes the value buf[pos:end], which is of kind k, as a member of n's column.
func (f *Flattener) put(n *node, pos, end int, k schema.Kind) int {
	c := n.col
	// One comparison says that the column was met in this request and not yet in this row.
	if c.row-f.first >= f.row-f.first {
		if c = f.place(n, f.in.buf[pos:end]); c == nil {
			return f.checkRow(pos, end)
		}
	}
	c.row = f.row
	c.before = c.kinds
	c.kinds = c.kinds.With(k)
	at := f.n
	c.start, c.end = at, at
	if k == schema.Null {
		return end
	}
	room := len(c.head) + end - pos + 2*headRoom
	if len(f.out)-at < room {
		if at-f.mark+room > f.maxRow() {
			return f.failAs(large, pos)
		}
		f.ensure(room)
	}
	// Both parts are short as a rule, and then copied as one word, beyond their ends.
	out, head := f.out, c.head
	*(*[headRoom]byte)(out[at:]) = *(*[headRoom]byte)(head[:headRoom])
	if len(head) > headRoom {
		copy(out[at+headRoom:], head[headRoom:])
	}
	at += len(head)
	*(*[headRoom]byte)(out[at:]) = *(*[headRoom]byte)(f.in.buf[pos:])
	if end-pos > headRoom {
		f.copyLong(at+headRoom, pos+headRoom, end)
	}
	at += end - pos
	c.end, f.n = at, at
	return end
}

// putText is put for a value that is not in the input as it is to be written; there it is buf[pos:end].
func (f *Flattener) putText(n *node, value []byte, k schema.Kind, pos, end int) int {
	c := n.col
	if c.row-f.first >= f.row-f.first {
		if c = f.place(n, value); c == nil {
			return f.checkRow(pos, end)
		}
	}
	c.row = f.row
	c.before = c.kinds
	c.kinds = c.kinds.With(k)
	c.start, c.end = f.n, f.n
	if k == schema.Null {
		return end
	}
	if f.n-f.mark+len(c.head)+len(value) > f.maxRow() {
		return f.failAs(large, pos)
	}
	f.ensure(len(c.head) + len(value))
	f.n += copy(f.out[f.n:], c.head)
	f.n += copy(f.out[f.n:], value)
	c.end = f.n
	return end
}

// copyLong writes what is left of a value, buf[pos:end], to out[at:].
func (f *Flattener) copyLong(at, pos, end int) {
	out, buf := f.out, f.in.buf
	*(*[headRoom]byte)(out[at:]) = *(*[headRoom]byte)(buf[pos:])
	if end-pos > headRoom {
		copy(out[at+headRoom:], buf[pos+headRoom:end])
	}
}

// place finds the column for a value of n that put cannot write at once. It returns nil when the value went to the
// rescued values or became the row's id.
func (f *Flattener) place(n *node, value []byte) *column {
	c := n.col
	if t := &f.sheet.tree; c == t.unset {
		c = t.column(n.path, len(f.sheet.seen))
		if c != nil && !n.temp {
			n.col = c
		}
	}
	switch {
	case c == nil:
		f.rescue(n.path, value)
		return nil
	case c.row == never:
		f.keepOwn(n, c, value)
		return nil
	case c.row == f.row && c.fixed == f.row:
		f.rescue(n.path, value)
		return nil
	case c.row == f.row:
		f.replace(c)
	case c.row < f.first && !f.enter(c):
		f.rescue(n.path, value)
		return nil
	}
	return c
}

// enter makes c a column of the request, if there is room for one more.
func (f *Flattener) enter(c *column) bool {
	s := f.sheet
	if !s.tree.fits(c.key(), len(s.seen)) {
		return false
	}
	s.tree.names += len(c.key())
	c.kinds = 0
	s.seen = append(s.seen, c)
	return true
}

// rowID returns the id of the row that was read last.
func (f *Flattener) rowID() []byte {
	if f.own == nil {
		return f.lead.id()
	}
	f.scratch = unescape(f.scratch[:0], unquote(f.own))
	return f.scratch
}

// unquote returns the inside of a string, and the text of any other scalar.
func unquote(value []byte) []byte {
	if value[0] == '"' {
		return value[1 : len(value)-1]
	}
	return value
}
