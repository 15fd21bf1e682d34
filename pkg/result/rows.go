package result

import (
	"fmt"
	"io"
	"math"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// Rows is a Writer that encodes an answer as rows for a table: in the canonical NDJSON that package flatten writes and
// package ndjson reads, with the exact value of each cell. NULL is left out. A row has an id of its own, or that of the
// answer's column __row_id, unless its values are nested: those are kept in __rescued, as in rows that come as JSON. What the
// answer has in __rescued stays there; its __batch_file goes, as rows get another.
type Rows struct {
	w    io.Writer
	ids  *rowid.Source
	most int // bytes that a row may have

	block   rowid.Block
	width   int // columns of the answer
	plain   []rowColumn
	id      *rowColumn // the answer's ids, nil when it has none
	rescued []rowColumn
	seen    []schema.Seen

	buf   []byte
	sent  int64 // bytes
	count int64
}

// rowColumn is a column of the answer.
type rowColumn struct {
	at      int  // among the answer's columns
	members bool // its values are objects of rescued values
	column
}

// NewRows returns a Rows that writes to w. A row may have most bytes.
func NewRows(w io.Writer, ids *rowid.Source, most int) *Rows {
	return &Rows{w: w, ids: ids, most: most}
}

// Seen gives the columns, once Begin was called.
func (r *Rows) Seen() []schema.Seen { return r.seen }

// Count tells how many rows were encoded, and their bytes.
func (r *Rows) Count() (rows, bytes int64) { return r.count, r.sent + int64(len(r.buf)) }

// Begin implements Writer.
func (r *Rows) Begin(cols []vector.Field) error {
	r.width = len(cols)
	for i, name := range unique(cols) {
		c, err := notation{exact: true}.cell(cols[i].Type)
		if err != nil {
			return fmt.Errorf("encode column %q: %w", name, err)
		}
		r.add(name, cols[i].Type, rowColumn{at: i, column: column{before: rowKey(name), cell: c}})
	}
	return nil
}

// add finds the place of a column.
func (r *Rows) add(name string, t vector.Type, c rowColumn) {
	switch name {
	case schema.BatchFile:
	case schema.RowID, schema.Rescued, schema.TableTag, schema.Insert:
		if name == schema.RowID && schema.KindFor(t) != schema.Nested {
			r.id = &c
			return
		}
		c.members = name == schema.Rescued
		if len(r.rescued) == 0 {
			r.seen = append(r.seen, schema.Seen{Name: schema.Rescued, Kinds: schema.Kinds(0).With(schema.Text)})
		}
		r.rescued = append(r.rescued, c)
	default:
		r.plain = append(r.plain, c)
		r.seen = append(r.seen, schema.Seen{Name: name, Kinds: schema.Kinds(0).With(schema.KindFor(t)), Type: &t})
	}
}

func rowKey(name string) string {
	return string(append(appendJSONString([]byte{','}, name), ':'))
}

// Write implements Writer.
func (r *Rows) Write(b *vector.Batch) error {
	_, err := r.WriteUpTo(b, 0, math.MaxInt64, math.MaxInt64)
	return err
}

// WriteUpTo encodes rows of b, from row from on, until there are that many rows or bytes in all. It gives the first row that
// it left.
func (r *Rows) WriteUpTo(b *vector.Batch, from int, rows, bytes int64) (next int, err error) {
	if len(b.Cols) != r.width {
		return from, fmt.Errorf("encode rows: the batch has %d columns, the answer has %d", len(b.Cols), r.width)
	}
	for next = from; next < b.Rows && r.count < rows && r.sent+int64(len(r.buf)) < bytes; next++ {
		start := len(r.buf)
		r.row(b.Cols, next)
		if size := len(r.buf) - start; size > r.most {
			return next, fault.New(fault.Unprocessable, "row_too_large", "row %d has %d bytes, %d are allowed", r.count+1, size, r.most)
		}
		r.count++
		if len(r.buf) >= flushAt {
			if err := r.End(); err != nil {
				return next, err
			}
		}
	}
	return next, nil
}

// End implements Writer: it writes what was kept back. More rows may follow.
func (r *Rows) End() error {
	if len(r.buf) == 0 {
		return nil
	}
	n, err := r.w.Write(r.buf)
	if err == nil && n < len(r.buf) {
		err = io.ErrShortWrite
	}
	r.sent += int64(n)
	r.buf = r.buf[:0]
	if cap(r.buf) > keepCap {
		r.buf = nil
	}
	return err
}

func (r *Rows) row(vecs []*vector.Vector, i int) {
	r.buf = append(r.buf, `{"`+schema.RowID+`":"`...)
	r.rowID(vecs, i)
	r.buf = append(r.buf, '"')
	for k := range r.plain {
		c := &r.plain[k]
		if v := vecs[c.at]; !v.IsNull(i) {
			r.buf = c.cell(append(r.buf, c.before...), v, i)
		}
	}
	r.keepRescued(vecs, i)
	r.buf = append(r.buf, "}\n"...)
}

// idBlock is how many ids are reserved at a time.
const idBlock = 4096

// rowID appends the row's id: what the answer's text or number says inside its quotes, else a fresh one.
func (r *Rows) rowID(vecs []*vector.Vector, i int) {
	if r.id != nil && !vecs[r.id.at].IsNull(i) {
		from := len(r.buf)
		r.buf = r.id.cell(r.buf, vecs[r.id.at], i)
		if id := r.buf[from:]; id[0] == '"' {
			r.buf = append(r.buf[:from], id[1:len(id)-1]...)
		}
		if len(r.buf) > from {
			return
		}
	}
	if r.block.Left() == 0 {
		r.block = r.ids.Block(idBlock)
	}
	r.buf = r.block.Append(r.buf)
}

// keepRescued appends the row's rescued values: the members of what the answer has in __rescued, and one for each column
// whose name rows use themselves on their way.
func (r *Rows) keepRescued(vecs []*vector.Vector, i int) {
	const head = `,"` + schema.Rescued + `":`
	start := len(r.buf)
	for k := range r.rescued {
		c := &r.rescued[k]
		v := vecs[c.at]
		if v.IsNull(i) {
			continue
		}
		if len(r.buf) == start {
			r.buf = append(r.buf, head...)
		}
		from := len(r.buf)
		if !c.members || !r.appendMembers(v, i) {
			r.buf = c.cell(append(r.buf, c.before...), v, i)
		}
		if len(r.buf) > from && from == start+len(head) {
			r.buf[from] = '{' // in place of the comma
		}
	}
	switch len(r.buf) {
	case start:
	case start + len(head):
		r.buf = r.buf[:start]
	default:
		r.buf = append(r.buf, '}')
	}
}

// appendMembers appends a comma and what is inside the object that v's text in row i is, nothing if that is empty. It
// reports false, and appends nothing, when the text is no object.
func (r *Rows) appendMembers(v *vector.Vector, i int) bool {
	if v.Type.Kind != vector.Text && v.Type.Kind != vector.JSON {
		return false
	}
	from := len(r.buf)
	r.buf = appendCompactJSON(append(r.buf, ','), v.Texts[i])
	object := r.buf[from+1:]
	switch {
	case object[0] != '{':
		r.buf = r.buf[:from]
		return false
	case len(object) == len("{}"):
		r.buf = r.buf[:from]
	default:
		r.buf = append(r.buf[:from+1], object[1:len(object)-1]...)
	}
	return true
}
