package ndjson

import (
	"bytes"
	"fmt"
	"io"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Scanned is what Scan found. All but Size is of the bytes up to Good alone.
type Scanned struct {
	Rows  int64         // of all tables
	Seen  []schema.Seen // of rows without a tag; in order of first appearance, without the row id and the rescued values
	Parts []schema.Part // of rows with one, in order of first appearance
	Keyed []KeyedRun    // in order
	Good  int64         // bytes up to the end of the last whole insert
	Size  int64         // bytes in all
}

// KeyedRun is an insert that had an idempotency key.
type KeyedRun struct {
	Mark        string   // the value of its last row's member __insert
	First, Rows int64    // which of the file's rows is its first, counted from 0, and how many it has, of all tables
	RowIDs      []string // of its rows, when Mark ends with '+'; at most 10,000, and fewer if they are very long
}

// Scan reads a batch file that may have been cut off anywhere, or hold what a crash left. What comes after Good is an
// insert of which not all arrived, or no rows at all. The error is that of r.
func Scan(r io.Reader) (Scanned, error) { return scan(r, false) }

// ScanReady is Scan for a file in which each row counts, whether or not a mark ends its insert.
func ScanReady(r io.Reader) (Scanned, error) { return scan(r, true) }

func scan(r io.Reader, ready bool) (Scanned, error) {
	s := scanner{in: input{r: r}, own: newTally(schema.Table{}), parts: map[string]*tally{}, ready: ready}
	if err := s.run(); err != nil {
		return Scanned{}, fmt.Errorf("scan rows: %w", err)
	}
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		return Scanned{}, fmt.Errorf("scan rows: %w", err)
	}
	s.found.Size = s.base + int64(s.in.fill) + n
	s.found.Seen = s.own.seen
	for _, t := range s.listed {
		s.found.Parts = append(s.found.Parts, schema.Part{Table: t.table, Rows: t.good, Seen: t.seen})
	}
	return s.found, nil
}

// scanner learns what the rows of a file hold.
type scanner struct {
	in      input
	base    int64 // where in the file the chunk at hand begins
	ready   bool
	own     *tally            // of rows without a tag
	parts   map[string]*tally // of rows with one, by the table's name
	last    *tally            // of the last row with one
	listed  []*tally          // the parts that have whole inserts, in order of appearance
	touched []*tally          // those with rows after the last mark, in order of appearance
	inserts inserts
	rows    int64 // read, those after the last mark included
	found   Scanned
}

// The heads of a row: without a tag, and with one.
const (
	rowHead = `{"` + schema.RowID + `":"`
	tagHead = `{"` + schema.TableTag + `":"`
)

// run reads lines until one is not a row or the input ends. The error is that of the input.
func (s *scanner) run() error {
	var b Batch
	in := &s.in
	in.start(&b)
	for {
		if in.pos == in.end {
			if in.pos > 0 {
				s.base += int64(in.pos)
				b.used = 0 // nothing points to the chunk
			}
			switch err := in.more(&b); err {
			case nil:
			case io.EOF, errTorn, errLong, errRow:
				return nil
			default:
				return err
			}
		}
		next, mark := s.row(in.buf, in.pos)
		if next < 0 {
			return nil
		}
		in.pos = next
		s.rows++
		if mark || s.ready {
			s.commit()
		}
		if mark || s.ready && s.inserts.mark != nil { // a ready file need not have marks: the member is one too
			s.found.Keyed = s.inserts.end(s.found.Keyed, s.rows)
		}
	}
}

// commit counts what was read as good.
func (s *scanner) commit() {
	s.found.Good = s.base + int64(s.in.pos)
	s.found.Rows = s.rows
	for _, t := range s.touched {
		if t.good == 0 && t != s.own {
			s.listed = append(s.listed, t)
		}
		t.commit()
	}
	s.touched = s.touched[:0]
}

// row reads the row at pos. It returns the position of the next one, or -1, and whether an insert ends here.
func (s *scanner) row(buf []byte, pos int) (next int, mark bool) {
	t := s.own
	if bytes.HasPrefix(buf[pos:], []byte(tagHead)) {
		if t, pos = s.tagged(buf, pos); t == nil {
			return -1, false
		}
	} else if buf[pos] != '{' {
		return -1, false
	}
	// Here is the brace, or the comma after the tag.
	if !bytes.HasPrefix(buf[pos+1:], []byte(rowHead[1:])) {
		return -1, false
	}
	id := pos + len(rowHead)
	end, _ := scanString(buf, id)
	if end < 0 {
		return -1, false
	}
	if pos = s.members(t, buf, end+1); pos < 0 {
		return -1, false
	}
	if next, mark = lineEnd(buf, pos+1); next < 0 {
		return -1, false
	}
	s.inserts.row(buf[id:end])
	if t.rows == t.good {
		s.touched = append(s.touched, t)
	}
	t.rows++
	return next, mark
}

// members reads what follows the row id. It returns the position of the row's last brace, or -1.
func (s *scanner) members(t *tally, buf []byte, pos int) int {
	s.inserts.mark = nil
	last := plainKey
	for k := &t.start; buf[pos] == ','; {
		if k = t.after(k, buf, pos); k == nil || last != plainKey && k.role <= last {
			return -1 // ours are the last ones, in this order
		}
		last = k.role
		value := pos + len(k.head)
		if k.role == ownKey && buf[value] != '{' || k.role == insertKey && buf[value] != '"' {
			return -1
		}
		var kind schema.Kind
		if pos, kind = scanKind(buf, value); pos < 0 {
			return -1
		}
		switch k.role {
		case plainKey:
			t.note(k, kind)
		case insertKey:
			s.inserts.mark = buf[value+1 : pos-1]
		}
	}
	if buf[pos] != '}' {
		return -1
	}
	return pos
}

// tagged reads the tag of the row at pos. It returns its table's tally, nil if that is no table's name, and the position
// of the comma after the tag.
func (s *scanner) tagged(buf []byte, pos int) (*tally, int) {
	from := pos + len(tagHead)
	n := bytes.IndexByte(buf[from:min(from+maxTableName+1, len(buf))], '"')
	if n < 0 || buf[from+n+1] != ',' {
		return nil, 0
	}
	name := buf[from : from+n]
	if s.last == nil || string(name) != s.last.name {
		t := s.parts[string(name)]
		if t == nil {
			table, err := schema.ParseTable(string(name))
			if err != nil {
				return nil, 0
			}
			t = newTally(table)
			s.parts[t.name] = t
		}
		s.last = t
	}
	return s.last, from + n + 1
}

// maxTableName is the longest name of a table, in bytes.
const maxTableName = 2*schema.MaxName + len(".")
