package flatten

import (
	"bytes"
	"fmt"
	"io"
)

// pad is how many zero bytes follow the input in memory. A zero byte is valid nowhere in JSON, so that it stops every
// scan, and the scans may read words past the end.
const pad = 32

// maxEmptyReads is how often a reader may give neither bytes nor an error before it counts as broken.
const maxEmptyReads = 100

// input is the part of a body that is in memory.
type input struct {
	r     io.Reader
	size  int    // first size of the buffer
	most  int    // its last, more than the longest row
	mem   []byte // the buffer
	buf   []byte // mem[:end+pad]
	pos   int    // what is before it was read
	end   int    // the body's bytes are buf[:end]
	off   int64  // offset in the body of buf[0]
	lines int64  // line feeds in the body before buf[0]
	array bool   // the body is an array
	eof   bool   // nothing follows buf[:end]
}

func (in *input) begin(r io.Reader) {
	if len(in.mem) == 0 {
		in.mem = make([]byte, in.size+pad)
	}
	*in = input{r: r, size: in.size, most: in.most, mem: in.mem, buf: in.mem[:pad]}
	clear(in.buf)
}

// done lets go of the reader, and of a buffer that only unusual rows need.
func (in *input) done() {
	in.r = nil
	if len(in.mem) > keepSize+pad {
		in.mem, in.buf = nil, nil
	}
}

// fill drops what is before keep and reads until the buffer is full or the body ends. The buffer grows when the rest
// takes more than half of it, so that a long row is parsed again only after as many new bytes, or when it is whole.
func (in *input) fill(keep int) error {
	rest := in.buf[keep:in.end]
	if !in.array {
		in.lines += int64(bytes.Count(in.buf[:keep], []byte{'\n'}))
	}
	in.off += int64(keep)
	mem := in.mem
	if room := len(mem) - pad; len(rest) > room/2 && room < in.most {
		mem = make([]byte, min(2*room, in.most)+pad)
	} else if in.off > 0 && room == firstRead {
		mem = make([]byte, laterRead+pad)
	}
	in.end = copy(mem, rest)
	in.pos -= keep
	in.mem = mem
	err := in.read()
	in.buf = mem[:in.end+pad]
	clear(in.buf[in.end:])
	return err
}

// read fills mem from end on.
func (in *input) read() error {
	free := in.mem[:len(in.mem)-pad]
	for empty := 0; in.end < len(free); {
		n, err := in.r.Read(free[in.end:])
		in.end += n
		if err == io.EOF {
			in.eof = true
			return nil
		}
		if err == nil && n == 0 {
			if empty++; empty == maxEmptyReads {
				err = io.ErrNoProgress
			}
		}
		if err != nil {
			return fmt.Errorf("read the body: %w", err)
		}
	}
	return nil
}

// skipMark skips the byte order mark that a body may begin with.
func (in *input) skipMark() {
	if bytes.HasPrefix(in.buf, []byte("\xef\xbb\xbf")) {
		in.pos += 3
	}
}

// space moves pos to the next byte that is no white space, and reports whether there is one.
func (in *input) space() (bool, error) {
	for {
		in.pos = skipSpace(in.buf, in.pos)
		if in.pos < in.end {
			return true, nil
		}
		if in.eof {
			return false, nil
		}
		if err := in.fill(in.pos); err != nil {
			return false, err
		}
	}
}
