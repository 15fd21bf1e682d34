package result

import (
	"math/bits"
	"unsafe"

	"github.com/scratchdata/scratchdata/pkg/vector"
)

const allOnes = ^uint64(0)

// bitmap is a row of bits, the first one lowest, as arrow has them.
type bitmap struct {
	words []uint64
	n     int // bits
	zeros int // how many of them are 0
}

// put appends the count lowest bits of w, at most 64.
func (b *bitmap) put(w uint64, count int) {
	w &= lowest(count)
	at, shift := b.n>>6, b.n&63
	if shift == 0 {
		b.words = append(b.words, w)
	} else {
		b.words[at] |= w << shift
		if shift+count > 64 {
			b.words = append(b.words, w>>(64-shift))
		}
	}
	b.n += count
	b.zeros += count - bits.OnesCount64(w)
}

// repeat appends count bits that are those of w.
func (b *bitmap) repeat(w uint64, count int) {
	for ; count > 0; count -= 64 {
		b.put(w, min(count, 64))
	}
}

func (b *bitmap) get(i int) bool { return b.words[i>>6]&(1<<(i&63)) != 0 }

// clear makes bit i, which is 1, a 0.
func (b *bitmap) clear(i int) {
	b.words[i>>6] &^= 1 << (i & 63)
	b.zeros++
}

func (b *bitmap) reset() { *b = bitmap{words: b.words[:0]} }

// bytes shows the bits as bytes, for as long as b does not change.
func (b *bitmap) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(b.words))), 8*len(b.words))[:(b.n+7)/8]
}

// lowest has the count lowest bits set.
func lowest(count int) uint64 {
	if count >= 64 {
		return allOnes
	}
	return 1<<count - 1
}

// validAt gives the validity of the rows at, at+1, … of v, the first one lowest: count of them, at most 64.
func validAt(v *vector.Vector, at, count int) uint64 {
	if v.Type.Kind == vector.Null {
		return 0
	}
	if v.Valid == nil {
		return lowest(count)
	}
	w, shift := v.Valid[at>>6], at&63
	if shift > 0 {
		w >>= shift
		if shift+count > 64 {
			w |= v.Valid[at>>6+1] << (64 - shift)
		}
	}
	return w & lowest(count)
}

// boolsAt gives count of bs, at most 64, as bits. A byte of a row that is NULL may be any; it is taken by its lowest bit.
func boolsAt(bs []bool, count int) uint64 {
	raw := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(bs))), count)
	var w uint64
	i := 0
	for ; i+8 <= count; i += 8 {
		// The product moves the lowest bit of byte k to bit 56+k; no two of its terms meet.
		eight := word(stringOf(raw[i:])) & ones * 0x0102040810204080 >> 56
		w |= eight << i
	}
	for ; i < count; i++ {
		w |= uint64(raw[i]&1) << i
	}
	return w
}
