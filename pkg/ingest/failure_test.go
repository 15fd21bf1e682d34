package ingest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

var errDrive = errors.New("the drive is broken")

func failing(err error) func() error { return func() error { return err } }

// breaks are the ways in which the write of a group can fail.
var breaks = []struct {
	name string
	with func(d *drive, err error)
}{
	{"nothing is written", func(d *drive, err error) { d.onWrite = func([]byte) (int, error) { return 0, err } }},
	{"half is written", func(d *drive, err error) { d.onWrite = func(b []byte) (int, error) { return len(b) / 2, err } }},
	{"all is written but its last byte", func(d *drive, err error) { d.onWrite = func(b []byte) (int, error) { return len(b) - 1, err } }},
	{"all is written and not synced", func(d *drive, err error) { d.onSync = failing(err) }},
	{"half is written and cannot be cut", func(d *drive, err error) {
		d.onWrite = func(b []byte) (int, error) { return len(b) / 2, err }
		d.onCut = failing(errDrive)
	}},
	{"all is written, not synced, and cannot be cut", func(d *drive, err error) { d.onSync, d.onCut = failing(err), failing(errDrive) }},
}

func heal(d *drive) { d.onOpen, d.onWrite, d.onSync, d.onCut, d.onClose = nil, nil, nil, nil, nil }

// failGroup lets inserts gather behind one that works, so that they are one group, and breaks the drive for them.
func failGroup(t *testing.T, w *Writer, d *drive, breakIt func(d *drive)) (good Inserted, errs []error) {
	t.Helper()
	const inserts = 10
	hold := newGate()
	d.set(func(d *drive) { d.onSync = hold.wait })
	first, failed := make(chan Inserted, 1), make(chan error, inserts)
	go func() { first <- insert(t, w, `{"first":true}`, Options{}) }()
	<-hold.came
	for i := range inserts {
		ack := AckDisk
		if i == 3 {
			ack = AckMemory
		}
		body := fmt.Sprintf(`[{"n":%d},{"text":"%s"}]`, i, strings.Repeat("x", i*3000))
		go func() { failed <- insertFails(t, w, body, Options{Ack: ack}) }()
	}
	synctest.Wait()
	d.set(func(d *drive) {
		d.onSync = nil
		breakIt(d)
	})
	close(hold.pass)
	for range inserts {
		errs = append(errs, <-failed)
	}
	return <-first, errs
}

// ship takes what is ready as the uploader does, and wants what is told of each batch to be so.
func ship(t tester, w *Writer, batches int) {
	t.Helper()
	for range batches {
		r, err := w.Next(endedContext())
		if err != nil {
			t.Fatal(err)
		}
		content := readFile(t, r.Path)
		if rows := int64(strings.Count(content, "\n")); r.Rows != rows || r.Bytes != int64(len(content)) {
			t.Errorf("batch %s got %d rows and %d bytes, want %d and %d", r.Batch, r.Rows, r.Bytes, rows, len(content))
		}
		if err := w.Done(r); err != nil {
			t.Error(err)
		}
	}
	wantNone(t, w, ready)
}

// When a group cannot be written, each of its inserts gets the error and none is there in part. What came before stays
// as it was, and what comes after has another batch.
func TestFailedGroup(t *testing.T) {
	for _, tt := range breaks {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWriter(t, nil)
				d := rig(w)
				before := insert(t, w, `[{"a":1},{"a":2}]`, Options{})
				good, errs := failGroup(t, w, d, func(d *drive) { tt.with(d, errDrive) })
				for _, err := range errs {
					if !errors.Is(err, errDrive) || fault.Of(err) != fault.Internal {
						t.Errorf("insert got %v, want the drive's error and no other kind", err)
					}
				}
				d.set(heal)
				after := insert(t, w, `{"after":true}`, Options{})
				if good.Batch != before.Batch || after.Batch == before.Batch {
					t.Errorf("got batches %s, %s, %s, want the last alone to differ", before.Batch, good.Batch, after.Batch)
				}
				sealAll(w)
				wantNone(t, w, open, incoming)
				wantIDs(t, w, concat(before, good, after), ready)
				wantGauges(t, w, 0, 2)
				ship(t, w, 2)
			})
		})
	}
}

