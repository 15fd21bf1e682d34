// Package ndjson reads canonical rows, one JSON object a line, as package flatten writes them.
package ndjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// ErrNoRescued says that a value must be rescued and the columns have no __rescued to keep it.
var ErrNoRescued = errors.New("a value has no place and there is no column " + schema.Rescued)

// Options say how rows meet a table's columns.
type Options struct {
	BatchID string // goes into the column __batch_file
	Cap     int    // most keys that are remembered; 0 means 2000. More are read, but slower
	// Name gives the column that a key is for, Fold the form in which the database compares columns' names. nil leaves
	// the text as it is.
	Name, Fold func(string) string
	// Foreign gives the way in which values are read for a column of the kind Foreign. nil, or one that it gives nil for,
	// leaves them as their JSON text.
	Foreign func(c schema.Column) Converter
}

// Converter appends to dst what the database takes for a JSON value that is not null, whatever that is, and reports false
// when it would lose something. raw is the value as it is in the row; of a string, text is what it means.
type Converter func(dst, raw, text []byte, isText bool) ([]byte, bool)

// Decoder reads rows into a table's columns. What a column holds without loss is converted; of anything else the column
// gets the zero value and __rescued the original. A key without a column goes to __rescued as well, and so does the
// second value of a row for the same column. A row id's ULID becomes its rowid.Int63 in an integer column. The member
// __insert is not looked at. Not for concurrent use.
type Decoder struct {
	in      input
	shape   *shape
	members members
	rescued rescuer
	scratch []byte // for a text without its escapes
	batch   *Batch // that is filled at the moment
	rows    int64
	err     error // of an earlier Next
}

// NewDecoder returns a Decoder of the rows of r for the columns cols, which are those that can be written, in the
// table's order.
func NewDecoder(r io.Reader, cols []schema.Column, o Options) *Decoder {
	if o.Name == nil {
		o.Name = func(key string) string { return key }
	}
	if o.Fold == nil {
		o.Fold = func(name string) string { return name }
	}
	if o.Cap <= 0 {
		o.Cap = 2000
	}
	s := newShape(cols, o)
	return &Decoder{in: input{r: r}, shape: s, members: newMembers(s, o), rescued: newRescuer(s.reasonOf)}
}

// Rows is how many rows were read so far.
func (d *Decoder) Rows() int64 { return d.rows }

// Rescued is how many values went to __rescued so far, those among them that were rescued before the rows came here.
func (d *Decoder) Rescued() int64 { return d.rescued.why.Total() }

// Why counts the rescued values by reason. Rows do not say why a value was rescued before they came here: its name does,
// as good as that goes.
func (d *Decoder) Why() schema.Rescues { return d.rescued.why }

// Next fills b with up to limit rows, at least one, fewer than limit if they take much memory; io.EOF when none is left.
// It uses b's memory again, so what b held before is gone. After any other error b holds nothing, and all further calls
// fail.
func (d *Decoder) Next(b *Batch, limit int) error {
	b.begin(d.shape)
	d.batch = b
	if d.err == nil {
		d.err = d.fill(b, max(1, min(limit, d.shape.maxRows)))
	}
	if d.err != nil && (d.err != io.EOF || b.Rows == 0) {
		b.Rows = 0
		b.finish()
		return d.err
	}
	b.finish()
	return nil
}

// fill reads rows until b is full or none is left, which is io.EOF.
func (d *Decoder) fill(b *Batch, limit int) error {
	in := &d.in
	in.start(b)
	defer in.stop()
	for b.Rows < limit && in.taken < maxBatch {
		if in.pos == in.end {
			if err := in.more(b); err != nil {
				return d.wrap(err)
			}
		}
		next, err := d.row(b, in.buf, in.pos)
		if err != nil {
			return d.wrap(err)
		}
		in.taken += next - in.pos
		in.pos = next
		b.Rows++
		d.rows++
	}
	return nil
}

func (d *Decoder) wrap(err error) error {
	if err == io.EOF {
		return err
	}
	return fmt.Errorf("read rows, line %d: %w", d.rows+1, err)
}

