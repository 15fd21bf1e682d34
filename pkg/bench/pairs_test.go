package bench

import (
	"bytes"
	"strings"
	"testing"
)

func TestPairFigures(t *testing.T) {
	local := &pair{name: "local × local", bytes: []float64{10, 30, 20}, batches: []float64{100}, inserts: []float64{5000}, taken: []float64{50}}
	remote := &pair{name: "redis × s3", bytes: []float64{5, 10, 90}, batches: []float64{50}, inserts: []float64{4500}, taken: []float64{35}}
	figures := pairFigures([]*pair{local, remote})
	want := []struct {
		row   string
		ratio float64
		ok    bool
	}{
		{"redis × s3: batches of 8 MB until loaded\t10.0 MB/s\tlocal 20.0 MB/s\t0.50", 0.5, true},
		{"redis × s3: batches of one row until loaded\t50/s\tlocal 100/s\t0.50", 0.5, true},
		{"redis × s3: node that only takes, one-row inserts\t4500/s\tlocal 5000/s\t0.90", 0.9, true},
		{"redis × s3: node that only takes, 8 MB inserts\t35 MB/s\tlocal 50 MB/s\t0.70", 0.7, false},
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