// A batch that failed is sealed in its time, also when later inserts have gone to another one.
func TestFailedBatchIsSealedByRun(t *testing.T) {
	for _, tt := range breaks {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWriter(t, nil)
				d := rig(w)
				defer running(t, w)()
				before := insert(t, w, `{"a":1}`, Options{})
				d.set(func(d *drive) { tt.with(d, errDrive) })
				_ = insertFails(t, w, `{"a":2}`, Options{})
				d.set(heal)
				after := insert(t, w, `{"a":3}`, Options{})
				time.Sleep(2 * time.Second)
				synctest.Wait()
				wantNone(t, w, open, incoming)
				wantIDs(t, w, concat(before, after), ready)
			})
		})
	}
}

// A batch whose every insert failed goes.
func TestFailedFirstGroup(t *testing.T) {
	cannotOpen := func(d *drive, err error) { d.onOpen = func(string) error { return err } }
	for _, tt := range append(breaks[:len(breaks):len(breaks)], struct {
		name string
		with func(d *drive, err error)
	}{"the file cannot be made", cannotOpen}) {
		t.Run(tt.name, func(t *testing.T) {
			w := newWriter(t, nil)
			d := rig(w)
			tt.with(d, errDrive)
			if err := insertFails(t, w, `{"a":1}`, Options{}); !errors.Is(err, errDrive) {
				t.Errorf("got %v, want %v", err, errDrive)
			}
			heal(d)
			sealAll(w)
			wantNone(t, w, open, ready, incoming)
			wantGauges(t, w, 0, 0)
			if at, ok := w.Oldest(); ok {
				t.Errorf("the oldest batch is of %v, want none", at)
			}
		})
	}
}

// A batch whose file was let go of and cannot be opened again keeps what it has.
func TestFailedReopen(t *testing.T) {
	w := newWriter(t, func(c *Config) { c.OpenFiles = 1 })
	d := rig(w)
	before := insert(t, w, `{"a":1}`, Options{})
	awaitRest(w)
	other, err := w.Insert(t.Context(), "d", parseTable(t, "other"), strings.NewReader(`{}`), Options{RowIDs: true})
	if err != nil {
		t.Fatal(err)
	}
	d.onOpen = func(string) error { return syscall.EMFILE }
	if err := insertFails(t, w, `{"a":2}`, Options{}); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("got %v, want %v", err, syscall.EMFILE)
	}
	heal(d)
	sealAll(w)
	wantNone(t, w, open)
	wantIDs(t, w, concat(before, other), ready)
}

func TestFullDiskIsBusy(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		for _, tt := range breaks {
			t.Run(fmt.Sprintf("%v, %s", cause, tt.name), func(t *testing.T) {
				w := newWriter(t, nil)
				d := rig(w)
				tt.with(d, fmt.Errorf("write: %w", cause))
				err := insertFails(t, w, `{"a":1}`, Options{})
				if fault.Of(err) != fault.Busy || fault.CodeOf(err) != "disk_full" || fault.AfterOf(err) <= 0 || !errors.Is(err, cause) {
					t.Errorf("got %v, code %s, after %v, want disk_full", err, fault.CodeOf(err), fault.AfterOf(err))
				}
			})
		}
	}
}

// A batch that cannot be sealed stays open and is tried again, though nothing else happens.
func TestSealIsTriedAgain(t *testing.T) {
	for _, tt := range []struct {
		name string
		with func(d *drive)
	}{
		{"closing fails", func(d *drive) { d.onClose = failing(io.ErrUnexpectedEOF) }},
		{"syncing fails", func(d *drive) { d.onSync, d.onClose = failing(errDrive), failing(errDrive) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWriter(t, nil)
				d := rig(w)
				defer running(t, w)()
				in := insert(t, w, `{"a":1}`, Options{Ack: AckMemory})
				d.set(tt.with)
				time.Sleep(w.cfg.MaxAge + lookEvery)
				synctest.Wait()
				wantNone(t, w, ready)
				wantIDs(t, w, in.RowIDs, open)
				d.set(heal)
				time.Sleep(sealAgain + lookEvery)
				synctest.Wait()
				wantNone(t, w, open)
				wantIDs(t, w, in.RowIDs, ready)
			})
		})
	}
}

