package ingest

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/scratchdata/scratchdata/pkg/durable"
	"github.com/scratchdata/scratchdata/pkg/rowid"
)

// Two inserts, and pieces of one that did not arrive whole.
const (
	one     = `{"__row_id":"r1","a":1} ` + "\n"
	two     = `{"__row_id":"r2","a":2}` + "\n" + `{"__row_id":"r3","b":"x"} ` + "\n"
	noMark  = `{"__row_id":"r4","c":true}` + "\n"
	tornRow = `{"__row_id":"r5","c":tr`
	batchID = "01J00000000000000000000000"
)

// plant makes a file below dir.
func plant(t *testing.T, dir, path, content string) {
	t.Helper()
	path = filepath.Join(dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

const (
	planted    = "d/s.events/" + batchID + batchSuffix
	tornAside  = "d~s.events~" + batchID + ".torn"
	ofSidecars = "d/s.events/" + batchID + sidecarSuffix
)

func TestRecoverOpen(t *testing.T) {
	for _, tt := range []struct {
		name, whole, torn string
		seen              string
	}{
		{"one insert", one, "", "a:int"},
		{"inserts", one + two, "", "a:int b:text"},
		{"torn last line", one + two, tornRow, "a:int b:text"},
		{"torn insert of several rows", one, noMark + noMark, "a:int"},
		{"torn insert, torn row", one, noMark + tornRow, "a:int"},
		{"torn mark", one, strings.TrimSuffix(two, "\n"), "a:int"},
		{"torn row and zeros", one + two, tornRow + strings.Repeat("\x00", 100_000), "a:int b:text"},
		{"zeros that were written ahead", one + two, strings.Repeat("\x00", 100_000), "a:int b:text"},
		{"nothing but zeros", "", strings.Repeat("\x00", 2*chunkSize), ""},
		{"garbage, then an insert", one, "\xff\xfe\n" + two, "a:int"},
		{"empty file", "", "", ""},
		{"nothing but a torn insert", "", noMark + tornRow, ""},
		{"nothing but a torn row", "", tornRow, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			plant(t, dir, open+"/"+planted, tt.whole+tt.torn)
			w := openDir(t, dir, nil)
			rest := strings.TrimRight(tt.torn, "\x00") // zeros are nothing to keep
			wantRecovered(t, w, tt.whole, rest, tt.seen)
			torn := 0.0
			if rest != "" {
				torn = 1
			}
			if got := testutil.ToFloat64(w.metrics.torn); got != torn {
				t.Errorf("got %v torn tails counted, want %v", got, torn)
			}
			wantRecovered(t, openDir(t, dir, nil), tt.whole, rest, tt.seen) // recovering what is recovered
		})
	}
}

// wantRecovered wants the planted batch to be ready with what is whole, and the rest aside.
func wantRecovered(t *testing.T, w *Writer, whole, torn, seen string) {
	t.Helper()
	wantNone(t, w, open, incoming)
	want := map[string]string{}
	if torn != "" {
		want[tornAside] = torn
	}
	if got := filesIn(t, w, aside); !maps.Equal(got, want) {
		t.Errorf("aside has %q, want %q", got, want)
	}
	if whole == "" {
		wantNone(t, w, ready)
		return
	}
	r, err := w.Next(endedContext())
	if err != nil {
		t.Fatal(err)
	}
	if content := readFile(t, r.Path); content != whole {
		t.Errorf("the ready batch is\n got %q\nwant %q", content, whole)
	}
	rows := int64(strings.Count(whole, "\n"))
	if r.Batch != batchID || r.Destination != "d" || r.Table.String() != "s.events" || r.Rows != rows || r.Bytes != int64(len(whole)) {
		t.Errorf("got %+v, want %d rows and %d bytes of %s", r, rows, len(whole), planted)
	}
	if got := seenText(r.Seen); got != seen {
		t.Errorf("got columns %q, want %q", got, seen)
	}
	if !r.Created.Equal(createdOf(batchID)) || r.Created.Year() != 2024 {
		t.Errorf("got created %v, want the time in its id", r.Created)
	}
	if !holds(w, batchID) {
		t.Error("the recovered batch is not held")
	}
}

// A crash during recovery, after any of its steps, changes nothing of what the next one makes.
func TestRecoveryIsInterrupted(t *testing.T) {
	whole, torn := one+two, noMark+tornRow
	rest := `{"rows":3,"bytes":`
	for _, tt := range []struct {
		name  string
		files map[string]string
	}{
		{"before anything", map[string]string{open + "/" + planted: whole + torn}},
		{"while the tail is copied", map[string]string{open + "/" + planted: whole + torn, aside + "/" + tornAside: torn[:5]}},
		{"after the tail is copied", map[string]string{open + "/" + planted: whole + torn, aside + "/" + tornAside: torn}},
		{"after the cut", map[string]string{open + "/" + planted: whole, aside + "/" + tornAside: torn}},
		{"while the sidecar is written", map[string]string{open + "/" + planted: whole, aside + "/" + tornAside: torn, ready + "/" + ofSidecars: rest}},
		{"after the rename", map[string]string{ready + "/" + planted: whole, aside + "/" + tornAside: torn, ready + "/" + ofSidecars: rest}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for path, content := range tt.files {
				plant(t, dir, path, content)
			}
			wantRecovered(t, openDir(t, dir, nil), whole, torn, "a:int b:text")
		})
	}
}

