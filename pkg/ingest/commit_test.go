package ingest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/scratchdata/scratchdata/pkg/rowid"
)

// gate makes a hook wait: each call says that it came and goes on when it is let through.
type gate struct {
	came, pass chan struct{}
}

func newGate() gate { return gate{make(chan struct{}), make(chan struct{})} }

func (g gate) wait() error {
	g.came <- struct{}{}
	<-g.pass
	return nil
}

func TestAckDiskWaitsForTheSync(t *testing.T) {
	for _, tt := range []struct {
		name  string
		ack   Ack
		waits bool
	}{{"disk", AckDisk, true}, {"as given by default", "", true}, {"memory", AckMemory, false}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWriter(t, nil)
				d, g := rig(w), newGate()
				d.onSync = g.wait
				done := make(chan Inserted, 1)
				go func() { done <- insert(t, w, `{"a":1}`, Options{Ack: tt.ack}) }()
				synctest.Wait()
				if len(done) == 1 == tt.waits {
					t.Errorf("insert is answered before the sync: %v, want %v", len(done) == 1, !tt.waits)
				}
				if tt.waits {
					<-g.came
					close(g.pass)
				}
				wantIDs(t, w, (<-done).RowIDs, open)
				if _, syncs := d.count(); syncs == 1 != tt.waits {
					t.Errorf("got %d syncs", syncs)
				}
			})
		})
	}
}

// While a group is synced the next one gathers, however many inserts there are.
func TestGroupCommit(t *testing.T) {
	const inserts = 50
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(t, nil)
		d, g := rig(w), newGate()
		d.onSync = g.wait
		all := make(chan Inserted, inserts+1)
		go func() { all <- insert(t, w, `{"first":true}`, Options{}) }()
		<-g.came
		for i := range inserts {
			go func() { all <- insert(t, w, fmt.Sprintf(`[{"n":%d},{}]`, i), Options{}) }()
		}
		synctest.Wait()
		if len(all) != 0 {
			t.Errorf("%d inserts are answered before the first sync, want 0", len(all))
		}
		g.pass <- struct{}{}
		<-g.came
		synctest.Wait()
		if len(all) != 1 {
			t.Errorf("%d inserts are answered after the first sync, want 1", len(all))
		}
		g.pass <- struct{}{}
		synctest.Wait()
		if len(all) != inserts+1 {
			t.Fatalf("%d inserts are answered after the second sync, want %d", len(all), inserts+1)
		}
		if writes, syncs := d.count(); writes != 2 || syncs != 2 {
			t.Errorf("got %d writes and %d syncs, want 2 of each", writes, syncs)
		}
		wantWholeBatch(t, w, all)
	})
}

// wantWholeBatch wants the open batch to hold each of the inserts, its rows together where its receipt says.
func wantWholeBatch(t *testing.T, w *Writer, all chan Inserted) {
	t.Helper()
	lines := strings.SplitAfter(only(t, w, open), "\n")
	var ids []string
	for range len(all) {
		in := <-all
		_, first, _, err := rowid.ParseReceipt(in.Receipt)
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range in.RowIDs {
			line, last := lines[first+i], i == len(in.RowIDs)-1
			if !strings.Contains(line, id) || strings.HasSuffix(line, " \n") != last {
				t.Errorf("line %d got %q, want row %s, and a mark: %v", first+i, line, id, last)
			}
		}
		ids = append(ids, in.RowIDs...)
	}
	wantIDs(t, w, ids, open)
}

// An insert that waits for the disk is synced though it shares its group with some that do not.
func TestMixedGroupIsSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(t, nil)
		d, g := rig(w), newGate()
		d.onSync = g.wait
		done := make(chan Ack, 20)
		go func() { insert(t, w, `{}`, Options{}) }()
		<-g.came
		for i := range cap(done) {
			ack := AckMemory
			if i == 10 {
				ack = AckDisk
			}
			go func() {
				insert(t, w, `{}`, Options{Ack: ack})
				done <- ack
			}()
			synctest.Wait()
		}
		g.pass <- struct{}{}
		<-g.came
		g.pass <- struct{}{}
		synctest.Wait()
		if _, syncs := d.count(); syncs != 2 || len(done) != cap(done) {
			t.Errorf("got %d syncs and %d answers, want 2 and %d", syncs, len(done), cap(done))
		}
	})
}

// What was acknowledged from memory alone is synced before the batch is ready.
func TestSealSyncs(t *testing.T) {
	w := newWriter(t, nil)
	d := rig(w)
	in := insert(t, w, `{"a":1}`, Options{Ack: AckMemory})
	var atSync int
	d.onSync = func() error {
		atSync = len(filesIn(t, w, ready))
		return nil
	}
	sealAll(w)
	if _, syncs := d.count(); syncs != 1 || atSync != 0 {
		t.Errorf("got %d syncs, the last with %d ready files, want one before there are any", syncs, atSync)
	}
	wantIDs(t, w, in.RowIDs, ready)
}

// Making room for another table's file must not take one that is being sealed.
func TestSealKeepsItsDescriptor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(t, func(c *Config) { c.OpenFiles = 1 })
		d, g := rig(w), newGate()
		in := insert(t, w, `{"a":1}`, Options{Ack: AckMemory})
		d.set(func(d *drive) { d.onSync = g.wait })
		sealed := make(chan struct{})
		go func() {
			defer close(sealed)
			sealAll(w)
		}()
		<-g.came
		_, err := w.Insert(t.Context(), "d", parseTable(t, "other"), strings.NewReader(`{}`), Options{Ack: AckMemory})
		if err != nil {
			t.Error(err)
		}
		g.pass <- struct{}{}
		<-sealed
		wantIDs(t, w, in.RowIDs, ready)
		for path := range filesIn(t, w, open) {
			if strings.Contains(path, in.Batch) {
				t.Errorf("open still has %s", path)
			}
		}
	})
}

// Many inserts at once, and a batch that is full every few rows: each row is there once.
func TestConcurrentInserts(t *testing.T) {
	const clients, each = 16, 30
	w := newWriter(t, func(c *Config) { c.MaxRows = 20 })
	stop := running(t, w)
	ids := make([][]string, clients)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := range each {
				ack := AckDisk
				if i%2 == 0 {
					ack = AckMemory
				}
				ids[c] = append(ids[c], insert(t, w, strings.Repeat(`{"a":1}`, i%4+1), Options{Ack: ack}).RowIDs...)
			}
		})
	}
	wg.Wait()
	stop()
	var all []string
	for _, list := range ids {
		all = append(all, list...)
	}
	wantIDs(t, w, all, ready)
	wantNone(t, w, open, incoming)
}
