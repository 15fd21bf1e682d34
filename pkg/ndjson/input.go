package ndjson

import (
	"bytes"
	"io"
)

// Sizes.
const (
	chunkSize = 256 << 10 // how much is read at a time
	keepSize  = 4 << 20   // a larger chunk, made for a long row, is not kept
	maxBatch  = 8 << 20   // a batch with this many bytes of rows is full
	maxLine   = 256 << 20 // a longer line is no row
)

// input reads whole lines into chunks.
type input struct {
	r     io.Reader
	buf   []byte // the chunk at hand, its padding included
	pos   int    // what is read
	end   int    // whole lines end here; the line before it ends with '\n'
	fill  int    // what is in memory
	taken int    // bytes of rows since start
	rest  []byte // what was in memory and not read when the last batch was full
	eof   bool
}

// start begins a batch.
func (in *input) start(b *Batch) {
	in.taken = 0
	in.buf = b.chunk(len(in.rest) + padding)
	in.fill = copy(in.buf, in.rest)
	in.rest = in.rest[:0]
	in.pos = 0
	in.end = bytes.LastIndexByte(in.buf[:in.fill], '\n') + 1
}

// stop ends the batch. Its chunks are its own from now on, so what it did not read is copied.
func (in *input) stop() {
	in.rest = append(in.rest[:0], in.buf[in.pos:in.fill]...)
	in.buf = nil
}

// more reads on, all lines being read, until there is one more. Without one it returns io.EOF.
func (in *input) more(b *Batch) error {
	if in.pos > 0 { // the chunk stays, as texts may point to it: what is left of it moves to the next
		part := in.buf[in.pos:in.fill]
		in.buf = b.chunk(len(part) + padding)
		in.fill = copy(in.buf, part)
		in.pos, in.end = 0, 0
	}
	for in.end == 0 {
		if in.fill+padding == len(in.buf) {
			if err := checkLong(in.buf[:in.fill]); err != nil {
				return err
			}
			in.buf = b.growChunk(in.buf[:in.fill])
		}
		if in.eof {
			if in.fill > 0 {
				return errTorn
			}
			return io.EOF
		}
		from := in.fill
		if err := in.read(); err != nil {
			return err
		}
		in.end = from + bytes.LastIndexByte(in.buf[from:in.fill], '\n') + 1
		if in.end == from {
			in.end = 0
		}
	}
	return nil
}

// read reads until the chunk is full or the input ends. It does not by io.ReadFull, to which an input that says
// io.ErrUnexpectedEOF, as the body of an answer does that is cut, has ended.
func (in *input) read() error {
	room := in.buf[:len(in.buf)-padding]
	for in.fill < len(room) && !in.eof {
		n, err := in.r.Read(room[in.fill:])
		in.fill += n
		if in.eof = err == io.EOF; err != nil && !in.eof {
			return err
		}
	}
	return nil
}

// checkLong says why a line that begins with part, which is all that fits into memory so far, can be no row. It keeps
// memory small when a file is filled with something else.
func checkLong(part []byte) error {
	if len(part) > maxLine {
		return errLong
	}
	for _, c := range part {
		if c < ' ' {
			return errRow
		}
	}
	return nil
}
