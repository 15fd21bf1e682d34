package ndjson

import (
	"bytes"
	"strconv"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// rescuer collects what a row's columns could not hold.
type rescuer struct {
	why    schema.Rescues
	reason func(name []byte) schema.Reason // of a value in own
	text   []byte                          // of the row at hand: `,"key":value` for each value
	keys   []span                          // where the keys are in text
	own    []byte                          // the row's own object of values that were rescued earlier; nil without one
	taken  map[string]struct{}             // the names in own, while there is something in text too
}

type span struct{ from, to int }

// insertHead is how the member begins that says what is known of an insert's idempotency key.
const insertHead = `,"` + schema.Insert + `":`

func newRescuer(reason func(name []byte) schema.Reason) rescuer {
	return rescuer{reason: reason, taken: map[string]struct{}{}}
}

// any reports whether the row at hand has rescued values.
func (r *rescuer) any() bool { return len(r.text) > 0 || r.own != nil }

// keep rescues a value that the row has under key.
func (r *rescuer) keep(key string, value []byte, why schema.Reason) {
	r.text = append(r.text, `,"`...)
	from := len(r.text)
	r.text = append(r.text, key...)
	r.keys = append(r.keys, span{from, len(r.text)})
	r.text = append(append(r.text, `":`...), value...)
	r.why[why]++
}

// readOwn reads the row's own rescued values, an object at pos and the last member but for __insert. It returns the
// position after it, or -1.
func (r *rescuer) readOwn(buf []byte, pos int) int {
	if buf[pos] != '{' {
		return -1
	}
	end := skipObject(buf, pos, 0, func(name, _ []byte) {
		r.why[r.reason(name)]++
		if len(r.text) > 0 {
			r.taken[view(name)] = struct{}{}
		}
	})
	if end < 0 || buf[end] != '}' && !bytes.HasPrefix(buf[end:], []byte(insertHead)) {
		return -1
	}
	r.own = buf[pos:end]
	return end
}

// store puts the rescued values of b's last row into their column.
func (r *rescuer) store(b *Batch) error {
	if b.shape.rescued < 0 {
		return ErrNoRescued
	}
	c := &b.columns[b.shape.rescued]
	c.take(b.Rows)
	if len(r.text) == 0 {
		c.texts[b.Rows] = view(r.own)
		r.own = nil
		return nil
	}
	from := len(b.rescued)
	if r.own == nil {
		b.rescued = append(append(append(b.rescued, '{'), r.text[1:]...), '}')
	} else {
		b.rescued = r.merge(b.rescued)
	}
	b.spots = append(b.spots, spot{c, b.Rows, from, len(b.rescued)})
	r.text, r.keys, r.own = r.text[:0], r.keys[:0], nil
	return nil
}

// merge appends one object of both sorts of rescued values to dst. A key that is also a name of the row's own becomes
// key#2, or key#3 and so on.
func (r *rescuer) merge(dst []byte) []byte {
	start := len(dst)
	for i, k := range r.keys {
		end := len(r.text)
		if i+1 < len(r.keys) {
			end = r.keys[i+1].from - len(`,"`)
		}
		dst = append(dst, `,"`...)
		from := len(dst)
		dst = append(dst, r.text[k.from:k.to]...)
		for n := int64(2); r.has(dst[from:]); n++ {
			dst = strconv.AppendInt(append(dst[:from+k.to-k.from], '#'), n, 10)
		}
		dst = append(dst, r.text[k.to:end]...)
	}
	dst[start] = '{'
	if len(r.own) > len("{}") {
		dst = append(dst, ',')
	}
	r.forgetNames()
	return append(dst, r.own[1:]...)
}

func (r *rescuer) has(name []byte) bool {
	_, ok := r.taken[string(name)]
	return ok
}

// forgetNames lets go of the names, which are in the memory of a batch.
func (r *rescuer) forgetNames() {
	const many = 4096
	if len(r.taken) > many {
		r.taken = map[string]struct{}{}
	}
	clear(r.taken)
}
