// Package flatten turns the JSON of a request body into canonical rows, one NDJSON line each.
//
// It is one pass over the bytes: they are checked against RFC 8259, nested members become columns, the kinds of each
// column's values are noted, and the row is written with its id. Values are never decoded: strings keep the body's own
// spelling and numbers their digits. Where an object becomes several rows its values are noted first, by their places in
// the body, and then written as often as they are needed.
package flatten

import (
	"fmt"
	"io"

	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Limits are the caps on what one request may hold.
type Limits struct {
	Depth    int // most levels of objects and arrays in a row, the row's own object being the first
	Columns  int // most columns of a request; values of further ones go to the row's rescued values
	RowBytes int // most bytes of a row in the body; written, with its names repeated, it may have twice as many
	Rows     int // most rows that one object may become in Vertical
	Tables   int // most tables of a request in Multitable, beside its own

	forgetful bool // nothing is remembered: for tests
}

// treeBytes is how much is remembered of the shape of a table's rows.
func (l Limits) treeBytes() int {
	if l.forgetful {
		return 0
	}
	return l.Columns*nodeBytes + firstRead
}

// DefaultLimits returns 64 levels, 2000 columns, 8 MiB a row, 10000 rows an object and 100 tables.
func DefaultLimits() Limits {
	return Limits{Depth: 64, Columns: 2000, RowBytes: 8 << 20, Rows: 10_000, Tables: 100}
}

// Sizes of the buffers.
const (
	firstRead = 64 << 10  // first size of the input buffer: enough for most requests
	laterRead = 256 << 10 // its size once a body turned out to be longer
	flushSize = 256 << 10 // the output is handed on when it has this many bytes
	keepSize  = 1 << 20   // a larger buffer is not kept for the next request
	idRun     = 256       // row ids reserved at a time
	swell     = 64        // the rows of one object may have as many times the bytes that one row may have in the body
)

// Flattener flattens one request after the other. It remembers the shape of earlier rows, which makes similar ones
// cheap, so keep and reuse it, best for the same table. It is not safe for concurrent use.
type Flattener struct {
	limits   Limits
	mode     Mode
	outlines bool // the mode is one in which an object may become several rows
	in       input
	why      failure

	root      *sheet                  // of the body's own table
	sheet     *sheet                  // of the row at hand
	sheets    map[schema.Table]*sheet // of other tables
	scattered schema.Table            // whose rows' other tables these are
	parts     []*sheet                // those that the request has rows for

	out     []byte // rows not yet handed on are out[:n]; all of its capacity is in its length
	n       int
	scratch []byte // for rows that are put together anew, and for rescued nested values
	ids     *rowid.Source
	run     rowid.Block
	rows    int

	// Of the object at hand, when outlines.
	items   []item
	arrays  []int  // those of items that are arrays of which the row at hand has an element
	order   []byte // the name of a column of positions
	texts   []byte // ids that are values of its rows
	lastKey span   // the last key that was not as expected; none in an array
	written int    // bytes of its rows
	visits  int    // values that were looked at for them: those that make no column take time as well
	index   int    // of the element at hand in the body

	// Of the row at hand.
	mark    int     // where it begins in out
	row     uint64  // its number; rises for ever, so that a column knows whether it was met in this row
	first   uint64  // number of the request's first row
	lead    lead    // begins the row, with its fresh id
	own     []byte  // the row's own id, as the body spells it; points into the input
	cuts    []cut   // members of out that a later one of the same name replaces
	rescued []byte  // `,"name":value` of what has no column
	names   nameSet // of rescued

	seenOut  []schema.Seen
	partsOut []schema.Part
}

// outlet is where rows go, and who is told their ids.
type outlet struct {
	out  io.Writer
	each func(rowID []byte)
}

// New returns a Flattener.
func New(l Limits) *Flattener {
	f := &Flattener{limits: l, lead: newLead(), root: newSheet(l), names: newNameSet()}
	f.in.size, f.in.most = firstRead, l.RowBytes+laterRead
	return f
}

// Flatten reads one request body, which is an object, an array of objects or objects one after the other, and writes
// its rows to out. Each Write holds whole rows. A row's id comes from ids unless the object has its own; each, which may
// be nil, is told it, and must not keep the slice. It returns how many rows there are, those of other tables included.
//
// After an error what was written is to be thrown away. A mistake in the body is a *fault.Error that names its byte
// offset, and its line when the body is not an array; errors of body and out are passed on.
func (f *Flattener) Flatten(body io.Reader, o Options, ids *rowid.Source, out io.Writer, each func(rowID []byte)) (int, error) {
	f.begin(body, o, ids)
	defer f.end()
	to := outlet{out, each}
	if err := f.body(o, to); err != nil {
		return f.rows, err
	}
	return f.rows, f.flush(to.out)
}

// Table returns the table of the last Flatten, which an envelope names.
func (f *Flattener) Table() schema.Table { return f.root.table }

// Seen returns the columns of the last Flatten in order of first appearance, by their unescaped names, with the kinds
// of the values that its rows hold, and Null. The row id, the rescued values and rows of other tables are not among
// them. It is valid until the next Flatten.
func (f *Flattener) Seen() []schema.Seen {
	f.seenOut = f.root.appendSeen(f.seenOut[:0])
	return f.seenOut
}

func (f *Flattener) begin(body io.Reader, o Options, ids *rowid.Source) {
	f.in.begin(body)
	f.ids, f.run = ids, rowid.Block{} // what an earlier request left over would be out of order
	f.n, f.rows, f.index = 0, 0, 0
	f.mode, f.outlines = o.Mode, o.Mode == Vertical || o.Mode == Multitable
	f.name(o.Table)
	f.root.begin(f.limits)
	clear(f.parts)
	f.sheet, f.parts = f.root, f.parts[:0]
	f.first = f.row + 1
}

// end lets go of the request's own things, and of memory that only unusual requests need.
func (f *Flattener) end() {
	f.in.done()
	f.ids, f.own = nil, nil
	if len(f.out) > keepSize {
		f.out = nil
	}
	if cap(f.scratch) > keepSize {
		f.scratch = nil
	}
	f.endSheets()
	if cap(f.items) > keepSize/itemSize {
		f.items = nil
	}
	if cap(f.arrays) > keepSize/8 {
		f.arrays = nil
	}
	if cap(f.order)+cap(f.texts) > keepSize {
		f.order, f.texts = nil, nil
	}
	f.names.clear()
	if cap(f.rescued) > keepSize {
		f.rescued = nil
	}
	if cap(f.cuts) > keepSize/32 {
		f.cuts = nil
	}
}

// body reads the values on the body's top level.
func (f *Flattener) body(o Options, to outlet) error {
	if err := f.in.fill(0); err != nil {
		return err
	}
	f.in.skipMark()
	more, err := f.in.space()
	if err != nil {
		return err
	}
	if !more {
		return f.invalid(f.in.pos, "want an object or an array of objects")
	}
	switch {
	case o.Envelope:
		f.in.array = true
		return f.envelope(to)
	case f.in.buf[f.in.pos] == '[':
		f.in.array = true
		if err := f.elements(to); err != nil {
			return err
		}
		return f.last("the array")
	}
	for more && err == nil {
		if err = f.element(to); err == nil {
			more, err = f.in.space()
		}
	}
	return err
}

// elements reads the array of rows at hand.
func (f *Flattener) elements(to outlet) error {
	f.in.pos++
	c, err := f.next("want ',' or ']'")
	for err == nil && c != ']' {
		if err = f.element(to); err != nil {
			return err
		}
		if c, err = f.next("want ',' or ']'"); err != nil || c == ']' {
			break
		}
		if c != ',' {
			return f.invalid(f.in.pos, "want ',' or ']' after an element")
		}
		f.in.pos++
		if c, err = f.next("want ',' or ']'"); err == nil && c == ']' {
			return f.invalid(f.in.pos, "want an object")
		}
	}
	f.in.pos++
	return err
}

// next returns the next byte that is no white space, and leaves it unread. At the end of the body it says what is wanted.
func (f *Flattener) next(wanted string) (byte, error) {
	more, err := f.in.space()
	if err == nil && !more {
		err = f.invalid(f.in.pos, wanted)
	}
	return f.in.buf[f.in.pos], err
}

// last reads the end of the body, after what it consists of.
func (f *Flattener) last(what string) error {
	more, err := f.in.space()
	if err == nil && more {
		err = f.invalid(f.in.pos, "want nothing after "+what)
	}
	return err
}

// element reads one object of the top level and writes its rows.
func (f *Flattener) element(to outlet) error {
	in := &f.in
	if in.buf[in.pos] != '{' {
		return f.notObject()
	}
	for {
		f.beginElement()
		end := f.object(in.pos+1, f.root.tree.root, 1)
		goesOn := end < 0 && f.why.pos >= in.end && !in.eof
		switch {
		case end >= 0 && end-in.pos <= f.limits.RowBytes:
			if err := f.endElement(to); err != nil {
				return err
			}
			in.pos = end
			f.index++
			return nil
		case end >= 0 || goesOn && in.end-in.pos > f.limits.RowBytes:
			return f.tooLarge()
		case !goesOn:
			return f.failed()
		}
		// The row goes on past what is in memory: read more and parse it again from its start.
		if !f.outlines {
			f.undoRow()
		}
		if err := in.fill(in.pos); err != nil {
			return err
		}
	}
}

// beginElement makes ready for an object of the top level.
func (f *Flattener) beginElement() {
	if f.outlines {
		f.beginOutline()
		return
	}
	f.beginRow()
}

// endElement writes the rows of an object that was read, or what is not written of its row.
func (f *Flattener) endElement(to outlet) error {
	if f.outlines {
		f.items[0].next = len(f.items)
	}
	switch f.mode {
	case Vertical:
		return f.explode(to)
	case Multitable:
		return f.scatter(0, f.root, link{}, to)
	default:
		return f.endRow(to)
	}
}

func (f *Flattener) nextID() {
	if f.run.Left() == 0 {
		f.run = f.ids.Block(idRun)
	}
	f.run.Append(f.lead.id()[:0])
}

func (f *Flattener) flush(out io.Writer) error {
	if f.n == 0 {
		return nil
	}
	rows := f.out[:f.n]
	f.n = 0
	if _, err := out.Write(rows); err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	return nil
}
