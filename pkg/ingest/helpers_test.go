package ingest

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// tester is what a test and a rapid check have in common.
type tester interface {
	Helper()
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Fatal(args ...any)
}

// openDir opens a writer on dir, which never looks at the free space unless change says so.
func openDir(t tester, dir string, change func(*Config)) *Writer {
	t.Helper()
	return openOver(t, dir, newMemoryKeys(), change)
}

// openOver is openDir over keys that outlive the writer.
func openOver(t tester, dir string, keys *memoryKeys, change func(*Config)) *Writer {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Dir = dir
	cfg.FreeSpace = 0
	if change != nil {
		change(&cfg)
	}
	w, err := Open(cfg, rowid.NewSource(), keys, quiet(), freshMetrics())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func freshMetrics() *Metrics { return NewMetrics(prometheus.NewRegistry()) }

func newWriter(t *testing.T, change func(*Config)) *Writer {
	t.Helper()
	return openDir(t, t.TempDir(), change)
}

func parseTable(t tester, name string) schema.Table {
	t.Helper()
	table, err := schema.ParseTable(name)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// insert puts body into destination d's table events and wants that to work.
func insert(t *testing.T, w *Writer, body string, o Options) Inserted {
	t.Helper()
	o.RowIDs = true
	in, err := w.Insert(t.Context(), "d", parseTable(t, "events"), strings.NewReader(body), o)
	if err != nil {
		t.Errorf("insert of %.60q: %v", body, err)
	}
	return in
}

// insertFails puts body into destination d's table events and returns the error, which it wants.
func insertFails(t *testing.T, w *Writer, body string, o Options) error {
	t.Helper()
	in, err := w.Insert(t.Context(), "d", parseTable(t, "events"), strings.NewReader(body), o)
	if err == nil {
		t.Fatalf("insert of %.60q got %+v, want an error", body, in)
	}
	if in.Rows != 0 || in.Receipt != "" || in.Batch != "" || in.RowIDs != nil {
		t.Errorf("insert got %+v beside the error %v", in, err)
	}
	return err
}

// sealAll seals every batch, as Run does when it ends.
func sealAll(w *Writer) { w.sealDue(time.Time{}) }

// filesIn lists the files below a state's folder, by their paths below it, with what they hold.
func filesIn(t tester, w *Writer, state string) map[string]string {
	t.Helper()
	files := map[string]string{}
	root := filepath.Join(w.cfg.Dir, state)
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if state == open { // with zeros that are written ahead
			b = bytes.TrimRight(b, "\x00")
		}
		files[strings.TrimPrefix(path, root+string(filepath.Separator))] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// batchesIn is filesIn without what is no batch, such as sidecars.
func batchesIn(t tester, w *Writer, state string) []string {
	t.Helper()
	var list []string
	for path, content := range filesIn(t, w, state) {
		if strings.HasSuffix(path, batchSuffix) {
			list = append(list, content)
		}
	}
	return list
}

// wantNone wants the folders to hold no file.
func wantNone(t tester, w *Writer, states ...string) {
	t.Helper()
	for _, state := range states {
		for path, content := range filesIn(t, w, state) {
			t.Errorf("%s has %s with %d bytes, want none", state, path, len(content))
		}
	}
}

// idsIn counts the row ids in the batches of the folders.
func idsIn(t tester, w *Writer, states ...string) map[string]int {
	t.Helper()
	count := map[string]int{}
	for _, state := range states {
		for _, content := range batchesIn(t, w, state) {
			for line := range strings.Lines(content) {
				_, id, ok := strings.Cut(line, `"`+schema.RowID+`":"`) // after the tag, if there is one
				if !ok || !strings.HasSuffix(line, "}\n") && !strings.HasSuffix(line, "} \n") {
					t.Errorf("%s has the line %.100q, want a row", state, line)
					continue
				}
				id, _, _ = strings.Cut(id, `"`)
				count[id]++
			}
		}
	}
	return count
}

// wantIDs wants the folders to hold each of ids once, and nothing else.
func wantIDs(t tester, w *Writer, ids []string, states ...string) {
	t.Helper()
	count := idsIn(t, w, states...)
	for _, id := range ids {
		if n := count[id]; n != 1 {
			t.Errorf("row %s is there %d times in %v, want once", id, n, states)
		}
	}
	if len(count) != len(ids) {
		t.Errorf("%v hold %d rows, want %d", states, len(count), len(ids))
	}
}

// drive stands between a writer and its batch files. A hook that is nil lets the call through; one that returns an
// error makes it fail.
type drive struct {
	mu       sync.Mutex
	onOpen   func(path string) error
	onWrite  func(b []byte) (n int, err error) // with an error, n bytes are written all the same
	onSync   func() error
	onCut    func() error
	onClose  func() error
	syncs    int
	writes   int
	held     int // descriptors open
	mostHeld int
	opened   int
}

// rig puts a drive under w.
func rig(w *Writer) *drive {
	d := new(drive)
	w.openFile = d.open
	return d
}

// set changes the hooks while inserts run.
func (d *drive) set(change func(d *drive)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

func (d *drive) count() (writes, syncs int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writes, d.syncs
}

func (d *drive) open(path string, length int64) (file, error) {
	d.mu.Lock()
	on := d.onOpen
	d.mu.Unlock()
	if on != nil {
		if err := on(path); err != nil {
			return nil, err
		}
	}
	f, err := openBatchFile(path, length)
	if err != nil {
		return nil, err
	}
	d.set(func(d *drive) {
		d.opened++
		d.held++
		d.mostHeld = max(d.mostHeld, d.held)
	})
	return &driveFile{d, f}, nil
}

type driveFile struct {
	d *drive
	f file
}

func (f *driveFile) Write(b []byte) (int, error) {
	f.d.mu.Lock()
	f.d.writes++
	on := f.d.onWrite
	f.d.mu.Unlock()
	if on != nil {
		if n, err := on(b); err != nil {
			n, werr := f.f.Write(b[:n])
			return n, firstOf(werr, err)
		}
	}
	return f.f.Write(b)
}

func (f *driveFile) Sync() error {
	f.d.mu.Lock()
	f.d.syncs++
	on := f.d.onSync
	f.d.mu.Unlock()
	return hooked(on, f.f.Sync)
}

func (f *driveFile) Truncate(size int64) error {
	f.d.mu.Lock()
	on := f.d.onCut
	f.d.mu.Unlock()
	return hooked(on, func() error { return f.f.Truncate(size) })
}

func (f *driveFile) Close() error {
	f.d.mu.Lock()
	f.d.held--
	on := f.d.onClose
	f.d.mu.Unlock()
	return firstOf(f.f.Close(), hooked(on, func() error { return nil }))
}

// hooked is do, unless the hook fails.
func hooked(on, do func() error) error {
	if on != nil {
		if err := on(); err != nil {
			return err
		}
	}
	return do()
}

func firstOf(errs ...error) error {
	i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if i < 0 {
		return nil
	}
	return errs[i]
}

// running starts w's Run; the function it returns ends it and waits.
func running(t *testing.T, w *Writer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run got %v, want nil", err)
		}
	})
}

// endedContext is one with which Next takes what is there and does not wait.
func endedContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func readFile(t tester, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func holds(w *Writer, batch string) bool {
	_, _, ok := w.Find(batch)
	return ok
}
