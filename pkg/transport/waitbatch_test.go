package transport

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/transport/transporttest"
)

// batchOf gives the batch of an insert, once it is sent.
func (p *plant) batchOf(receipt string) (batch string) {
	p.t.Helper()
	await(p.t, "the batch is not sent", func() bool {
		rec, err := p.receipts.Find(p.t.Context(), receipt)
		batch = rec.Batch
		return err == nil && rec.State != StateAccepted
	})
	return batch
}

// A batch is waited for until it is loaded or dead: what the own workers do is learnt at once, what others do by asking.
func TestWaitBatch(t *testing.T) {
	const loadTime = 10*time.Second + 123*time.Millisecond // no multiple of the polls
	for _, tt := range []struct {
		name   string
		rows   int
		follow bool
		want   control.State
		within time.Duration
	}{
		{"loaded by own workers", 3, true, control.StateLoaded, 0},
		{"loaded by another process's", 3, false, control.StateLoaded, pollOthers},
		{"dead by own workers", 7, true, control.StateDead, 0},
		{"dead by another process's", 7, false, control.StateDead, pollOthers},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newShelf()
			poison(s, fault.New(fault.Unprocessable, "bad", "the table is on fire"))
			var done time.Time
			s.Wait = func(ctx context.Context, _ destination.Batch) error {
				sleep(ctx, loadTime)
				done = time.Now()
				return nil
			}
			bubble(t, destination.ByID{"1": s}, nil, func(t *testing.T, p *plant) {
				r := NewReceipts(nil, p.control.Batches())
				if tt.follow {
					r.Follow(p.workers)
				}
				batch := p.batchOf(p.insert("1", "events", tt.rows))
				b, err := r.WaitBatch(t.Context(), batch)
				if err != nil || b.ID != batch || b.State != tt.want || b.Rows != int64(tt.rows) || (b.Reason == "") != (tt.want == control.StateLoaded) {
					t.Errorf("got %+v, %v, want %s", b, err, tt.want)
				}
				if late := time.Since(done); late > tt.within {
					t.Errorf("learnt it after %v, want %v", late, tt.within)
				}
				if again, err := r.WaitBatch(t.Context(), batch); err != nil || again.State != tt.want {
					t.Errorf("one that is settled: got %+v, %v", again, err)
				}
			})
		})
	}
}

// When the context ends first, that is the error, beside how far the batch had come.
func TestWaitBatchThatEndsEarly(t *testing.T) {
	s := newShelf()
	s.Wait = func(ctx context.Context, _ destination.Batch) error { sleep(ctx, testPatient/2); return nil }
	bubble(t, destination.ByID{"1": s}, nil, func(t *testing.T, p *plant) {
		batch := p.batchOf(p.insert("1", "events", 3))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute+pollOthers/2)
		defer cancel()
		start := time.Now()
		b, err := p.receipts.WaitBatch(ctx, batch)
		if !errors.Is(err, context.DeadlineExceeded) || b.ID != batch || b.State != control.StateShipped {
			t.Errorf("got %+v, %v, want it shipped and %v", b, err, context.DeadlineExceeded)
		}
		if took := time.Since(start); took != time.Minute+pollOthers/2 {
			t.Errorf("waited %v", took)
		}
		if _, err := p.receipts.WaitBatch(t.Context(), "01HX0000000000000000000000"); !errors.Is(err, fault.NotFound) {
			t.Errorf("an unknown batch: got %v, want %v", err, fault.NotFound)
		}
		if _, err := p.receipts.WaitBatch(ctx, batch); err == nil {
			t.Error("a wait that was over before it began gave no error")
		}
		p.awaitIdle()
	})
}

// brokenLater is a record of batches that can be asked once.
type brokenLater struct {
	control.Batches
	asked bool
}

func (b *brokenLater) Find(ctx context.Context, id string) (control.Batch, error) {
	if b.asked {
		return control.Batch{}, errScripted
	}
	b.asked = true
	return b.Batches.Find(ctx, id)
}

// A store that cannot be asked ends the wait, which tells what was known before.
func TestWaitBatchWithoutItsStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stores := &transporttest.Stores{Kind: "memory", Dir: t.TempDir()}
		stores.Open(t)
		batch := control.Batch{ID: "01HX0000000000000000000000", Destination: "1", Table: tableOf(t, "events"), State: control.StateShipped, Created: time.Now()}
		if err := stores.Control.Batches().Shipped(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		r := NewReceipts(nil, &brokenLater{Batches: stores.Control.Batches()})
		b, err := r.WaitBatch(t.Context(), batch.ID)
		if !errors.Is(err, errScripted) || b.State != control.StateShipped {
			t.Errorf("got %+v, %v, want it shipped and %v", b, err, errScripted)
		}
		stores.Close(t, true)
	})
}

// Room looks at the disk when it is asked, and not when a message is to be taken alone.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, "memory", destination.ByID{"1": newShelf()})
		p.open(newScript())
		free, odd := int64(99), error(nil)
		p.workers.disk.need = 100
		p.workers.disk.free = func(string) (int64, error) { return free, odd }
		for range 2 {
			if err := p.workers.Room(); !errors.Is(err, fault.Busy) || fault.CodeOf(err) != "disk_low" {
				t.Errorf("got %v, want the disk too full", err)
			}
		}
		if err := p.workers.Check(); err == nil {
			t.Error("the workers do not say that the disk is too full")
		}
		free = 100
		if err := errors.Join(p.workers.Room(), p.workers.Check()); err != nil {
			t.Errorf("got %v, want room", err)
		}
		free, odd = 0, errors.New("no such disk")
		if err := p.workers.Room(); err != nil {
			t.Errorf("a disk that cannot be asked: got %v, want room", err)
		}
		p.close(true)
	})
}
