package ingest

import (
	"slices"
	"sync"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// chunkSize is how rows of an insert in progress are kept in memory.
const chunkSize = 64 << 10

// gatherBelow is the size below which inserts are copied together, so that a group of small ones is one write.
const gatherBelow = 32 << 10

// chunks are reused: their number is bounded by the memory that inserts may have.
var chunks = sync.Pool{New: func() any {
	b := make([]byte, 0, chunkSize)
	return &b
}}

// segments are bytes to be written, in order.
type segments struct {
	list []*[]byte // each from chunks
}

// take moves r's rows to the end.
func (s *segments) take(r *request) {
	if r.size <= gatherBelow && len(s.list) > 0 {
		last := s.list[len(s.list)-1]
		if len(*last)+int(r.size) <= cap(*last) {
			for _, c := range r.rows.list {
				*last = append(*last, *c...)
			}
			r.rows.release()
			return
		}
	}
	s.list = append(s.list, r.rows.list...)
	r.rows.list = nil
}

// add copies p to the end.
func (s *segments) add(p []byte) {
	for len(p) > 0 {
		if len(s.list) == 0 || len(*s.list[len(s.list)-1]) == cap(*s.list[len(s.list)-1]) {
			s.list = append(s.list, chunks.Get().(*[]byte))
		}
		last := s.list[len(s.list)-1]
		n := min(len(p), cap(*last)-len(*last))
		*last = append(*last, p[:n]...)
		p = p[n:]
	}
}

const (
	rowEnd    = "}\n"
	insertEnd = "} \n" // the commit mark: a space before the newline of an insert's last row
)

// mark puts the commit mark into the last row, and with an idempotency key that too.
func (s *segments) mark(keyed *control.KeyedInsert) {
	if keyed != nil {
		s.cut(len(rowEnd))
		s.add(rowMark(keyed))
		return
	}
	last := s.list[len(s.list)-1]
	(*last)[len(*last)-1] = ' '
	s.add([]byte{'\n'})
}

// rowMark is the end of the last row of a keyed insert.
func rowMark(keyed *control.KeyedInsert) []byte {
	return []byte(`,"` + schema.Insert + `":"` + markOf(keyed) + `"` + insertEnd)
}

// cut takes n bytes off the end.
func (s *segments) cut(n int) {
	for n > 0 {
		last := s.list[len(s.list)-1]
		m := min(n, len(*last))
		*last = (*last)[:len(*last)-m]
		n -= m
		if len(*last) == 0 {
			chunks.Put(last)
			s.list = s.list[:len(s.list)-1]
		}
	}
}

func (s *segments) bytes() (n int64) {
	for _, c := range s.list {
		n += int64(len(*c))
	}
	return n
}

func (s *segments) write(f interface{ Write([]byte) (int, error) }) error {
	for _, c := range s.list {
		if _, err := f.Write(*c); err != nil {
			return err
		}
	}
	return nil
}

// release gives the memory back.
func (s *segments) release() {
	for _, c := range s.list {
		*c = (*c)[:0]
		chunks.Put(c)
	}
	s.list = slices.Delete(s.list, 0, len(s.list))
}
