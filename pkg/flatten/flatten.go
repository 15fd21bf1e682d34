// Package flatten turns the JSON of a request body into canonical rows, one NDJSON line each.
//
// It is one pass over the bytes: they are checked against RFC 8259, nested members become columns, the kinds of each
// column's values are noted, and the row is written with its id. Values are never decoded: strings keep the body's own
// spelling and numbers their digits.
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
}

// DefaultLimits returns 64 levels, 2000 columns and 8 MiB a row.
func DefaultLimits() Limits {
	return Limits{Depth: 64, Columns: 2000, RowBytes: 8 << 20}
}

// Sizes of the buffers.
const (
	firstRead = 64 << 10  // first size of the input buffer: enough for most requests
	laterRead = 256 << 10 // its size once a body turned out to be longer
	flushSize = 256 << 10 // the output is handed on when it has this many bytes
	keepSize  = 1 << 20   // a larger buffer is not kept for the next request
	idRun     = 256       // row ids reserved at a time
)

// Flattener flattens one request after the other, horizontally: one row for each object, with the keys and array
// positions on the way to a value joined by '_'. It remembers the shape of earlier rows, which makes similar ones
// cheap, so keep and reuse it. It is not safe for concurrent use.
type Flattener struct {
	limits Limits
	in     input
	tree   tree
	why    failure

	out     []byte // rows not yet handed on are out[:n]; all of its capacity is in its length
	n       int
	scratch []byte // for rows that are put together anew, and for rescued nested values
	ids     *rowid.Source
	run     rowid.Block
	rows    int

	// Of the row at hand.
	mark    int       // where it begins in out
	row     uint64    // its number; rises for ever, so that a column knows whether it was met in this row
	first   uint64    // number of the request's first row
	lead    lead      // begins the row, with its fresh id
	own     []byte    // the row's own id, as the body spells it; points into the input
	cuts    []cut     // members of out that a later one of the same name replaces
	rescued []byte    // `,"name":value` of what has no column
	names   nameSet   // of rescued
	seen    []*column // the request's columns, in order of first appearance

	seenOut []schema.Seen
}

// New returns a Flattener.
func New(l Limits) *Flattener {
	f := &Flattener{limits: l, lead: newLead()}
	f.in.size, f.in.most = firstRead, l.RowBytes+laterRead
	f.names = newNameSet()
	f.tree.reset(l)
	return f
}

// Flatten reads one request body, which is an object, an array of objects or objects one after the other, and writes
// its rows to out. Each Write holds whole rows. A row's id comes from ids unless the object has its own; each, which may
// be nil, is told it, and must not keep the slice.
//
// After an error what was written is to be thrown away. A mistake in the body is a *fault.Error that names its byte
// offset, and its line when the body is not an array; errors of body and out are passed on.
func (f *Flattener) Flatten(body io.Reader, ids *rowid.Source, out io.Writer, each func(rowID []byte)) (int, error) {
	f.begin(body, ids)
	defer f.end()
	if err := f.body(out, each); err != nil {
		return f.rows, err
	}
	return f.rows, f.flush(out)
}

// Seen returns the columns of the last Flatten in order of first appearance, by their unescaped names, with the kinds
// of the values that its rows hold, and Null. The row id and the rescued values are not among them. It is valid until
// the next Flatten.
func (f *Flattener) Seen() []schema.Seen {
	f.seenOut = f.seenOut[:0]
	for _, c := range f.seen {
		f.seenOut = append(f.seenOut, schema.Seen{Name: c.name, Kinds: c.kinds})
	}
	return f.seenOut
}

func (f *Flattener) begin(body io.Reader, ids *rowid.Source) {
	f.in.begin(body)
	f.ids, f.run = ids, rowid.Block{} // what an earlier request left over would be out of order
	f.n, f.rows = 0, 0
	f.seen = f.seen[:0]
	if f.tree.full() {
		f.tree.reset(f.limits)
	}
	f.tree.names = 0
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
	f.tree.trim()
	if cap(f.rescued) > keepSize {
		f.rescued = nil
	}
	if cap(f.cuts) > keepSize/32 {
		f.cuts = nil
	}
}

// body reads the values on the body's top level.
func (f *Flattener) body(out io.Writer, each func([]byte)) error {
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
	if f.in.buf[f.in.pos] == '[' {
		f.in.array = true
		return f.elements(out, each)
	}
	for more && err == nil {
		if err = f.element(out, each); err == nil {
			more, err = f.in.space()
		}
	}
	return err
}

// elements reads the array that the body is.
func (f *Flattener) elements(out io.Writer, each func([]byte)) error {
	f.in.pos++
	if c, err := f.next(); err != nil || c == ']' {
		return f.last(err)
	}
	for {
		if err := f.element(out, each); err != nil {
			return err
		}
		switch c, err := f.next(); {
		case err != nil || c == ']':
			return f.last(err)
		case c != ',':
			return f.invalid(f.in.pos, "want ',' or ']' after an element")
		}
		f.in.pos++
		if _, err := f.next(); err != nil {
			return err
		}
	}
}

// next returns the next byte that is no white space, and leaves it unread.
func (f *Flattener) next() (byte, error) {
	more, err := f.in.space()
	if err == nil && !more {
		err = f.invalid(f.in.pos, "want ',' or ']'")
	}
	return f.in.buf[f.in.pos], err
}

// last reads the ']' of the array, after which only white space may follow.
func (f *Flattener) last(err error) error {
	if err != nil {
		return err
	}
	f.in.pos++
	more, err := f.in.space()
	if err == nil && more {
		err = f.invalid(f.in.pos, "want nothing after the array")
	}
	return err
}

// element reads one object of the top level and writes its row.
func (f *Flattener) element(out io.Writer, each func([]byte)) error {
	in := &f.in
	if in.buf[in.pos] != '{' {
		return f.notObject()
	}
	f.nextID()
	for {
		f.beginRow()
		end := f.object(in.pos+1, f.tree.root, 1)
		goesOn := end < 0 && f.why.pos >= in.end && !in.eof
		switch {
		case end >= 0 && end-in.pos <= f.limits.RowBytes:
			if err := f.endRow(out, each); err != nil {
				return err
			}
			in.pos = end
			return nil
		case end >= 0 || goesOn && in.end-in.pos > f.limits.RowBytes:
			return f.tooLarge()
		case !goesOn:
			return f.failed()
		}
		// The row goes on past what is in memory: read more and parse it again from its start.
		f.undoRow()
		if err := in.fill(in.pos); err != nil {
			return err
		}
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