// A failed group that was cut off is not ready before the cut is durable.
func TestCutIsSyncedBeforeItIsReady(t *testing.T) {
	w := newWriter(t, nil)
	d := rig(w)
	in := insert(t, w, `{"a":1}`, Options{})
	d.onSync = failing(errDrive)
	_ = insertFails(t, w, `{"a":2}`, Options{})
	sealAll(w)
	wantNone(t, w, ready)
	sealAll(w) // the file was let go of, so its good part is copied
	wantNone(t, w, open, incoming)
	wantIDs(t, w, in.RowIDs, ready)
	if _, syncs := d.count(); syncs != 3 {
		t.Errorf("got %d syncs, want those of two inserts and of the cut", syncs)
	}
}

func concat(list ...Inserted) (ids []string) {
	for _, in := range list {
		ids = append(ids, in.RowIDs...)
	}
	return ids
}

func wantGauges(t *testing.T, w *Writer, open, waiting float64) {
	t.Helper()
	if o, r := testutil.ToFloat64(w.metrics.open), testutil.ToFloat64(w.metrics.waiting); o != open || r != waiting {
		t.Errorf("metrics say %v open and %v ready batches, want %v and %v", o, r, open, waiting)
	}
}

// When the good part of a file that could not be cut cannot be copied either, nothing is ready until it can.
func TestCopyIsTriedAgain(t *testing.T) {
	for _, tt := range []struct {
		name        string
		spoil, mend func(dir, path string) error
	}{
		{"no room to copy to",
			func(dir, _ string) error { return os.Remove(filepath.Join(dir, incoming)) },
			func(dir, _ string) error { return os.Mkdir(filepath.Join(dir, incoming), 0o750) }},
		{"the file cannot be read to its end",
			func(_, path string) error {
				return errors.Join(os.Rename(path, path+"~"), os.WriteFile(path, []byte(one), 0o600))
			},
			func(_, path string) error { return os.Rename(path+"~", path) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWriter(t, nil)
			d := rig(w)
			in := insert(t, w, bodyOf(3), Options{})
			d.onSync, d.onCut = failing(errDrive), failing(errDrive)
			_ = insertFails(t, w, bodyOf(3), Options{})
			path := filepath.Join(w.cfg.Dir, open, "d", "events", in.Batch+batchSuffix)
			if err := tt.spoil(w.cfg.Dir, path); err != nil {
				t.Fatal(err)
			}
			sealAll(w)
			wantNone(t, w, ready)
			if err := tt.mend(w.cfg.Dir, path); err != nil {
				t.Fatal(err)
			}
			wantNone(t, w, incoming)
			sealAll(w)
			wantNone(t, w, open, incoming)
			wantIDs(t, w, in.RowIDs, ready)
		})
	}
}

// A batch that failed is made ready also when an earlier try moved it and failed after that.
func TestFailedBatchThatWasMoved(t *testing.T) {
	for _, tt := range breaks {
		t.Run(tt.name, func(t *testing.T) {
			l := newLives(t)
			d := rig(l.w)
			in := insert(t, l.w, bodyOf(3), Options{})
			d.set(func(d *drive) { tt.with(d, errDrive) })
			_ = insertFails(t, l.w, bodyOf(3), Options{})
			d.set(heal)
			mend := blockReady(l)
			l.seal()
			mend()
			from, to := filepath.Join(l.dir, open, "d", "events"), filepath.Join(l.dir, ready, "d", "events")
			if err := os.MkdirAll(to, 0o750); err != nil {
				t.Fatal(err)
			}
			name := in.Batch + batchSuffix
			if err := os.Rename(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
				t.Fatal(err)
			}
			l.seal()
			wantIDs(t, l.w, in.RowIDs, ready)
			ship(t, l.w, 1)
		})
	}
}

// A rename may be done and say that it failed, when the folders could not be synced: the next try finds it done.
func TestMoveThatWasDone(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "a/from", one)
	if err := os.Mkdir(filepath.Join(dir, "b"), 0o750); err != nil {
		t.Fatal(err)
	}
	from, to := filepath.Join(dir, "a", "from"), filepath.Join(dir, "b", "to")
	for range 2 {
		if err := move(from, to); err != nil {
			t.Fatal(err)
		}
		if got := readFile(t, to); got != one {
			t.Errorf("got %q, want %q", got, one)
		}
	}
	if err := move(from, filepath.Join(dir, "b", "other")); !os.IsNotExist(err) {
		t.Errorf("a file that never was: got %v", err)
	}
}