var (
	errRow  = errors.New("it is not a canonical row")
	errTorn = errors.New("it has no end")
	errLong = fmt.Errorf("it has more than %d bytes", maxLine)
)

// row reads the row at pos and returns the position of the next one.
func (d *Decoder) row(b *Batch, buf []byte, pos int) (int, error) {
	if b.Rows == b.room {
		b.grow()
	}
	if buf[pos] != '{' {
		return 0, errRow
	}
	pos++
	m := &d.members.start
	for buf[pos] != '}' {
		if m = d.members.after(m, buf, pos); m == nil {
			return 0, errRow
		}
		if pos = d.value(b, m, buf, pos+len(m.head)); pos < 0 {
			return 0, errRow
		}
		if buf[pos] == ',' && buf[pos+1] == '"' {
			pos++
		} else if buf[pos] != '}' {
			return 0, errRow
		}
	}
	next, _ := lineEnd(buf, pos+1)
	if next < 0 {
		return 0, errRow
	}
	if d.rescued.any() {
		return next, d.rescued.store(b)
	}
	return next, nil
}

// value reads the value at pos, which m names, and returns the position after it, or -1.
func (d *Decoder) value(b *Batch, m *member, buf []byte, pos int) int {
	if m.op < opRescue {
		if c, row := &b.columns[m.column], b.Rows; c.take(row) {
			switch m.op {
			case opText:
				if buf[pos] == '"' {
					return textValue(c, row, buf, pos)
				}
			case opInt:
				if x, end := quickInt(buf, pos); end > 0 && c.spec.low <= x && x <= c.spec.high {
					c.ints[row] = x
					return end
				}
			case opFloat:
				if f, end := quickFloat(buf, pos); end > 0 {
					c.floats[row] = f
					return end
				}
			case opTimestamp:
				if end := bytes.IndexByte(buf[pos+1:min(pos+40, len(buf))], '"'); buf[pos] == '"' && end > 0 {
					if t, ok := schema.ParseTimestamp(buf[pos+1 : pos+1+end]); ok && c.spec.low <= t && t <= c.spec.high {
						c.ints[row] = t
						return pos + end + 2
					}
				}
			}
			return d.slowValue(c, row, m, buf, pos)
		}
	}
	return d.rescue(m, buf, pos)
}

// textValue reads a string for a text column.
func textValue(c *column, row int, buf []byte, pos int) int {
	end, escaped := scanString(buf, pos+1)
	if end < 0 {
		return -1
	}
	s := buf[pos+1 : end]
	if escaped {
		s = unescape(s[:0], s)
	}
	c.texts[row] = view(s)
	return end + 1
}

// slowValue reads a value that is not as values of its column usually are.
func (d *Decoder) slowValue(c *column, row int, m *member, buf []byte, pos int) int {
	end := skipValue(buf, pos, 0)
	if end < 0 {
		return -1
	}
	raw := buf[pos:end]
	if raw[0] == 'n' { // null, which rows leave out
		c.leave(row)
	} else if !d.convert(c, row, raw) {
		c.zero(row)
		d.rescued.keep(m.key(), raw, schema.Unfit)
	}
	return end
}

// rescue reads a value that no column takes, or one that is not a column's.
func (d *Decoder) rescue(m *member, buf []byte, pos int) int {
	switch m.op {
	case opOwn:
		return d.rescued.readOwn(buf, pos)
	case opInsert:
		return skipInsert(buf, pos)
	}
	end := skipValue(buf, pos, 0)
	if end >= 0 && buf[pos] != 'n' { // null is nothing to keep
		d.rescued.keep(m.key(), buf[pos:end], m.reason)
	}
	return end
}

// skipInsert reads the text of the member __insert, which is a row's last. It returns the position after it, or -1.
func skipInsert(buf []byte, pos int) int {
	if buf[pos] != '"' {
		return -1
	}
	end, _ := scanString(buf, pos+1)
	if end < 0 || buf[end+1] != '}' {
		return -1
	}
	return end + 1
}
