package rowid

import (
	"strings"
	"testing"
	"time"
)

func TestInt63(t *testing.T) {
	for _, tt := range []struct {
		id   string
		want int64 // -1 when it is not ok
	}{
		{"00000000000000000000000000", 0},
		{"00000000010000000000000000", 1 << 21},
		{"00000000000000000000000001", 1},
		{"00000000000000000000001ZZZ", 1<<16 - 1},
		{"0000000000000000000000ZZZZ", 1<<20 - 1},
		{"000000000000000000000" + "1ZZZZ", 1<<21 - 1},
		{"000000000000000000000" + "20000", 0}, // the bit above
		{"0000000000ZZZZZZZZZZZ00000", 0},
		{"01J0000000ZZZZZZZZZZZ00001", 1_717_986_918_400<<21 | 1},
		{"01j0000000zzzzzzzzzzz00001", 1_717_986_918_400<<21 | 1},
		{"03ZZZZZZZZZZZZZZZZZZZZZZZZ", 1<<63 - 1},
		{"0400000000ZZZZZZZZZZZZZZZZ", -1},
		{"7ZZZZZZZZZZZZZZZZZZZZZZZZZ", -1},
		{"80000000000000000000000000", -1},
		{"0000000000000000000000000", -1},
		{"000000000000000000000000000", -1},
		{"0000000000000000000000000U", -1},
		{strings.Repeat("é", 13), -1},
		{"", -1},
	} {
		got, ok := Int63(tt.id)
		if ok != (tt.want >= 0) || ok && got != tt.want || !ok && got != 0 {
			t.Errorf("Int63(%q) got %d, %t, want %d", tt.id, got, ok, tt.want)
		}
	}
}

// A millisecond's ids are others, and after them come greater ones.
func TestInt63IsUnique(t *testing.T) {
	s := NewSource()
	at := time.UnixMilli(1_800_000_000_000)
	s.now = func() time.Time { return at }
	const most = 1 << 21
	seen := make([]bool, most)
	block := s.Block(most)
	var text []byte
	for range most {
		text = block.Append(text[:0])
		n, ok := Int63(string(text))
		if !ok || n>>21 != at.UnixMilli() || seen[n&(most-1)] {
			t.Fatalf("%s got %d, %t: not of this millisecond, or there already", text, n, ok)
		}
		seen[n&(most-1)] = true
	}
	last, _ := Int63(string(text))
	at = at.Add(time.Millisecond)
	if next, ok := Int63(s.New()); !ok || next <= last {
		t.Errorf("a millisecond later got %d, want more than %d", next, last)
	}
}

func TestInt63NeedsNoMemory(t *testing.T) {
	id := NewSource().New()
	if got := testing.AllocsPerRun(100, func() { Int63(id) }); got != 0 {
		t.Errorf("got %v allocations, want none", got)
	}
}
