package bench

import (
	"bytes"
	"strings"
	"testing"
)

func TestPairFigures(t *testing.T) {
	// The ratio is that of the rounds, in the second of which the machine was slow.
	figures := pairFigures([]*pair{{name: "redis × s3",
		local: passage{bytes: []float64{20, 4, 22}, batches: []float64{100}, inserts: []float64{5000}, taken: []float64{50}},
		got:   passage{bytes: []float64{10, 2, 33}, batches: []float64{50}, inserts: []float64{4500}, taken: []float64{35}}}})
	want := []struct {
		row   string
		ratio float64
		ok    bool
	}{
		{"redis × s3: batches of 8 MB until loaded\t10.0 MB/s\tlocal × local 20.0 MB/s\t0.50", 0.5, true},
		{"redis × s3: batches of one row until loaded\t50/s\tlocal × local 100/s\t0.50", 0.5, true},
		{"redis × s3: node that only takes, one-row inserts\t4500/s\tlocal × local 5000/s\t0.90", 0.9, true},
		{"redis × s3: node that only takes, 8 MB inserts\t35 MB/s\tlocal × local 50 MB/s\t0.70", 0.7, false},
	}
	if len(figures) != len(want) {
		t.Fatalf("got %d figures, want %d", len(figures), len(want))
	}
	for i, w := range want {
		if f := figures[i]; f.ratio != w.ratio || f.ok() != w.ok || !strings.HasPrefix(f.row(), w.row) {
			t.Errorf("got %t %q, want %t %q", f.ok(), f.row(), w.ok, w.row)
		}
	}
}

func TestWithoutPairsNothingIsMeasured(t *testing.T) {
	var out bytes.Buffer
	b := &bench{out: &out}
	figures, err := b.pairs(t.Context())
	if err != nil || len(figures) != 0 || !strings.Contains(out.String(), "make bench-pairs") {
		t.Errorf("got %v, %v and %q", figures, err, out.String())
	}
}
