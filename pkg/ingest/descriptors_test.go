package ingest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// With thousands of tables few batch files are held open, and every row is there.
func TestDescriptorsAreBounded(t *testing.T) {
	const tables, most, clients = 2000, 16, 8
	w := newWriter(t, func(c *Config) { c.OpenFiles = most })
	d := rig(w)
	ids := make([][]string, clients)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := c; i < 2*tables; i += clients {
				table := parseTable(t, fmt.Sprint("t", i%tables))
				in, err := w.Insert(t.Context(), "d", table, strings.NewReader(`{"a":1}`), Options{Ack: AckMemory, RowIDs: true})
				if err != nil {
					t.Errorf("insert %d: %v", i, err)
					return
				}
				ids[c] = append(ids[c], in.RowIDs...)
			}
		})
	}
	wg.Wait()
	const letGo = 3 // files that a client may leave behind, as an insert is answered a moment before its file is let go of
	if d.mostHeld > most+(1+letGo)*clients {
		t.Errorf("%d batch files were open at a time, want at most %d and some for each of %d clients", d.mostHeld, most, clients)
	}
	wantHeld(t, w, d)
	var all []string
	for _, list := range ids {
		all = append(all, list...)
	}
	wantIDs(t, w, all, open)
}

// wantHeld wants the writer to know of each descriptor that is open.
func wantHeld(t *testing.T, w *Writer, d *drive) {
	t.Helper()
	w.files.mu.Lock()
	defer w.files.mu.Unlock()
	if len(w.files.held) != d.held {
		t.Errorf("%d batch files are open, and %d are known of", d.held, len(w.files.held))
	}
}

// awaitRest waits until nobody writes to a batch whose file is open, so that the next insert can close it to make room.
func awaitRest(w *Writer) {
	w.files.mu.Lock()
	held := slices.Clone(w.files.held)
	w.files.mu.Unlock()
	for _, b := range held {
		b.mu.Lock()
		for b.busy {
			b.settled.Wait()
		}
		b.mu.Unlock()
	}
}

// A file that is being opened is not taken for one that was let go of.
func TestDescriptorBeingOpenedIsKnown(t *testing.T) {
	w := newWriter(t, func(c *Config) { c.OpenFiles = 1 })
	d := rig(w)
	b := &batch{busy: true} // its committer is opening the file
	w.files.held = []*batch{b}
	w.files.makeRoom()
	if len(w.files.held) != 1 {
		t.Error("a batch whose file is being opened is forgotten, want it to be held")
	}
	w.files.forget(b)
	insert(t, w, "{}", Options{})
	wantHeld(t, w, d)
}

func TestSealedBatchesHoldNoDescriptor(t *testing.T) {
	w := newWriter(t, nil)
	d := rig(w)
	for range 3 {
		insert(t, w, "{}", Options{})
		sealAll(w)
	}
	d.onSync = failing(errDrive)
	_ = insertFails(t, w, "{}", Options{})
	sealAll(w)
	if d.held != 0 || d.opened != 4 {
		t.Errorf("%d of %d batch files are open, want none of 4", d.held, d.opened)
	}
	wantHeld(t, w, d)
}

// When a file cannot be closed to make room, its rows stay and the next insert opens another batch.
func TestClosingToMakeRoomFails(t *testing.T) {
	w := newWriter(t, func(c *Config) { c.OpenFiles = 1 })
	d := rig(w)
	first := insert(t, w, `{"a":1}`, Options{Ack: AckMemory})
	d.onClose = failing(errors.New("the disk went away"))
	awaitRest(w)
	other, err := w.Insert(t.Context(), "d", parseTable(t, "other"), strings.NewReader("{}"), Options{RowIDs: true})
	if err != nil {
		t.Fatal(err)
	}
	d.set(heal)
	second := insert(t, w, `{"a":2}`, Options{})
	if second.Batch == first.Batch {
		t.Errorf("the next insert went to %s, want another batch", second.Batch)
	}
	sealAll(w)
	wantNone(t, w, open, incoming)
	wantIDs(t, w, concat(first, other, second), ready)
}

// A batch that failed, and whose file was then let go of, is not ready before all of it is durable.
func TestFailedBatchWithoutDescriptorIsDurable(t *testing.T) {
	w := newWriter(t, func(c *Config) { c.OpenFiles = 1 })
	p := new(platter)
	p.heal()
	w.openFile = p.open
	first := insert(t, w, `{"a":1}`, Options{Ack: AckMemory})
	p.arm(1, 1, 0) // the write works, the sync does not
	_ = insertFails(t, w, `{"a":2}`, Options{})
	awaitRest(w)
	other, err := w.Insert(t.Context(), "d", parseTable(t, "other"), strings.NewReader("{}"), Options{RowIDs: true})
	if err != nil {
		t.Fatal(err)
	}
	sealAll(w)
	if err := errors.Join(p.losePower(w.cfg.Dir, 0), p.end()); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, openDir(t, w.cfg.Dir, nil), concat(first, other), ready)
}
