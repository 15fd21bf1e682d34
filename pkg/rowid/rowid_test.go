package rowid

import (
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// at returns a source whose clock stands still, and a function that moves it.
func at(ms int64) (*Source, func(d time.Duration)) {
	now := time.UnixMilli(ms)
	return &Source{now: func() time.Time { return now }}, func(d time.Duration) { now = now.Add(d) }
}

func texts(b Block) (list []string) {
	for b.Left() > 0 {
		list = append(list, string(b.Append(nil)))
	}
	return list
}

func wantRising(t *testing.T, ids []string) {
	t.Helper()
	for i, id := range ids {
		if _, err := ulid.ParseStrict(id); err != nil {
			t.Fatalf("id %d, %q, is no ULID: %v", i, id, err)
		}
		if i > 0 && ids[i-1] >= id {
			t.Fatalf("id %d, %s, is not above the one before it, %s", i, id, ids[i-1])
		}
	}
}

func TestBlocksRise(t *testing.T) {
	for _, tt := range []struct {
		name string
		step time.Duration // of the clock, between blocks
	}{{"clock stands still", 0}, {"clock goes on", time.Millisecond}, {"clock goes back", -time.Second}} {
		t.Run(tt.name, func(t *testing.T) {
			s, move := at(1_700_000_000_000)
			var ids []string
			for i := range 500 {
				b := s.Block(i % 7)
				if b.Left() != i%7 {
					t.Fatalf("got a block of %d, want %d", b.Left(), i%7)
				}
				ids = append(ids, texts(b)...)
				if i%3 == 0 {
					ids = append(ids, s.New())
				}
				move(tt.step)
			}
			wantRising(t, ids)
		})
	}
}

// Consecutive texts are consecutive numbers, also where many digits change at once.
func TestAppendCounts(t *testing.T) {
	for _, lo := range []uint64{0, 30, 31, 1<<10 - 3, 1<<20 - 2, 1<<40 - 2, 1<<60 - 2, 1<<62 - 2, 0x7fff_ffff_ffff_fff0} {
		s, _ := at(1_700_000_000_000)
		s.New() // takes up the clock
		s.lo = lo
		b := s.Block(100)
		for i := range uint64(100) {
			want := encode(s.ms, s.hi, lo+1+i)
			if got := string(b.Append(nil)); got != string(want[:]) {
				t.Fatalf("after %#x: id %d got %s, want %s", lo, i, got, want)
			}
		}
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	s := NewSource()
	b := s.Block(1)
	got := string(b.Append([]byte("x:")))
	if len(got) != 2+Len || got[:2] != "x:" {
		t.Errorf("got %q, want x: and %d characters", got, Len)
	}
}

func TestLowBitsUsedUp(t *testing.T) {
	for _, tt := range []struct {
		name string
		take func(s *Source) []string
	}{
		{"by blocks", func(s *Source) []string { return texts(s.Block(5)) }},
		{"by batches", func(s *Source) []string { return []string{s.Batch()} }},
	} {
		for _, lo := range []uint64{math.MaxUint64, math.MaxUint64 - 1, math.MaxUint64 - 5, math.MaxUint64 - 1<<40, math.MaxUint64 - 1<<40 + 1} {
			t.Run(tt.name, func(t *testing.T) {
				s, _ := at(1_700_000_000_000)
				s.New()
				s.lo = lo - 1
				ids := []string{s.New()}
				for range 3 {
					ids = append(ids, tt.take(s)...)
				}
				wantRising(t, ids)
			})
		}
	}
}

func TestTimeIsTheClocks(t *testing.T) {
	s, move := at(1_700_000_000_000)
	for want := uint64(1_700_000_000_000); want < 1_700_000_000_010; want++ {
		for _, text := range []string{s.New(), s.Batch()} {
			id, err := ulid.ParseStrict(text)
			if err != nil {
				t.Fatal(err)
			}
			if got := id.Time(); got != want {
				t.Errorf("got time %d, want %d", got, want)
			}
		}
		move(time.Millisecond)
	}
}

// Two processes that start in the same millisecond must not give the same ids.
func TestSourcesDiffer(t *testing.T) {
	a, _ := at(1_700_000_000_000)
	b, _ := at(1_700_000_000_000)
	if x, y := a.New(), b.New(); x == y {
		t.Errorf("two sources gave %s", x)
	}
	if x, y := a.Batch(), b.Batch(); x == y {
		t.Errorf("two sources gave the batch %s", x)
	}
}

func TestConcurrentUse(t *testing.T) {
	const workers, rounds, size = 8, 200, 5
	s := NewSource()
	lists := make([][]string, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				lists[w] = append(lists[w], texts(s.Block(size))...)
				if i%2 == 0 {
					lists[w] = append(lists[w], s.Batch())
				}
			}
		})
	}
	wg.Wait()
	for _, list := range lists {
		wantRising(t, list)
	}
	all := slices.Concat(lists...)
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != workers*rounds*size+workers*rounds/2 {
		t.Errorf("got %d different ids of %d", n, len(all))
	}
}

