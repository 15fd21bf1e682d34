package flatten

import (
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Where an object may become several rows it is read into items: each value's place in the input and in the rows, in the
// order of the document, an object or array before what is in it.

// item is one value.
type item struct {
	node     *node // its place; nil when that is not kept in the tree: see key
	key      span  // of a member whose node is nil: the inside of its key in the input
	pos, end int   // the value in the input
	next     int   // index of the item after it and all that is in it
	form     form
	kind     schema.Kind // of a scalar, or of what is kept as text

	// Of an array in Vertical: the element that the row at hand has.
	at    int // index of its item
	index int // its position
}

// itemSize is what an item takes in memory, about.
const itemSize = 96

// span is a part of the input.
type span struct{ from, to int }

type form uint8

const (
	scalar form = iota
	asText      // an object or array that is kept as text
	object
	array
)

// beginOutline makes ready for an object of the top level, whose own item is the first.
func (f *Flattener) beginOutline() {
	f.sheet = f.root
	f.items = append(f.items[:0], item{node: f.root.tree.root, pos: f.in.pos, form: object})
	f.texts, f.written, f.visits = f.texts[:0], 0, 0
}

// note notes the value buf[pos:end] at n.
func (f *Flattener) note(n *node, pos, end int, k schema.Kind) int {
	it := f.item(n, pos)
	it.end, it.kind = end, k
	it.next = len(f.items)
	if k == schema.Nested {
		it.form = asText
	}
	return end
}

// item adds an item for the value of n that begins at pos.
func (f *Flattener) item(n *node, pos int) *item {
	f.items = append(f.items, item{node: n, pos: pos})
	it := &f.items[len(f.items)-1]
	if n.temp { // another one's soon
		it.node, it.key = nil, f.lastKey
	}
	return it
}

// outline notes the object or array at n.
func (f *Flattener) outline(pos int, n *node, depth int) int {
	at := len(f.items)
	it := f.item(n, pos)
	var end int
	switch {
	case f.in.buf[pos] == '[':
		it.form = array
		end = f.array(pos+1, n, depth)
	case f.mode == Multitable:
		it.form = object
		end = f.outlineRow(pos, n, depth)
	default:
		it.form = object
		end = f.object(pos+1, n, depth)
	}
	it = &f.items[at]
	it.end, it.next, it.at = end, len(f.items), at+1
	return end
}

// outlineRow notes the object at n, which will be a row of the table that is named after the key.
func (f *Flattener) outlineRow(pos int, n *node, depth int) int {
	s := f.sheetOf(n)
	if s == nil {
		return f.failAs(manyTables, pos)
	}
	outer := f.sheet
	f.sheet = s
	end := f.object(pos+1, s.tree.root, depth)
	f.sheet = outer
	return end
}

// nodeOf gives the place of an item whose parent, or array, is at n. A place that the tree does not keep is good until
// the next one of the same depth.
func (f *Flattener) nodeOf(it *item, n *node, depth int) *node {
	switch {
	case it.node != nil:
		return it.node
	case it.key.to == 0:
		return n
	}
	return f.sheet.tree.kid(n, f.in.buf[it.key.from:it.key.to], depth)
}
