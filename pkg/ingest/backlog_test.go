package ingest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// into inserts n rows into a destination.
func into(t *testing.T, w *Writer, destination string, n int) error {
	t.Helper()
	_, err := w.Insert(t.Context(), destination, parseTable(t, "events"), strings.NewReader(bodyOf(n)), Options{})
	return err
}

// A destination whose rows gather is refused more when they take as much of the disk as is left. Others are not, and nor is it
// when some of its batches have gone.
func TestBacklogOfOneDestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const disk, least = 1 << 20, 1 << 18
		w := newWriter(t, func(c *Config) { c.FreeSpace = least })
		w.disk.free = func() (int64, error) { return disk - w.shelf.waits("bad") - w.shelf.waits("good"), nil }
		n := 0
		var err error
		for ; err == nil && n < 1000; n++ {
			err = into(t, w, "bad", 100)
			sealAll(w)
			time.Sleep(freeFor)
		}
		wantBusy(t, err, "backlog_full")
		if got, half := w.shelf.waits("bad"), int64(disk-least)/2; got < half || got > half*11/10 {
			t.Errorf("got %d bytes waiting, want a little over half of what may be used, %d", got, half)
		}
		if err := w.Check(); err != nil {
			t.Errorf("the node takes no rows: %v", err)
		}
		for range n {
			if err := into(t, w, "good", 100); err != nil {
				t.Fatalf("the other destination: %v", err)
			}
			sealAll(w)
			shipAll(t, w, "good")
			time.Sleep(freeFor)
		}
		wantBusy(t, into(t, w, "bad", 1), "backlog_full")
		shipAll(t, w, "bad")
		time.Sleep(freeFor)
		if err := into(t, w, "bad", 1); err != nil {
			t.Errorf("when its batches are shipped: %v", err)
		}
	})
}

// shipAll takes the sealed batches, ships those of a destination and puts the others back.
func shipAll(t *testing.T, w *Writer, destination string) {
	t.Helper()
	for range len(w.shelf.here) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		r, err := w.Next(ctx)
		cancel()
		if err != nil {
			return // only open ones are left
		}
		if r.Destination != destination {
			w.Return(r)
		} else if err := w.Done(r); err != nil {
			t.Error(err)
		}
	}
}

// What is still on the disk when it was shipped counts, and so does what an earlier process left.
func TestBacklogOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := openDir(t, dir, nil)
		if err := into(t, w, "d", 100); err != nil {
			t.Fatal(err)
		}
		sealAll(w)
		want := w.shelf.waits("d")
		if want == 0 {
			t.Fatal("nothing waits")
		}
		if err := into(t, w, "d", 100); err != nil { // stays open
			t.Fatal(err)
		}
		w = openDir(t, dir, func(c *Config) { c.FreeSpace = 1000 })
		if got := w.shelf.waits("d"); got != 2*want {
			t.Errorf("after a restart %d bytes wait, want %d", got, 2*want)
		}
		for _, tt := range []struct {
			shipped, spare int64
			full           bool
		}{{0, 2 * want, false}, {0, 2*want - 1, true}, {1, 2 * want, true}, {1, 2*want + 1, false}} {
			w.disk.free = func() (int64, error) { return 1000 + tt.spare, nil }
			time.Sleep(freeFor)
			err := w.AddUp(func() (map[string]int64, error) { return map[string]int64{"d": tt.shipped, "other": 1 << 40}, nil })
			if err != nil {
				t.Fatal(err)
			}
			err = w.begin("d")
			if err == nil {
				w.end()
			}
			if tt.full {
				wantBusy(t, err, "backlog_full")
			} else if err != nil {
				t.Errorf("%+v: got %v, want room", tt, err)
			}
		}
	})
}

// A look at the disk is not trusted for longer than it takes to fill a part of it.
func TestFreeSpaceIsLookedAtAgainWhenMuchWasTaken(t *testing.T) {
	free := int64(100 << 20)
	d := disk{least: 10 << 20, free: func() (int64, error) { return free, nil }}
	for taken := 0; ; taken++ {
		if err := d.check(); err != nil {
			wantBusy(t, err, "disk_low")
			break
		}
		d.took(1 << 20)
		if free -= 1 << 20; free < 8<<20 {
			t.Fatalf("got %d bytes left and inserts taken, want them refused below %d", free, d.least)
		}
	}
}

// What is shipped to a store on the same disk counts from then on, also when it is told too late.
func TestBacklogBetweenTwoTellings(t *testing.T) {
	var b backlog
	want := func(n int64) {
		t.Helper()
		if got := b.waits("d"); got != n {
			t.Errorf("got %d bytes waiting, want %d", got, n)
		}
	}
	total := func(n int64) {
		t.Helper()
		if got := b.total.Load(); got != n {
			t.Errorf("got %d bytes waiting in all, want %d", got, n)
		}
	}
	addUp := func(bytes map[string]int64, err error, meanwhile func()) {
		t.Helper()
		if got := b.addUp(func() (map[string]int64, error) { meanwhile(); return bytes, err }); !errors.Is(got, err) {
			t.Errorf("got %v, want %v", got, err)
		}
	}
	nothing := func() {}
	b.shipped("d", 1) // to a store elsewhere
	want(0)
	addUp(nil, nil, nothing)
	b.shipped("d", 10)
	want(10)
	addUp(map[string]int64{"d": 10}, nil, func() { want(10) }) // the ten are told, and count no more beside
	want(10)
	addUp(map[string]int64{"d": 10}, nil, func() { b.shipped("d", 100); b.shipped("e", 1000); want(110) }) // too late to be told
	want(110)
	total(1110)
	addUp(nil, errors.New("away"), func() { b.shipped("d", 5) })
	want(115)
	total(1115)
	addUp(map[string]int64{"d": 115, "e": 1000}, nil, nothing)
	want(115)
	total(1115)
	addUp(map[string]int64{}, nil, nothing)
	want(0)
	total(0)
}

// A batch that is done counts until it is told to be loaded.
func TestBacklogOfAStoreOnTheSameDisk(t *testing.T) {
	w := newWriter(t, nil)
	none := func() (map[string]int64, error) { return nil, nil }
	if err := w.AddUp(none); err != nil {
		t.Fatal(err)
	}
	if err := into(t, w, "d", 100); err != nil {
		t.Fatal(err)
	}
	sealAll(w)
	waits := w.shelf.waits("d")
	shipAll(t, w, "d")
	if got := w.shelf.waits("d") + w.backlog.waits("d"); got != waits || waits == 0 {
		t.Errorf("got %d bytes waiting when it is shipped, want %d as before", got, waits)
	}
	if err := w.AddUp(none); err != nil {
		t.Fatal(err)
	}
	if got := w.backlog.waits("d"); got != 0 {
		t.Errorf("got %d bytes waiting when it is loaded, want 0", got)
	}
}