func TestBatchesAndBlocksNeverMeet(t *testing.T) {
	s, move := at(1_700_000_000_000)
	var ids []string
	for i := range 2000 {
		switch i % 5 {
		case 0, 2:
			ids = append(ids, s.Batch())
		case 4:
			move(time.Millisecond * time.Duration(i/5%2))
		default:
			ids = append(ids, texts(s.Block(i%11+1))...)
		}
	}
	wantRising(t, ids)
}

func TestBatchesWithinAMillisecond(t *testing.T) {
	s, _ := at(1_700_000_000_000)
	var ids []string
	for range 10_000 {
		id := s.Batch()
		ids = append(ids, id)
		if id[18:] != "00000000" {
			t.Fatalf("batch %s does not end with 40 zero bits", id)
		}
	}
	wantRising(t, ids)
}

func TestReceipt(t *testing.T) {
	batch := NewSource().Batch()
	for _, tt := range []struct{ first, count, wantFirst, wantCount int }{
		{0, 0, 0, 0},
		{0, 1, 0, 1},
		{1, 1, 1, 1},
		{12345, 678, 12345, 678},
		{MaxFirst, WholeBatch - 1, MaxFirst, WholeBatch - 1},
		{0, WholeBatch, 0, WholeBatch},
		{0, 5_000_000, 0, WholeBatch},
	} {
		receipt := Receipt(batch, tt.first, tt.count)
		for _, text := range []string{receipt, strings.ToLower(receipt)} {
			b, first, count, err := ParseReceipt(text)
			if err != nil || b != batch || first != tt.wantFirst || count != tt.wantCount {
				t.Errorf("Receipt(%d, %d) came back as %s, %d, %d, %v", tt.first, tt.count, b, first, count, err)
			}
		}
		if receipt[:18] != batch[:18] {
			t.Errorf("receipt %s does not begin like its batch %s", receipt, batch)
		}
	}
}

func TestReceiptsOfABatchDiffer(t *testing.T) {
	batch, seen := NewSource().Batch(), map[string]bool{}
	for first := range 1000 {
		for _, count := range []int{1, 2, 65534} {
			seen[Receipt(batch, first, count)] = true
		}
	}
	if len(seen) != 3000 {
		t.Errorf("got %d different receipts, want 3000", len(seen))
	}
}

func TestParseReceiptRefuses(t *testing.T) {
	for _, in := range []string{
		"", "x", "01J", strings.Repeat("0", 25), strings.Repeat("0", 27), strings.Repeat("Z", 26), "8" + strings.Repeat("0", 25),
		strings.Repeat("U", 26), "../../../../etc/passwd0000", strings.Repeat("é", 13), strings.Repeat("x", 10_000),
	} {
		_, _, _, err := ParseReceipt(in)
		if fault.Of(err) != fault.Invalid || fault.CodeOf(err) != "bad_receipt" {
			t.Errorf("ParseReceipt(%.40q) got %v, want bad_receipt", in, err)
		}
		if n := len(fault.TextOf(err)); n == 0 || n > 300 {
			t.Errorf("ParseReceipt(%.40q) got a text of %d bytes", in, n)
		}
	}
}

// FuzzReceipt: what is parsed is, put together again, the same receipt.
func FuzzReceipt(f *testing.F) {
	f.Add("01HF7YAT000000000000000000")
	f.Add("01hf7yat00zzzzzzzzzzzzzzzz")
	f.Fuzz(func(t *testing.T, s string) {
		batch, first, count, err := ParseReceipt(s)
		if err != nil {
			return
		}
		if got := Receipt(batch, first, count); got != strings.ToUpper(s) {
			t.Errorf("%q came back as %s", s, got)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	s := NewSource()
	var block Block
	var buf []byte
	for b.Loop() {
		if block.Left() == 0 {
			block = s.Block(256)
		}
		buf = block.Append(buf[:0])
	}
}
