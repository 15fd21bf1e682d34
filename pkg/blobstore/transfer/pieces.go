package transfer

import (
	"errors"
	"io"
	"sync"
)

// Pieces lends buffers of one size.
type Pieces struct {
	size int
	pool sync.Pool // of *[]byte
}

// NewPieces returns an empty stock of buffers of size bytes.
func NewPieces(size int) *Pieces {
	return &Pieces{size: size, pool: sync.Pool{New: func() any {
		b := make([]byte, size)
		return &b
	}}}
}

// Get lends a buffer.
func (p *Pieces) Get() []byte { return *p.pool.Get().(*[]byte) }

// Put takes back a buffer, or what was cut from its beginning. One that it has not lent is left to the garbage collector.
func (p *Pieces) Put(b []byte) {
	if cap(b) == p.size {
		b = b[:p.size]
		p.pool.Put(&b)
	}
}

// ErrEnd says that a reader has come to its end. It is not io.EOF, so that no failure of the reader's own looks like it.
var ErrEnd = errors.New("end")

// Fill reads until buf is full, or gives ErrEnd with what there was. Unlike with io.ReadFull, a reader that fails with
// io.ErrUnexpectedEOF has failed.
func Fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) {
		m, err := r.Read(buf[n:])
		n += m
		switch {
		case err == io.EOF: //nolint:errorlint // a reader that ends says io.EOF itself
			return n, ErrEnd
		case err != nil:
			return n, err
		}
	}
	return n, nil
}
