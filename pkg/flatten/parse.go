package flatten

import (
	"bytes"
	"encoding/binary"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// The parsers below take the position at which to read and return the one after what they read, or a negative one after
// they told fail why.

// object reads the rest of an object whose '{' is before pos: the one at parent.
func (f *Flattener) object(pos int, parent *node, depth int) int {
	buf := f.in.buf
	if buf[pos] <= ' ' {
		pos = skipSpace(buf, pos)
	}
	if buf[pos] == '}' {
		return pos + 1
	}
	guess := &parent.first
	for {
		if buf[pos] != '"' {
			return f.fail(pos, "want a key in quotes")
		}
		n := *guess
		if n != nil && n.matches(buf, pos+1) {
			pos += 1 + len(n.raw)
			guess = &n.next
		} else {
			if pos, n = f.key(pos+1, parent, n, depth); pos < 0 {
				return pos
			}
			if !n.temp { // such a node is another one's soon, and cannot be guessed
				*guess = n
				guess = &n.next
			}
		}
		if buf[pos] <= ' ' {
			pos = skipSpace(buf, pos)
		}
		if pos = f.value(pos, n, depth); pos < 0 {
			return pos
		}
		if buf[pos] <= ' ' {
			pos = skipSpace(buf, pos)
		}
		if buf[pos] != ',' {
			break
		}
		pos++
		if buf[pos] <= ' ' {
			pos = skipSpace(buf, pos)
		}
	}
	if buf[pos] != '}' {
		return f.fail(pos, "want ',' or '}' after a member")
	}
	return pos + 1
}

// matches reports whether n's key and its colon are at pos.
func (n *node) matches(buf []byte, pos int) bool {
	if binary.LittleEndian.Uint64(buf[pos:])&n.mask != n.word {
		return false
	}
	return len(n.raw) <= 8 || bytes.HasPrefix(buf[pos+8:], n.raw[8:])
}

// key reads the rest of a key that began before pos, and its colon. It is called when guess is not the key as written.
func (f *Flattener) key(pos int, parent, guess *node, depth int) (int, *node) {
	end := f.text(pos)
	if end < 0 {
		return end, nil
	}
	buf := f.in.buf
	f.lastKey = span{pos, end - 1}
	raw := buf[pos : end-1]
	end = skipSpace(buf, end)
	if buf[end] != ':' {
		return f.fail(end, "want ':' after a key"), nil
	}
	if guess != nil && bytes.Equal(raw, guess.raw[:len(guess.raw)-2]) {
		return end + 1, guess // only white space before the colon was different
	}
	return end + 1, f.sheet.tree.kid(parent, raw, depth)
}

// array reads the rest of an array whose '[' is before pos: the one at parent.
func (f *Flattener) array(pos int, parent *node, depth int) int {
	buf := f.in.buf
	if buf[pos] <= ' ' {
		pos = skipSpace(buf, pos)
	}
	if buf[pos] == ']' {
		return pos + 1
	}
	for i := 0; ; i++ {
		n := parent
		if !f.outlines {
			n = f.sheet.tree.item(parent, i, depth)
		} else if i >= f.limits.Rows && f.mode == Vertical {
			return f.failAs(manyRows, pos)
		}
		if pos = f.value(pos, n, depth); pos < 0 {
			return pos
		}
		if buf[pos] <= ' ' {
			pos = skipSpace(buf, pos)
		}
		if buf[pos] != ',' {
			break
		}
		pos++
		if buf[pos] <= ' ' {
			pos = skipSpace(buf, pos)
		}
	}
	if buf[pos] != ']' {
		return f.fail(pos, "want ',' or ']' after an element")
	}
	return pos + 1
}

// value reads the value at n, and writes it when it is a scalar.
func (f *Flattener) value(pos int, n *node, depth int) int {
	buf := f.in.buf
	end, k := 0, schema.Text
	switch c := buf[pos]; {
	case c == '"':
		if end = f.text(pos + 1); end-pos >= len(`"2006-01-02"`) && isDigit(buf[pos+1]) {
			k = schema.KindOfString(buf[pos+1 : end-1])
		}
	case isDigit(c) || c == '-':
		end, k = f.number(pos)
	case c == '{' || c == '[':
		return f.nested(pos, n, depth+1)
	default:
		end, k = f.word(pos)
	}
	if end < 0 {
		return end
	}
	if f.outlines {
		return f.note(n, pos, end, k)
	}
	return f.put(n, pos, end, k)
}

// nested reads the object or array at n, of which depth is its own.
func (f *Flattener) nested(pos int, n *node, depth int) int {
	switch {
	case depth > f.limits.Depth:
		return f.failAs(deep, pos)
	case n.reserved || f.mode == None:
		return f.whole(pos, n, depth)
	case f.outlines:
		return f.outline(pos, n, depth)
	case f.in.buf[pos] == '{':
		return f.object(pos+1, n, depth)
	}
	return f.array(pos+1, n, depth)
}

// whole reads the object or array at n as one value, and writes its text without white space.
func (f *Flattener) whole(pos int, n *node, depth int) int {
	f.scratch = f.scratch[:0]
	end := f.compact(pos, depth)
	switch {
	case end < 0:
		return end
	case f.outlines:
		return f.note(n, pos, end, schema.Nested)
	case n.reserved:
		return f.keepNested(n, pos, end)
	}
	return f.putText(n, f.scratch, schema.Nested, pos, end)
}

// word reads true, false or null.
func (f *Flattener) word(pos int) (int, schema.Kind) {
	var w string
	k := schema.Bool
	buf := f.in.buf
	switch buf[pos] {
	case 't':
		w = "true"
	case 'f':
		w = "false"
	case 'n':
		w, k = "null", schema.Null
	default:
		return f.fail(pos, "want a value"), 0
	}
	for i := 1; i < len(w); i++ {
		if buf[pos+i] != w[i] {
			return f.fail(pos+i, "want true, false or null"), 0
		}
	}
	return pos + len(w), k
}

// compact reads the value at pos and appends it to scratch without white space.
func (f *Flattener) compact(pos, depth int) int {
	end, buf := pos, f.in.buf
	switch c := buf[pos]; {
	case c == '"':
		end = f.text(pos + 1)
	case isDigit(c) || c == '-':
		end, _ = f.number(pos)
	case c == '{' || c == '[':
		if depth > f.limits.Depth {
			return f.failAs(deep, pos)
		}
		return f.compactMembers(pos, depth)
	default:
		end, _ = f.word(pos)
	}
	if end >= 0 {
		f.scratch = append(f.scratch, buf[pos:end]...)
	}
	return end
}

// compactMembers does compact's work for an object or array.
func (f *Flattener) compactMembers(pos, depth int) int {
	buf := f.in.buf
	open := buf[pos]
	last := open + 2 // in ASCII, '}' is two after '{', and ']' two after '['
	f.scratch = append(f.scratch, open)
	pos = skipSpace(buf, pos+1)
	for first := true; buf[pos] != last || !first; first = false {
		if open == '{' {
			if pos = f.compactKey(pos); pos < 0 {
				return pos
			}
		}
		if pos = f.compact(pos, depth+1); pos < 0 {
			return pos
		}
		if pos = skipSpace(buf, pos); buf[pos] != ',' {
			break
		}
		f.scratch = append(f.scratch, ',')
		pos = skipSpace(buf, pos+1)
	}
	if buf[pos] != last {
		return f.fail(pos, "want ',' or the end of the object or array")
	}
	f.scratch = append(f.scratch, last)
	return pos + 1
}

// compactKey reads a key and its colon, and appends them to scratch.
func (f *Flattener) compactKey(pos int) int {
	buf := f.in.buf
	if buf[pos] != '"' {
		return f.fail(pos, "want a key in quotes")
	}
	end := f.text(pos + 1)
	if end < 0 {
		return end
	}
	f.scratch = append(append(f.scratch, buf[pos:end]...), ':')
	if end = skipSpace(buf, end); buf[end] != ':' {
		return f.fail(end, "want ':' after a key")
	}
	return skipSpace(buf, end+1)
}
