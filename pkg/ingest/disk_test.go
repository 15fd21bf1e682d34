package ingest

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// Inserts are refused while there is too little free space, and taken again when there is enough.
func TestLowDisk(t *testing.T) {
	for _, tt := range []struct {
		name string
		free func() (int64, error)
		code string
	}{
		{"too little", func() (int64, error) { return 999, nil }, "disk_low"},
		{"unknown", func() (int64, error) { return 1 << 40, errors.New("no such disk") }, "disk_unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWriter(t, func(c *Config) { c.FreeSpace = 1000 })
				enough := func() (int64, error) { return 1000, nil }
				w.disk.free = enough
				before := insert(t, w, `{"a":1}`, Options{})
				w.disk.free = tt.free
				time.Sleep(freeFor)
				for _, rows := range []int{1, 20_000} {
					wantBusy(t, insertFails(t, w, bodyOf(rows), Options{}), tt.code)
				}
				wantBusy(t, w.Check(), tt.code)
				wantIDs(t, w, before.RowIDs, open)
				wantNone(t, w, incoming, ready)
				w.disk.free = enough
				time.Sleep(freeFor)
				if err := w.Check(); err != nil {
					t.Errorf("with space again Check got %v, want nil", err)
				}
				after := insert(t, w, `{"a":2}`, Options{})
				sealAll(w)
				wantIDs(t, w, concat(before, after), ready)
			})
		})
	}
}

func wantBusy(t *testing.T, err error, code string) {
	t.Helper()
	if fault.Of(err) != fault.Busy || fault.CodeOf(err) != code || fault.AfterOf(err) <= 0 {
		t.Errorf("got %v, code %s, after %v, want %s", err, fault.CodeOf(err), fault.AfterOf(err), code)
	}
}

// The disk is looked at once a while, not for each insert.
func TestFreeSpaceIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		d := disk{least: 1, free: func() (int64, error) {
			looks++
			return 1, nil
		}}
		for range 100 {
			if err := d.check(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(freeFor / 10)
		}
		if looks != 10 {
			t.Errorf("got %d looks in %v, want 10", looks, 10*freeFor)
		}
	})
}

func TestFreeSpaceOfARealDisk(t *testing.T) {
	if free, err := freeSpace(t.TempDir()); err != nil || free <= 0 {
		t.Errorf("got %d, %v, want some", free, err)
	}
	w := newWriter(t, func(c *Config) { c.FreeSpace = 1 << 62 })
	wantBusy(t, insertFails(t, w, "{}", Options{}), "disk_low")
}
