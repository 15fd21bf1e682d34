package flatten

import (
	"io"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

const (
	rowHead = `{"` + schema.RowID + `":"`
	rowEnd  = "}\n"
)

func (f *Flattener) beginRow() {
	f.row++
	f.mark = f.n
	f.own = nil
	f.cuts = f.cuts[:0]
	f.rescued = f.rescued[:0]
	f.names.clear()
	f.ensure(len(rowHead) + len(f.id) + 1)
	f.n += copy(f.out[f.n:], rowHead)
	f.n += copy(f.out[f.n:], f.id[:])
	f.out[f.n] = '"'
	f.n++
}

// undoRow forgets what was read of the row.
func (f *Flattener) undoRow() {
	f.n = f.mark
	for _, c := range f.seen {
		if c.row == f.row {
			c.kinds = c.before
		}
	}
}

// endRow completes the row, and hands the rows on when they are many.
func (f *Flattener) endRow(out io.Writer, each func([]byte)) error {
	if len(f.cuts) > 0 || len(f.rescued) > 0 || f.own != nil {
		f.rebuildRow()
	}
	f.ensure(len(rowEnd))
	f.n += copy(f.out[f.n:], rowEnd)
	if f.n-f.mark > f.maxRow() {
		return f.tooLarge()
	}
	f.rows++
	if each != nil {
		each(f.rowID())
	}
	if f.n >= flushSize {
		return f.flush(out)
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
			return f.failRow(pos)
		}
		f.ensure(room)
	}
	at = f.write(at, c.head, pos, end)
	c.end, f.n = at, at
	return end
}

// write writes head and buf[pos:end] to out[at:], where there is room for both and headRoom bytes more for each. Both
// are short as a rule, and then copied whole words at a time, beyond their ends.
func (f *Flattener) write(at int, head []byte, pos, end int) int {
	out, buf := f.out, f.in.buf
	*(*[headRoom]byte)(out[at:]) = *(*[headRoom]byte)(head[:headRoom])
	if len(head) > headRoom {
		copy(out[at+headRoom:], head[headRoom:])
	}
	at += len(head)
	*(*[headRoom]byte)(out[at:]) = *(*[headRoom]byte)(buf[pos:])
	if end-pos > headRoom {
		*(*[headRoom]byte)(out[at+headRoom:]) = *(*[headRoom]byte)(buf[pos+headRoom:])
		if end-pos > 2*headRoom {
			copy(out[at+2*headRoom:], buf[pos+2*headRoom:end])
		}
	}
	return at + end - pos
}

// place finds the column for a value of n that put cannot write at once. It returns nil when the value went to the
// rescued values or became the row's id.
func (f *Flattener) place(n *node, value []byte) *column {
	c := n.col
	if c == f.tree.unset {
		c = f.tree.column(n.path, len(f.seen))
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
	if !f.tree.fits(c.key(), len(f.seen)) {
		return false
	}
	f.tree.names += len(c.key())
	c.kinds = 0
	f.seen = append(f.seen, c)
	return true
}

// rowID returns the id of the row that was read last.
func (f *Flattener) rowID() []byte {
	if f.own == nil {
		return f.id[:]
	}
	f.scr = unescape(f.scr[:0], unquote(f.own))
	return f.scr
}

// unquote returns the inside of a string, and the text of any other scalar.
func unquote(value []byte) []byte {
	if value[0] == '"' {
		return value[1 : len(value)-1]
	}
	return value
}
