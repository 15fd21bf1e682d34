package transport

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/transport/transporttest"
)

func TestKeyOf(t *testing.T) {
	for _, tt := range []struct{ destination, table, want string }{
		{"1", "events", "1/events/01HX0000000000000000000000.ndjson"},
		{"a-b_c", "shop.my events", "a-b_c/shop.my events/01HX0000000000000000000000.ndjson"},
	} {
		got := KeyOf(tt.destination, tableOf(t, tt.table), "01HX0000000000000000000000")
		if err := blobstore.CheckKey(got); got != tt.want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, tt.want)
		}
	}
}

// courierOf gives a courier between stores of the kind, under a script.
func courierOf(t *testing.T, kind string, faults ...scripted) (*Courier, *transporttest.Stores) {
	t.Helper()
	stores := &transporttest.Stores{Kind: kind, Dir: t.TempDir()}
	stores.Open(t)
	t.Cleanup(func() { stores.Close(t, true) })
	s := newScript(faults...)
	t.Cleanup(func() {
		if left := s.Unused(); len(left) > 0 {
			t.Errorf("faults that did not happen: %+v", left)
		}
	})
	return NewCourier(transporttest.Blobs(stores.Blobs, s), transporttest.Queue(stores.Queue, s), transporttest.Control(stores.Control, s).Batches()), stores
}

// A file that was put is a blob, also when it was put before, and stays when the file goes.
func TestCourierPutsAndDeletes(t *testing.T) {
	const key, rows = "1/events/a.ndjson", `{"__row_id":"a"}` + "\n"
	for _, kind := range []string{"memory", "local"} {
		for _, lost := range []bool{false, true} {
			c, stores := courierOf(t, kind, scripted{Op: opPut, Lost: lost}, scripted{Op: opDeleteBlob, Lost: lost})
			file := filepath.Join(t.TempDir(), "rows")
			if err := os.WriteFile(file, []byte(rows), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := c.Put(t.Context(), key, file); !errors.Is(err, errScripted) || !strings.Contains(err.Error(), key) {
				t.Errorf("%s: put: got %v, want the failure and the key", kind, err)
			}
			if err := errors.Join(c.Put(t.Context(), key, file), os.Remove(file)); err != nil {
				t.Errorf("%s: put again: got %v", kind, err)
			}
			r, err := stores.Blobs.Get(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); string(got) != rows || errors.Join(err, r.Close()) != nil {
				t.Errorf("%s: got the blob %q, %v", kind, got, err)
			}
			if err := c.Delete(t.Context(), key); !errors.Is(err, errScripted) || !strings.Contains(err.Error(), key) {
				t.Errorf("%s: delete: got %v, want the failure and the key", kind, err)
			}
			for range 2 {
				if err := c.Delete(t.Context(), key); err != nil {
					t.Errorf("%s: delete again: got %v", kind, err)
				}
			}
			if _, err := stores.Blobs.Get(t.Context(), key); !errors.Is(err, fault.NotFound) {
				t.Errorf("%s: the deleted blob: got %v, want %v", kind, err, fault.NotFound)
			}
			if err := c.Put(t.Context(), key, file); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: a file that is gone: got %v, want %v", kind, err, os.ErrNotExist)
			}
		}
	}
}

// The record of a batch comes before its message, and both may come again.
func TestCourierSends(t *testing.T) {
	for _, tt := range []struct {
		name     string
		fault    scripted
		known    bool // after the failure
		messages int
	}{
		{"no record", scripted{Op: opShipped}, false, 0},
		{"a record, its answer lost", scripted{Op: opShipped, Lost: true}, true, 0},
		{"no message", scripted{Op: opSend}, true, 0},
		{"a message, its answer lost", scripted{Op: opSend, Lost: true}, true, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, stores := courierOf(t, "memory", tt.fault)
				s := Shipment{Batch: rowid.NewSource().Batch(), File: "F", Destination: "1", Table: tableOf(t, "events"), Key: "k", Rows: 7, Bytes: 70, Created: time.Now()}
				if err := c.Send(t.Context(), s); !errors.Is(err, errScripted) || !strings.Contains(err.Error(), s.Batch) {
					t.Errorf("got %v, want the failure and the batch", err)
				}
				_, err := stores.Control.Batches().Find(t.Context(), s.Batch)
				if known := err == nil; known != tt.known {
					t.Errorf("the record is there: %t (%v), want %t", known, err, tt.known)
				}
				if err := c.Send(t.Context(), s); err != nil {
					t.Errorf("again: got %v", err)
				}
				b, err := stores.Control.Batches().Find(t.Context(), s.Batch)
				if err != nil || b.State != control.StateShipped || b.Rows != 7 || b.Bytes != 70 || b.Destination != "1" || b.Table != s.Table {
					t.Errorf("got the record %+v, %v", b, err)
				}
				for range tt.messages + 1 {
					m, err := stores.Queue.Receive(t.Context(), time.Minute)
					if err != nil {
						t.Fatal(err)
					}
					if got, err := parseShipment(m.Body); err != nil || got.Batch != s.Batch || got.File != "F" || string(m.Body) != string(b.Message) {
						t.Errorf("got the message %s, %v, want that of the record, %s", m.Body, err, b.Message)
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if m, err := stores.Queue.Receive(ctx, time.Minute); err == nil {
					t.Errorf("got one more message: %s", m.Body)
				}
			})
		})
	}
}

// The rows of a shipment get the file that it names, in all of its tables; else they get its batch.
func TestRowsGetTheFileOfTheirShipment(t *testing.T) {
	s := newShelf()
	files := make(map[string]string) // by batch
	bubble(t, destination.ByID{"1": s}, func(p *plant) {
		s.Wait = func(_ context.Context, b destination.Batch) error { files[b.ID] = b.BatchFile(); return nil } // one at a time
		p.cfg.Count = 1
	}, func(t *testing.T, p *plant) {
		courier := NewCourier(p.stores.Blobs, p.stores.Queue, p.control.Batches())
		ids := rowid.NewSource()
		for _, file := range []string{"", ids.Batch()} {
			sh := Shipment{Batch: ids.Batch(), File: file, Destination: "1", Table: tableOf(t, "events"), Rows: 2, Created: time.Now()}
			sh.Parts = append(sh.Parts, partOf(t, "items", 1))
			rows := `{"__row_id":"a"}` + "\n" + `{"__table":"items","__row_id":"b"}` + "\n"
			sh.Key, sh.Bytes = KeyOf(sh.Destination, sh.Table, sh.Batch), int64(len(rows))
			if err := p.stores.Blobs.Put(t.Context(), sh.Key, strings.NewReader(rows)); err != nil {
				t.Fatal(err)
			}
			if err := courier.Send(t.Context(), sh); err != nil {
				t.Fatal(err)
			}
			p.wait(sh.Batch, StateLoaded)
			want := file
			if want == "" {
				want = sh.Batch
			}
			for _, id := range []string{sh.Batch, rowid.Part(sh.Batch, 1)} {
				if files[id] != want {
					t.Errorf("batch %s was loaded with the file %q, want %q", id, files[id], want)
				}
			}
		}
		p.awaitIdle()
	})
}
