package flatten

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// column is what the values of one name share, however many paths lead to the name.
type column struct {
	// Of the row at hand.
	row        uint64       // number of the last row with a value, or with null; never: no value goes here directly
	start, end int          // the member in the output, its comma included; empty for null
	before     schema.Kinds // kinds before the row
	fixed      uint64       // number of the last row in which its value is ours, and stays

	kinds schema.Kinds // of the request's values
	head  []byte       // how its members begin, `,"name":`, then at least headRoom bytes of room
	name  string       // unescaped
}

// key returns the column's name as rows spell it.
func (c *column) key() []byte { return c.head[len(`,"`) : len(c.head)-len(`":`)] }

// never, as a column's row, sends each of its values the slow way.
const never = math.MaxUint64

// node is a place in the rows: a path of keys and array positions. Different spellings of a key have nodes of their own.
type node struct {
	word, mask uint64 // the first 8 bytes of raw, and a mask of as many bytes as there are
	raw        []byte // the key as the body spells it and what follows up to the value: `name":`
	col        *column
	path       []byte // the name of its column, as rows spell it; of the root empty
	next       *node  // the key that came after this one last time
	first      *node  // the key that an object here began with last time
	kids       map[string]*node
	items      []*node
	sheet      *sheet  // of the table that is named after the key, in Multitable
	orders     []*node // the columns of the positions in the arrays here, by level, in Vertical
	reserved   bool    // a key on the top level that is one of our own columns
	temp       bool    // not part of the tree: see tree.extra
	top        bool    // temp, and on the top level
	room       []byte  // of such a node, for its path
}

// headRoom is how many bytes may be read from a column's head whatever its length.
const headRoom = 16

// Bounds of what a tree holds: a path longer than longName is not kept in it, and with more than nodeBytes for each
// column that a request may have it is full.
const (
	longName  = 1 << 10
	nodeBytes = 1 << 10
	nodeSize  = 320 // what a node takes, apart from its name
)

// nameBytes is the average length that the names of a request's columns may have.
const nameBytes = 512

// tree is the shape of the rows seen so far. It grows to a fixed size; beyond it, places are made anew each time.
type tree struct {
	root    *node
	columns map[string]*column // by key
	unset   *column            // of nodes that had no value yet
	size    int                // estimated bytes
	held    int                // estimated bytes of the columns
	names   int                // bytes of the names of the request's columns
	limits  Limits
	path    []byte  // the path of the innermost extra node
	extra   []*node // extra nodes by depth
	scratch []byte
}

func (t *tree) reset(l Limits) {
	*t = tree{root: &node{}, columns: map[string]*column{}, unset: &column{row: never}, limits: l}
	for _, name := range reservedNames {
		t.columns[name] = newColumn([]byte(name), never)
	}
}

func (t *tree) room(bytes int) bool { return t.size+bytes <= t.limits.treeBytes() }

// full reports whether the tree should be made anew before the next request.
func (t *tree) full() bool { return !t.room(longName*4) || len(t.columns) > 2*t.limits.Columns+3 }

// kid returns parent's node of a key, of which raw is the inside of the string.
func (t *tree) kid(parent *node, raw []byte, depth int) *node {
	if n := parent.kids[string(raw)]; n != nil {
		return n
	}
	key := raw
	if bytes.IndexByte(raw, '\\') >= 0 {
		text := unescape(t.scratch[:0], raw)
		t.scratch = escape(text, text)
		key = t.scratch[len(text):]
	} else if len(raw) == 0 {
		key = []byte{'_'}
	}
	size := nodeSize + 2*len(raw) + len(parent.path) + len(key)
	if parent.temp || len(parent.path)+len(key) > longName || !t.room(size) {
		return t.temp(parent, key, depth)
	}
	t.size += size
	n := t.child(parent, key)
	n.raw = append(append(n.raw, raw...), `":`...)
	var b [8]byte
	n.mask = math.MaxUint64 >> (8 * (8 - copy(b[:], n.raw)))
	n.word = binary.LittleEndian.Uint64(b[:])
	if parent.kids == nil {
		parent.kids = map[string]*node{}
	}
	parent.kids[string(raw)] = n
	return n
}

// item returns parent's node of the array position i.
func (t *tree) item(parent *node, i, depth int) *node {
	if i < len(parent.items) {
		return parent.items[i]
	}
	var b [20]byte
	key := strconv.AppendInt(b[:0], int64(i), 10)
	size := nodeSize + len(parent.path) + len(key)
	if parent.temp || i > len(parent.items) || len(parent.path)+len(key) > longName || !t.room(size) {
		return t.temp(parent, key, depth)
	}
	t.size += size
	n := t.child(parent, key)
	parent.items = append(parent.items, n)
	return n
}

// child makes a node of the tree.
func (t *tree) child(parent *node, key []byte) *node {
	n := &node{col: t.unset, path: make([]byte, 0, len(parent.path)+1+len(key))}
	if len(parent.path) > 0 {
		n.path = append(append(n.path, parent.path...), '_')
	}
	n.path = append(n.path, key...)
	n.reserved = len(parent.path) == 0 && reserved(key)
	return n
}

// temp makes a node that is good until the next one of the same depth, so that paths without end take no memory.
func (t *tree) temp(parent *node, key []byte, depth int) *node {
	for len(t.extra) <= depth {
		t.extra = append(t.extra, new(node))
	}
	n := t.extra[depth]
	if len(parent.path) == 0 { // several of these may be in use at a time, in Multitable
		*n = node{col: t.unset, path: append(n.room[:0], key...), temp: true, top: true, reserved: reserved(key)}
		n.room = n.path
		return n
	}
	if !parent.temp || parent.top {
		t.path = append(t.path[:0], parent.path...)
	}
	t.path = append(append(t.path[:len(parent.path)], '_'), key...)
	*n = node{col: t.unset, path: t.path, temp: true, room: n.room}
	return n
}

// reservedNames are the names that are not a user's.
var reservedNames = [...]string{schema.RowID, schema.BatchFile, schema.Rescued, schema.Insert}

func reserved(key []byte) bool {
	for _, name := range reservedNames {
		if string(key) == name {
			return true
		}
	}
	return false
}

// column returns the column of a key. Without room for a new one it returns nil.
func (t *tree) column(key []byte, taken int) *column {
	c := t.columns[string(key)]
	if c == nil && t.fits(key, taken) {
		c = newColumn(key, 0)
		t.columns[string(key)] = c
		t.held += nodeSize + 3*len(key)
	}
	return c
}

// fits reports whether a request that has taken columns may have one more.
func (t *tree) fits(key []byte, taken int) bool {
	return taken < t.limits.Columns && t.names+len(key) <= t.limits.Columns*nameBytes
}

func newColumn(key []byte, row uint64) *column {
	c := &column{row: row, head: make([]byte, 0, len(key)+len(`,"":`)+headRoom), name: string(key)}
	c.head = append(append(append(c.head, `,"`...), key...), `":`...)
	if strings.IndexByte(c.name, '\\') >= 0 {
		c.name = string(unescape(nil, key))
	}
	return c
}

// trim lets go of memory that only unusual paths need.
func (t *tree) trim() {
	size := cap(t.path) + cap(t.scratch)
	for _, n := range t.extra {
		size += cap(n.room)
	}
	if size > keepSize {
		t.path, t.scratch, t.extra = nil, nil, nil
	}
}
