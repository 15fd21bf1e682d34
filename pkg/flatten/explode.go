package flatten

import (
	"strconv"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// The columns that Vertical adds.
const (
	documentID  = "___document_id" // the same in all rows of an object
	orderPrefix = "__order_"       // and a path: the position in the array there
)

// explode writes the rows of the object in items: one for each way to choose an element of each of its arrays. The last
// array's choice changes fastest.
func (f *Flattener) explode(to outlet) error {
	if f.count(0) > f.limits.Rows {
		f.failAs(manyRows, f.in.pos)
		return f.failed()
	}
	f.nextID()
	doc := f.idText()
	for more := true; more; more = f.choose() {
		f.beginRow()
		f.arrays = f.arrays[:0]
		f.fix(f.root.key([]byte(documentID)), doc, schema.Text)
		if f.walk(0, f.root.tree.root, 0, 0) < 0 {
			return f.failed()
		}
		if err := f.endPart(to); err != nil {
			return err
		}
	}
	return nil
}

// endPart is endRow for one of an object's rows.
func (f *Flattener) endPart(to outlet) error {
	if err := f.endRow(to); err != nil {
		return err
	}
	if most := swell * f.limits.RowBytes; f.written > most || f.visits > most/2 {
		return fault.New(fault.Unprocessable, "object_too_large", "the rows of the object %s are larger than %d bytes", f.at(f.in.pos), most)
	}
	return nil
}

// count gives how many rows the value at i becomes, or one more than there may be.
func (f *Flattener) count(i int) int {
	it := &f.items[i]
	n, most := 1, f.limits.Rows+1
	switch {
	case it.form == object:
		for j := i + 1; j < it.next; j = f.items[j].next {
			n = min(n*f.count(j), most)
		}
	case it.form == array && i+1 < it.next:
		n = 0
		for j := i + 1; j < it.next; j = f.items[j].next {
			n = min(n+f.count(j), most)
		}
	}
	return n
}

// choose moves on to the next choice of elements, of those that the last row's walk met. It reports false after the last.
func (f *Flattener) choose() bool {
	for k := len(f.arrays) - 1; k >= 0; k-- {
		it := &f.items[f.arrays[k]]
		if next := f.items[it.at].next; next < it.next {
			it.at = next
			it.index++
			return true
		}
		it.at, it.index = f.arrays[k]+1, 0
	}
	return false
}

// walk writes the members of the value at i, which is at n, for the row at hand. level is how many arrays it is in
// without a key between.
func (f *Flattener) walk(i int, n *node, depth, level int) int {
	it := &f.items[i]
	end := it.end
	f.visits++
	switch it.form {
	case scalar:
		return f.put(n, it.pos, it.end, it.kind)
	case asText:
		return f.keepText(n, it)
	case array:
		if i+1 == it.next {
			return f.putText(n, []byte("null"), schema.Null, it.pos, it.end)
		}
		f.arrays = append(f.arrays, i)
		if end = f.putOrder(n, level, it.index); end >= 0 {
			end = f.walk(it.at, n, depth+1, level+1)
		}
	case object:
		for j := i + 1; j < it.next && end >= 0; j = f.items[j].next {
			m := &f.items[j]
			end = f.walk(j, f.nodeOf(m, n, depth+1), depth+1, 0)
		}
	}
	return end
}

// keepText writes an object or array that is kept as text. Its key is one of ours, so it goes to the rescued values.
func (f *Flattener) keepText(n *node, it *item) int {
	f.scratch = f.scratch[:0]
	if f.compact(it.pos, 0) < 0 {
		return -1 // it was read before
	}
	return f.keepNested(n, it.pos, it.end)
}

// putOrder writes the position in the array at n, of which level others are around it without a key between.
func (f *Flattener) putOrder(n *node, level, index int) int {
	var b [20]byte
	return f.fix(f.orderOf(n, level), strconv.AppendInt(b[:0], int64(index), 10), schema.Int)
}

// orderOf gives the place of the positions in the arrays at n.
func (f *Flattener) orderOf(n *node, level int) *node {
	if level < len(n.orders) {
		return n.orders[level]
	}
	f.order = append(append(f.order[:0], orderPrefix...), n.path...)
	if level > 0 {
		f.order = strconv.AppendInt(append(f.order, '_'), int64(level+1), 10)
	}
	o := f.root.key(f.order)
	if !n.temp && !o.temp && level == len(n.orders) {
		n.orders = append(n.orders, o)
	}
	return o
}

// fix writes a value of ours, which no value of the object replaces.
func (f *Flattener) fix(n *node, value []byte, k schema.Kind) int {
	end := f.putText(n, value, k, f.in.pos, f.in.pos)
	if c := f.sheet.tree.columns[string(n.path)]; c != nil {
		c.fixed = f.row
	}
	return end
}

// idText gives the last fresh id as JSON text, which stays until the object's end.
func (f *Flattener) idText() []byte {
	at := len(f.texts)
	f.texts = append(append(append(f.texts, '"'), f.lead.id()...), '"')
	return f.texts[at:]
}
