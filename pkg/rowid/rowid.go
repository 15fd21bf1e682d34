// Package rowid makes the ULIDs that name rows, batches and receipts.
//
// A batch's ULID has 40 zero bits at its end. A receipt is its batch's ULID with those bits filled in: where in the
// batch the insert's rows begin (24 bits) and how many they are (16 bits). So a receipt needs no record of its own: its
// first 18 characters name the batch.
package rowid

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// Len is the length of a ULID's text.
const Len = ulid.EncodedSize

// MaxFirst is the highest first row that a receipt can hold; a batch must not have more rows from small inserts.
const MaxFirst = 1<<24 - 1

// WholeBatch as a receipt's count says that the insert is the whole batch, however many rows it has.
const WholeBatch = 1<<16 - 1

// Source makes ULIDs that rise, within a process, from one call to the next. Safe for concurrent use.
type Source struct {
	now func() time.Time
	mu  sync.Mutex
	ms  uint64 // guarded by mu, as are hi and lo: the last ULID given
	hi  uint16
	lo  uint64
}

// NewSource returns a source that reads the time from time.Now.
func NewSource() *Source { return &Source{now: time.Now} }

// Block is a run of ULIDs that no other block has.
type Block struct {
	text [Len]byte
	left int
}

// Block reserves n consecutive ULIDs, all above those of earlier blocks.
func (s *Source) Block(n int) Block {
	s.mu.Lock()
	defer s.mu.Unlock()
	lo := s.reserve(uint64(n)) + 1
	return Block{text: encode(s.ms, s.hi, lo), left: n}
}

// reserve takes the next n numbers and gives the last one that was taken before. The caller holds mu.
func (s *Source) reserve(n uint64) (before uint64) {
	if ms := ulid.Timestamp(s.now()); ms > s.ms {
		s.ms = ms
		s.reseed()
	}
	if s.lo+n < s.lo { // the low 64 bits are used up: the next millisecond starts anew
		s.ms++
		s.reseed()
	}
	before = s.lo
	s.lo += n
	return before
}

// reseed draws new entropy and leaves the top bit clear, so that a millisecond has room for 2^63 ids.
func (s *Source) reseed() {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails: see crypto/rand
	s.hi = binary.BigEndian.Uint16(b[:2])
	s.lo = binary.BigEndian.Uint64(b[2:]) >> 1
}

// Left says how many ULIDs the block still has.
func (b *Block) Left() int { return b.left }

// Append appends the next ULID's text to dst. The block must have one left.
func (b *Block) Append(dst []byte) []byte {
	dst = append(dst, b.text[:]...)
	b.left--
	for i := Len - 1; i >= 0; i-- {
		next := successor[b.text[i]]
		b.text[i] = next
		if next != '0' {
			break
		}
	}
	return dst
}

// successor maps each of Crockford's digits to the next, the last to the first.
var successor = func() (t [256]byte) {
	const digits = ulid.Encoding
	for i := range digits {
		t[digits[i]] = digits[(i+1)%len(digits)]
	}
	return t
}()

// New returns one ULID's text.
func (s *Source) New() string {
	b := s.Block(1)
	return string(b.Append(nil))
}

// Batch returns a new batch's ULID text; its last 40 bits are zero.
func (s *Source) Batch() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reserve(1 << 40) // distinct from every batch of this millisecond, and above every id given so far
	text := encode(s.ms, s.hi, s.lo&^(1<<40-1))
	return string(text[:])
}

func encode(ms uint64, hi uint16, lo uint64) (text [Len]byte) {
	var id ulid.ULID
	_ = id.SetTime(ms) // fails after the year 10889
	binary.BigEndian.PutUint16(id[6:], hi)
	binary.BigEndian.PutUint64(id[8:], lo)
	_ = id.MarshalTextTo(text[:]) // fails only on a short buffer
	return text
}

// Receipt returns the receipt of count rows that begin at row first of batch. A count that does not fit becomes
// WholeBatch.
func Receipt(batch string, first, count int) string {
	id, err := ulid.ParseStrict(batch)
	if err != nil || first > MaxFirst {
		return batch
	}
	if count >= WholeBatch {
		count = WholeBatch
	}
	lo := binary.BigEndian.Uint64(id[8:])&^(1<<40-1) | uint64(first)<<16 | uint64(count)
	binary.BigEndian.PutUint64(id[8:], lo)
	return id.String()
}

// ParseReceipt gives a receipt's batch, the first of its rows, and their count.
func ParseReceipt(receipt string) (batch string, first, count int, err error) {
	id, perr := ulid.ParseStrict(receipt)
	if perr != nil {
		return "", 0, 0, fault.New(fault.Invalid, "bad_receipt", "receipt %.40q is not a ULID", receipt)
	}
	lo := binary.BigEndian.Uint64(id[8:])
	first, count = int(lo>>16&MaxFirst), int(lo&WholeBatch)
	binary.BigEndian.PutUint64(id[8:], lo&^(1<<40-1))
	return id.String(), first, count, nil
}
