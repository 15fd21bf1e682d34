package ndjson

import (
	"bytes"
	"io"
)

// Only gives the lines of r that are for the table of that name, without their tags; for the name "" those that have no
// tag. Lines may be of any length. A last line without an end is given too, also when so little of it is there that it
// may be any table's: whoever reads on notices.
func Only(r io.Reader, table string) io.Reader {
	o := &only{r: r, buf: make([]byte, chunkSize), head: []byte(tagHead)}
	if table != "" {
		o.tagged = true
		o.head = append(append(o.head, table...), `",`...)
	}
	return o
}

type only struct {
	r      io.Reader
	tagged bool   // the lines that begin with head are given, else the others
	head   []byte // a tag, or how each begins
	buf    []byte
	pos    int    // what is looked at
	end    int    // what is in memory
	inside bool   // pos is in the middle of a line
	given  bool   // that line is given
	run    []byte // what is given next, of buf[:pos]
	err    error  // of r, which is read no more
}

// Read fills p as far as what is in memory goes, and reads on only when that is nothing.
func (o *only) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(o.run) == 0 && !o.next() {
			if n > 0 || o.err != nil {
				break
			}
			o.fill()
			continue
		}
		k := copy(p[n:], o.run)
		o.run = o.run[k:]
		n += k
	}
	if n == 0 && len(p) > 0 {
		return 0, o.err
	}
	return n, nil
}

// fill reads more into memory, when nothing in it is to be given.
func (o *only) fill() {
	o.end = copy(o.buf, o.buf[o.pos:o.end])
	o.pos = 0
	var n int
	n, o.err = o.r.Read(o.buf[o.end:])
	o.end += n
}

// next makes a run of the lines in memory that are given and follow each other. It reports false when there are none.
func (o *only) next() bool {
	from := o.pos
	for o.pos < o.end {
		cut := 0
		if line := o.buf[o.pos:o.end]; !o.inside {
			given := bytes.HasPrefix(line, o.head) == o.tagged
			if len(line) < len(o.head) && bytes.HasPrefix(o.head, line) {
				if o.err == nil {
					break // more of it will tell
				}
				given = true
			} else if given && o.tagged {
				cut = len(o.head) - 1
			}
			if (!given || cut > 0) && from < o.pos {
				break // this line is looked at again when what is before it is gone
			}
			o.given = given
		}
		o.pos += cut
		if cut > 0 {
			o.buf[o.pos] = '{' // in place of the comma after the tag
			from = o.pos
		}
		o.line()
		if !o.given {
			from = o.pos
		}
	}
	o.run = o.buf[from:o.pos]
	return len(o.run) > 0
}

// line goes to the next line, or to the end of what is in memory.
func (o *only) line() {
	end := bytes.IndexByte(o.buf[o.pos:o.end], '\n')
	o.inside = end < 0
	if o.inside {
		o.pos = o.end
		return
	}
	o.pos += end + 1
}
