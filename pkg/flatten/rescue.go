package flatten

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strconv"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

const rescuedHead = `,"` + schema.Rescued + `":{`

// cut is a member to be taken out of the row: out[start:end].
type cut struct{ start, end int }

// replace takes the value that c has in this row out of it, because a later one came.
func (f *Flattener) replace(c *column) {
	c.kinds = c.before
	if c.start == c.end {
		return // it was null
	}
	f.cuts = append(f.cuts, cut{c.start, c.end})
	f.rescue(c.key(), f.out[c.start+len(c.head):c.end])
}

// keepOwn keeps the value of a column that is ours: the row's id as such, anything else among the rescued values.
func (f *Flattener) keepOwn(n *node, c *column, value []byte) {
	if !n.reserved || c.name != schema.RowID {
		f.rescue(c.key(), value)
		return
	}
	if f.own != nil {
		f.rescue(c.key(), f.own)
	}
	f.own = nil
	if value[0] != 'n' {
		f.own = value
	}
}

// keepNested keeps the nested value in scratch, which a key that is one of our columns has, among the rescued values.
func (f *Flattener) keepNested(n *node, pos, end int) int {
	if f.own != nil && string(n.path) == schema.RowID {
		f.rescue(n.path, f.own)
		f.own = nil
	}
	f.rescue(n.path, f.scratch)
	return f.checkRow(pos, end)
}

// rescue adds a value to the row's rescued ones. null is nothing to keep. A name that is there already gets a number.
func (f *Flattener) rescue(name, value []byte) {
	if value[0] == 'n' {
		return
	}
	f.rescued = append(f.rescued, `,"`...)
	at := len(f.rescued)
	f.rescued = append(f.rescued, name...)
	f.rescued = f.names.add(f.rescued, at)
	f.rescued = append(append(f.rescued, `":`...), value...)
}

// checkRow returns end if the row is not too large yet.
func (f *Flattener) checkRow(pos, end int) int {
	if f.n-f.mark+len(f.rescued) > f.maxRow() {
		return f.failAs(large, pos)
	}
	return end
}

// rebuildRow puts the row together from its id, the members that were not cut, and the rescued values.
func (f *Flattener) rebuildRow() {
	tag := f.sheet.tag
	f.scratch = append(append(f.scratch[:0], tag...), f.lead[:]...)
	if f.own != nil {
		f.scratch = append(append(append(f.scratch[:len(tag)], rowHead...), unquote(f.own)...), '"')
	}
	if len(tag) > 0 {
		f.scratch[len(tag)] = ','
	}
	at := f.mark + len(tag) + len(f.lead)
	slices.SortFunc(f.cuts, func(a, b cut) int { return cmp.Compare(a.start, b.start) })
	for _, c := range f.cuts {
		f.scratch = append(f.scratch, f.out[at:c.start]...)
		at = c.end
	}
	f.scratch = append(f.scratch, f.out[at:f.n]...)
	if len(f.rescued) > 0 {
		f.scratch = append(append(append(f.scratch, rescuedHead...), f.rescued[1:]...), '}')
	}
	f.n = f.mark
	f.ensure(len(f.scratch))
	f.n += copy(f.out[f.n:], f.scratch)
}

// nameSet is the names of one row's rescued values. It keeps hashes, so that it needs no memory per name; two names with
// one hash would only get a number that they do not need.
type nameSet struct {
	seed  maphash.Seed
	count map[uint64]int
}

// maxNames is how many names a set may have had for its memory to be kept.
const maxNames = 4096

func newNameSet() nameSet {
	return nameSet{maphash.MakeSeed(), map[uint64]int{}}
}

func (s *nameSet) clear() {
	switch n := len(s.count); {
	case n > maxNames:
		s.count = map[uint64]int{}
	case n > 0:
		clear(s.count)
	}
}

// add adds the name at b[at:]. If it is there already, it becomes name#2, or name#3 and so on.
func (s *nameSet) add(b []byte, at int) []byte {
	h := maphash.Bytes(s.seed, b[at:])
	n, taken := s.count[h]
	if !taken {
		s.count[h] = 1
		return b
	}
	length := len(b)
	for taken {
		n++
		b = strconv.AppendInt(append(b[:length], '#'), int64(n), 10)
		_, taken = s.count[maphash.Bytes(s.seed, b[at:])]
	}
	s.count[h] = n
	s.count[maphash.Bytes(s.seed, b[at:])] = 1
	return b
}
