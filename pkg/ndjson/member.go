package ndjson

import (
	"math"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// member is what is known of a key.
type member struct {
	word, mask uint64  // the first 8 bytes of head, and a mask of as many bytes as there are
	tail       string  // of head, the bytes after the first 8
	head       string  // the member up to its value: `"key":`
	next       *member // the one that came after this one last time
	op         op
	reason     schema.Reason // why its value is rescued when no column takes it
	column     int32         // index, unless op says that there is none
}

// key returns the key as rows spell it.
func (m *member) key() string { return m.head[1 : len(m.head)-2] }

// at reports whether m's head is at pos.
func (m *member) at(buf []byte, pos int) bool {
	if (load(buf, pos)^m.word)&m.mask != 0 {
		return false
	}
	return len(m.tail) == 0 || pos+len(m.head) <= len(buf) && string(buf[pos+8:pos+len(m.head)]) == m.tail
}

// learn sets the key, of which head is the member up to its value.
func (m *member) learn(head []byte) {
	m.head = string(head)
	var b [8]byte
	m.mask = math.MaxUint64 >> (8 * (8 - copy(b[:], head)))
	m.word = load(b[:], 0)
	m.tail = m.head[min(8, len(head)):]
}

// longKey is the longest key that is remembered.
const longKey = 1 << 10

// members knows the keys met so far, and expects each row to be like the one before it.
type members struct {
	known  map[string]*member // by key, as rows spell it
	start  member             // before the first
	extra  member             // the last one that was not remembered
	cap    int
	bind   func(m *member, text string) // finds the place for the values of m, whose key means text
	buffer []byte
}

func newMembers(s *shape, o Options) members {
	ms := members{known: map[string]*member{}, cap: o.Cap + len(s.specs)}
	ms.bind = func(m *member, text string) {
		switch m.key() { // as it is spelled: with escapes it is somebody else's
		case schema.Rescued:
			m.op = opOwn
		case schema.Insert:
			m.op = opInsert
		default:
			m.op, m.column, m.reason = s.place(text)
		}
	}
	return ms
}

// after returns the member whose head is at pos, where prev is the one before it in the row; nil when there is none.
func (ms *members) after(prev *member, buf []byte, pos int) *member {
	m := prev.next
	if m != nil {
		if m.at(buf, pos) {
			return m
		}
		if m = m.next; m != nil && m.at(buf, pos) {
			return m // this row leaves one out
		}
	}
	return ms.search(prev, buf, pos)
}

// search is after for a key that was not expected.
func (ms *members) search(prev *member, buf []byte, pos int) *member {
	if buf[pos] != '"' {
		return nil
	}
	end, escaped := scanString(buf, pos+1)
	if end < 0 || buf[end+1] != ':' {
		return nil
	}
	key := buf[pos+1 : end]
	if m := ms.known[string(key)]; m != nil {
		prev.next = m
		return m
	}
	text := key
	if escaped {
		ms.buffer = unescape(ms.buffer[:0], key)
		text = ms.buffer
	}
	if len(ms.known) >= ms.cap || len(key) > longKey {
		ms.extra.learn(buf[pos : end+2])
		ms.bind(&ms.extra, string(text))
		return &ms.extra
	}
	m := &member{}
	m.learn(buf[pos : end+2])
	ms.bind(m, string(text))
	ms.known[m.key()] = m
	prev.next = m
	return m
}
