package ndjson

import (
	"bytes"
	"fmt"
	"io"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Scanned is what Scan found.
type Scanned struct {
	Rows int64
	Seen []schema.Seen // in order of first appearance, without the row id and the rescued values
	Good int64         // bytes up to the end of the last whole insert; Rows and Seen are of these alone
	Size int64         // bytes in all
}

// Scan reads a batch file that may have been cut off anywhere, or hold what a crash left. What comes after Good is an
// insert of which not all arrived, or no rows at all. The error is that of r.
func Scan(r io.Reader) (Scanned, error) { return scan(r, false) }

// ScanReady is Scan for a file in which each row counts, whether or not a mark ends its insert.
func ScanReady(r io.Reader) (Scanned, error) { return scan(r, true) }

func scan(r io.Reader, ready bool) (Scanned, error) {
	s := scanner{in: input{r: r}, known: map[string]*seenKey{}, ready: ready}
	if err := s.run(); err != nil {
		return Scanned{}, fmt.Errorf("scan rows: %w", err)
	}
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		return Scanned{}, fmt.Errorf("scan rows: %w", err)
	}
	s.found.Size = s.base + int64(s.in.fill) + n
	return s.found, nil
}

// seenKey is what is known of a key.
type seenKey struct {
	head    string       // the member up to its value, its comma included: `,"key":`
	index   int          // in Seen, or -1
	pending schema.Kinds // of the rows after the last mark
	next    *seenKey     // the one that came after this one last time
}

// scanner learns what the rows of a file hold.
type scanner struct {
	in      input
	base    int64 // where in the file the chunk at hand begins
	ready   bool
	known   map[string]*seenKey // by head
	start   seenKey             // before the first
	pending []*seenKey          // those with pending kinds, in order of appearance
	rows    int64               // read, those after the last mark included
	found   Scanned
}

// rowHead is how each row begins.
const rowHead = `{"` + schema.RowID + `":"`

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
	}
}

// commit counts what was read as good.
func (s *scanner) commit() {
	s.found.Good = s.base + int64(s.in.pos)
	s.found.Rows = s.rows
	for _, k := range s.pending {
		if k.index < 0 {
			k.index = len(s.found.Seen)
			s.found.Seen = append(s.found.Seen, schema.Seen{Name: s.name(k)})
		}
		s.found.Seen[k.index].Kinds |= k.pending
		k.pending = 0
	}
	s.pending = s.pending[:0]
}

// name gives what the key means.
func (s *scanner) name(k *seenKey) string {
	key := k.head[len(`,"`) : len(k.head)-len(`":`)]
	return string(unescape(nil, []byte(key)))
}

// row reads the row at pos. It returns the position of the next one, or -1, and whether an insert ends here.
func (s *scanner) row(buf []byte, pos int) (next int, mark bool) {
	if !bytes.HasPrefix(buf[pos:], []byte(rowHead)) {
		return -1, false
	}
	end, _ := scanString(buf, pos+len(rowHead))
	if end < 0 {
		return -1, false
	}
	pos = end + 1
	own := false
	for k := &s.start; buf[pos] == ',' && !own; {
		if k = s.after(k, buf, pos); k == nil {
			return -1, false
		}
		pos += len(k.head)
		if own = k.head == ownHead; own && buf[pos] != '{' {
			return -1, false
		}
		var kind schema.Kind
		if pos, kind = scanKind(buf, pos); pos < 0 {
			return -1, false
		}
		if !own {
			s.note(k, kind)
		}
	}
	if buf[pos] != '}' {
		return -1, false
	}
	return lineEnd(buf, pos+1)
}

// ownHead is how the member of rescued values begins, which is a row's last.
const ownHead = `,"` + schema.Rescued + `":`

// note adds a kind to those of k, which count when the insert turns out to be whole.
func (s *scanner) note(k *seenKey, kind schema.Kind) {
	if k.pending == 0 {
		s.pending = append(s.pending, k)
	}
	k.pending = k.pending.With(kind)
}

// after returns the key at pos, where prev is the one before it in the row; nil when there is none.
func (s *scanner) after(prev *seenKey, buf []byte, pos int) *seenKey {
	if k := prev.next; k != nil && pos+len(k.head) <= len(buf) && string(buf[pos:pos+len(k.head)]) == k.head {
		return k
	}
	if buf[pos+1] != '"' {
		return nil
	}
	end, _ := scanString(buf, pos+2)
	if end < 0 || buf[end+1] != ':' {
		return nil
	}
	head := buf[pos : end+2]
	k := s.known[string(head)]
	if k == nil {
		k = &seenKey{head: string(head), index: -1}
		s.known[k.head] = k
	}
	prev.next = k
	return k
}

// scanKind returns the position after the value at pos, or -1, and its kind.
func scanKind(buf []byte, pos int) (end int, kind schema.Kind) {
	switch c := buf[pos]; {
	case c == '"':
		if end, _ = scanString(buf, pos+1); end < 0 {
			return -1, 0
		}
		return end + 1, schema.KindOfString(buf[pos+1 : end])
	case c == '-' || c-'0' <= 9:
		if end, _ = scanNumber(buf, pos); end < 0 {
			return -1, 0
		}
		return end, schema.KindOfNumber(buf[pos:end])
	case c == '{' || c == '[':
		return skipValue(buf, pos, 0), schema.Nested
	case c == 'n':
		return skipValue(buf, pos, 0), schema.Null
	}
	return skipValue(buf, pos, 0), schema.Bool
}
