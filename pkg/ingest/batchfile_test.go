package ingest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sizeOf gives how long the file is.
func sizeOf(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Size())
}

func newBatchFile(t *testing.T) (f file, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "f")
	f, err := openBatchFile(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f, path
}

func writeRow(t *testing.T, f file, text string) {
	t.Helper()
	if n, err := f.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("write: got %d, %v, want %d", n, err, len(text))
	}
}

func TestZerosAreWrittenAhead(t *testing.T) {
	small, large := strings.Repeat("x", 100), strings.Repeat("y", fillBelow+1)
	for _, tt := range []struct {
		name  string
		write []string
		ahead int // at the end
	}{
		{"few writes", []string{small, small, small}, 0},
		{"many small writes", []string{small, small, small, small}, fillFor * 100},
		{"some are used up", []string{small, small, small, small, small, small}, (fillFor - 2) * 100},
		{"all are used up", append([]string{small, small, small}, repeat(small, fillFor+1)...), fillFor * 100},
		{"large writes", repeat(large, 10), 0},
		{"no more than there are", repeat(strings.Repeat("z", fillBelow), 4), 1 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, path := newBatchFile(t)
			for _, text := range tt.write {
				writeRow(t, f, text)
			}
			rows := strings.Join(tt.write, "")
			if got := readFile(t, path); got != rows+strings.Repeat("\x00", tt.ahead) {
				t.Errorf("got %d bytes, want %d of rows and %d zeros", len(got), len(rows), tt.ahead)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if got := readFile(t, path); got != rows {
				t.Errorf("closed: got %d bytes, want the %d of rows alone", len(got), len(rows))
			}
		})
	}
}

func repeat(s string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = s
	}
	return list
}

func TestBatchFileGoesOnWhereItsRowsEnd(t *testing.T) {
	f, path := newBatchFile(t)
	for range 8 {
		writeRow(t, f, "row\n")
	}
	if sizeOf(t, path) <= 8*4 {
		t.Fatal("nothing is written ahead, so that nothing is tried here")
	}
	if err := f.Truncate(5 * 4); err != nil {
		t.Fatal(err)
	}
	if got := sizeOf(t, path); got != 5*4 {
		t.Errorf("cut: got %d bytes, want %d", got, 5*4)
	}
	writeRow(t, f, "new\n")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := openBatchFile(path, 6*4)
	if err != nil {
		t.Fatal(err)
	}
	writeRow(t, f, "end\n")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := readFile(t, path), strings.Repeat("row\n", 5)+"new\nend\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A process that dies leaves the zeros behind.
func TestZerosAheadAreNoTornRows(t *testing.T) {
	w := newWriter(t, nil)
	var all []Inserted
	for range 2 * fillAfter {
		all = append(all, insert(t, w, `{"a":1}`, Options{}))
	}
	zeros := false
	root := filepath.Join(w.cfg.Dir, open)
	for path := range filesIn(t, w, open) {
		zeros = zeros || strings.HasSuffix(readFile(t, filepath.Join(root, path)), "\x00")
	}
	if !zeros {
		t.Fatal("nothing is written ahead, so that nothing is tried here")
	}
	again := openDir(t, w.cfg.Dir, nil)
	wantIDs(t, again, concat(all...), ready)
	wantNone(t, again, open, aside)
}