// A file cut at any byte keeps the whole inserts before the cut, and their receipts still name its rows.
func TestRecoverCutAnywhere(t *testing.T) {
	w := newWriter(t, nil)
	var all []Inserted
	ends := []int{0}
	for _, body := range []string{`{"a":1}`, `[{"a":2},{"b":"x y"}]`, `{"c":null}`} {
		all = append(all, insert(t, w, body, Options{Ack: AckMemory}))
		ends = append(ends, len(only(t, w, open)))
	}
	content := only(t, w, open)
	for cut := range len(content) + 1 {
		dir := t.TempDir()
		plant(t, dir, open+"/d/events/"+all[0].Batch+batchSuffix, content[:cut])
		again := openDir(t, dir, nil)
		whole := 0
		for whole < len(all) && ends[whole+1] <= cut {
			whole++
		}
		wantIDs(t, again, concat(all[:whole]...), ready)
		wantNone(t, again, open)
		for _, in := range all[:whole] {
			if batch, _, _, err := rowid.ParseReceipt(in.Receipt); err != nil || !holds(again, batch) {
				t.Errorf("cut at %d: the batch %s of receipt %s is not held, %v", cut, batch, in.Receipt, err)
			}
		}
		if t.Failed() {
			t.Fatalf("the file was cut at byte %d of %d", cut, len(content))
		}
	}
}

// Large inserts that did not arrive whole go: they were never acknowledged.
func TestRecoverIncoming(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, incoming+"/"+batchID+batchSuffix, noMark+noMark)
	plant(t, dir, incoming+"/01J00000000000000000000001"+batchSuffix, "")
	w := openDir(t, dir, nil)
	wantNone(t, w, incoming, open, ready, aside)
}

// What is no batch is left alone.
func TestRecoveryLeavesStrangeFiles(t *testing.T) {
	strange := map[string]string{
		"notes.txt":                         "x",
		"x.ndjson":                          one,
		"d/x.ndjson":                        one,
		"d/events/notes.txt":                "x",
		"d/events/deeper/x.ndjson":          one,
		"d/no,table/" + batchID + ".ndjson": one,
		"d/events/notes.ndjson":             one,
	}
	for _, state := range []string{open, ready} {
		t.Run(state, func(t *testing.T) {
			dir := t.TempDir()
			for path, content := range strange {
				plant(t, dir, state+"/"+path, content)
			}
			w := openDir(t, dir, nil)
			if got := filesIn(t, w, state); !maps.Equal(got, strange) {
				t.Errorf("got %q, want %q", got, strange)
			}
			if r, err := w.Next(endedContext()); err == nil {
				t.Errorf("got the batch %+v, want none", r)
			}
		})
	}
}

// When the folder cannot be read the writer does not open: rows in it would be forgotten.
func TestOpenFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, dir string)
	}{
		{"a state's folder is a file", func(t *testing.T, dir string) { plant(t, dir, open, "") }},
		{"a batch is a folder's loop", func(t *testing.T, dir string) {
			plant(t, dir, open+"/d/events/x", "")
			path := filepath.Join(dir, open, "d", "events", batchID+batchSuffix)
			if err := os.Symlink(path, path); err != nil {
				t.Fatal(err)
			}
		}},
		{"aside cannot be written", func(t *testing.T, dir string) {
			plant(t, dir, open+"/"+planted, one+tornRow)
			if err := durable.MkdirAll(filepath.Join(dir, aside, tornAside)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			tt.spoil(t, dir)
			cfg := DefaultConfig()
			cfg.Dir = dir
			if w, err := Open(cfg, rowid.NewSource(), newMemoryKeys(), quiet(), freshMetrics()); err == nil {
				t.Errorf("got a writer with %v, want an error", filesIn(t, w, open))
			}
		})
	}
}

// A crash between a sidecar and its batch's rename, or between Done's two removes, leaves one without a batch.
func TestRecoveryRemovesSidecarsWithoutBatch(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, ready+"/"+ofSidecars, `{"rows":1}`)
	plant(t, dir, ready+"/"+planted[:len(planted)-len("0"+batchSuffix)]+"1"+batchSuffix, one)
	w := openDir(t, dir, nil)
	if _, err := os.Stat(filepath.Join(dir, ready, filepath.FromSlash(ofSidecars))); !os.IsNotExist(err) {
		t.Errorf("the sidecar without a batch is there: %v", err)
	}
	if got := batchesIn(t, w, ready); len(got) != 1 {
		t.Errorf("got batches %q, want the one that has no sidecar", got)
	}
}

// A batch that inserts shared is kept whole when its sidecar is lost, also when one of its keys was forgotten since and is
// another batch's by now.
func TestReadyBatchOfSeveralInsertsIsKept(t *testing.T) {
	l := newLives(t)
	l.first("k", `{"v":"first"}`, Options{})
	l.first("", `{"v":"other"}`, Options{})
	l.seal()
	if _, err := l.keys.Forget(t.Context(), time.Now().Add(time.Hour), 0); err != nil {
		t.Fatal(err)
	}
	l.first("k", `{"v":"first"}`, Options{})
	l.seal()
	for path := range filesIn(t, l.w, ready) {
		if strings.HasSuffix(path, sidecarSuffix) {
			if err := os.Remove(filepath.Join(l.dir, ready, path)); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.crash()
	l.wantRows(3)
}
