package flatten

import "github.com/scratchdata/scratchdata/pkg/schema"

// idColumn names a row for the rows that belong to it.
const idColumn = "id"

// link is how rows point to the one that they belong to.
type link struct {
	column []byte // empty: they belong to none
	value  []byte // JSON text
	kind   schema.Kind
}

// scatter writes the object at i as a row of s, then, in the document's order, the rows of what it contains.
func (f *Flattener) scatter(i int, s *sheet, up link, to outlet) error {
	me, err := f.scatterRow(i, s, up, to)
	it := f.items[i]
	for j := i + 1; j < it.next && err == nil; j = f.items[j].next {
		m := &f.items[j]
		if m.form != object && m.form != array || m.form == array && m.next == j+1 {
			continue
		}
		f.sheet = s
		own := f.sheetOf(f.nodeOf(m, s.tree.root, 1))
		switch {
		case own == nil:
			f.failAs(manyTables, m.pos)
			err = f.failed()
		case m.form == object:
			err = f.scatter(j, own, me, to)
		default:
			err = f.scatterArray(j, key{s, j}, own, me, to)
		}
	}
	return err
}

// key is the item of a member, in a row of sheet, after which a table is named.
type key struct {
	sheet *sheet
	item  int
}

// scatterArray writes the elements of the array at i as rows of s: an object by its members, a scalar under the array's
// key, and an array as a row without members, to which its own elements belong.
func (f *Flattener) scatterArray(i int, named key, s *sheet, up link, to outlet) (err error) {
	it := f.items[i]
	for j := i + 1; j < it.next && err == nil; j = f.items[j].next {
		switch f.items[j].form {
		case object:
			err = f.scatter(j, s, up, to)
		case array:
			var me link
			if me, err = f.scatterElement(-1, named, s, up, to); err == nil {
				err = f.scatterArray(j, named, s, me, to)
			}
		default:
			_, err = f.scatterElement(j, named, s, up, to)
		}
	}
	return err
}

// scatterRow writes the row of the object at i, without what is nested in it.
func (f *Flattener) scatterRow(i int, s *sheet, up link, to outlet) (link, error) {
	f.sheet = s
	f.beginRow()
	me, end := f.identify(f.ownID(i), s, up)
	for j := i + 1; j < f.items[i].next && end >= 0; j = f.items[j].next {
		it := &f.items[j]
		switch it.form {
		case scalar:
			end = f.put(f.nodeOf(it, s.tree.root, 1), it.pos, it.end, it.kind)
		case asText:
			end = f.keepText(f.nodeOf(it, s.tree.root, 1), it)
		}
	}
	return me, f.endScattered(end, to)
}

// scatterElement writes the row of the scalar at i, or, when i is negative, one that only others belong to.
func (f *Flattener) scatterElement(i int, named key, s *sheet, up link, to outlet) (link, error) {
	f.sheet = s
	f.beginRow()
	me, end := f.identify(nil, s, up)
	if i >= 0 && end >= 0 {
		it := &f.items[i]
		f.sheet = named.sheet
		path := f.nodeOf(&f.items[named.item], named.sheet.tree.root, 1).path
		f.sheet = s
		end = f.put(s.key(path), it.pos, it.end, it.kind)
	}
	return me, f.endScattered(end, to)
}

func (f *Flattener) endScattered(end int, to outlet) error {
	if end < 0 {
		return f.failed()
	}
	return f.endPart(to)
}

// identify writes the row's id, unless it has its own, and the link to the row that it belongs to.
func (f *Flattener) identify(own *item, s *sheet, up link) (me link, end int) {
	me = link{column: s.link}
	if own != nil {
		me.value, me.kind = f.in.buf[own.pos:own.end], own.kind
	} else {
		me.value, me.kind = f.idText(), schema.Text
		end = f.fix(s.key([]byte(idColumn)), me.value, me.kind)
	}
	if len(up.column) > 0 && end >= 0 {
		end = f.fix(s.key(up.column), up.value, up.kind)
	}
	return me, end
}

// ownID gives the object's own id, when it is a scalar.
func (f *Flattener) ownID(i int) (own *item) {
	root := f.sheet.tree.root
	for j := i + 1; j < f.items[i].next; j = f.items[j].next {
		it := &f.items[j]
		if it.form == scalar && string(f.nodeOf(it, root, 1).path) == idColumn {
			own = it // of several the last one counts, as in the row
		}
	}
	if own != nil && own.kind == schema.Null {
		return nil
	}
	return own
}
