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

func TestReceiptFollowsTheBatch(t *testing.T) {
	s := newShelf()
	gate := make(chan struct{})
	s.Wait = func(context.Context, destination.Batch) error { <-gate; return nil }
	synctest.Test(t, func(t *testing.T) {
		gate = make(chan struct{})
		p := newPlant(t, "memory", destination.ByID{"1": s})
		p.open(newScript())
		p.insert("1", "events", 5)
		receipt := p.insert("1", "events", 2)
		rec, err := p.receipts.Find(t.Context(), receipt)
		if err != nil || rec.State != StateAccepted || rec.Rows != 2 || rec.Receipt != receipt || rec.Destination != "1" || rec.Table != "events" {
			t.Errorf("before it is shipped: got %+v, %v", rec, err)
		}
		p.start()
		await(t, "the batch is not shipped", func() bool {
			rec, err = p.receipts.Find(t.Context(), receipt)
			return err == nil && rec.State == StateShipped && rec.Attempts == 1
		})
		if rec.Rows != 2 || rec.BatchRows != 7 || rec.Destination != "1" || rec.Table != "events" {
			t.Errorf("shipped: got %+v", rec)
		}
		if rec, err := p.receipts.Wait(t.Context(), receipt, time.Minute); err != nil || rec.State != StateShipped {
			t.Errorf("wait that ends before the load: got %+v, %v, want %s and no error", rec, err, StateShipped)
		}
		close(gate)
		if rec := p.wait(receipt, StateLoaded); rec.Rows != 2 || rec.BatchRows != 7 {
			t.Errorf("loaded: got %+v", rec)
		}
		p.awaitIdle()
		p.close(true)
	})
}

func TestReceiptThatIsNone(t *testing.T) {
	bubble(t, destination.ByID{"1": newShelf()}, nil, func(t *testing.T, p *plant) {
		for _, tt := range []struct {
			receipt string
			want    fault.Kind
		}{{"", fault.Invalid}, {"hello", fault.Invalid}, {"01HX0000000000000000000000", fault.NotFound}} {
			wait := func(ctx context.Context, receipt string) (Receipt, error) {
				return p.receipts.Wait(ctx, receipt, testPatient)
			}
			for name, ask := range map[string]func(context.Context, string) (Receipt, error){"find": p.receipts.Find, "wait": wait} {
				if _, err := ask(t.Context(), tt.receipt); !errors.Is(err, tt.want) {
					t.Errorf("%s %q: got %v, want %v", name, tt.receipt, err, tt.want)
				}
			}
		}
		if _, err := NewReceipts(nil, p.control.Batches()).Find(t.Context(), "01HX0000000000000000000000"); !errors.Is(err, fault.NotFound) {
			t.Errorf("without a writer: got %v, want %v", err, fault.NotFound)
		}
	})
}

// lateBatches takes a while to find a batch.
type lateBatches struct {
	control.Batches
	takes time.Duration
}

func (l lateBatches) Find(ctx context.Context, id string) (control.Batch, error) {
	if sleep(ctx, l.takes); ctx.Err() != nil {
		return control.Batch{}, ctx.Err()
	}
	return l.Batches.Find(ctx, id)
}

// A wait that is over before the first look has ended tells how far the insert is all the same.
func TestShortWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, "memory", destination.ByID{"1": newShelf()})
		p.open(newScript())
		receipt := p.insert("1", "events", 1)
		r := NewReceipts(p.writer, lateBatches{p.control.Batches(), time.Second})
		for _, timeout := range []time.Duration{0, time.Millisecond, time.Second, 1100 * time.Millisecond} {
			if rec, err := r.Wait(t.Context(), receipt, timeout); err != nil || rec.State != StateAccepted {
				t.Errorf("%v: got %+v, %v, want %s and no error", timeout, rec, err, StateAccepted)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if rec, err := r.Wait(ctx, receipt, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller's own time is over: got %+v, %v, want %v", rec, err, context.DeadlineExceeded)
		}
		p.close(true)
	})
}

// A wait that fails gives what it knew before.
func TestWaitThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, "memory", destination.ByID{"1": newShelf()})
		s := newScript(scripted{Op: transporttest.OpFind, Skip: 1})
		p.open(s)
		if rec, err := p.receipts.Wait(t.Context(), p.insert("1", "events", 1), time.Minute); err == nil || rec.State != StateAccepted {
			t.Errorf("got %+v, %v, want %s and the failure", rec, err, StateAccepted)
		}
		if left := s.Unused(); len(left) > 0 {
			t.Errorf("it did not happen: %+v", left)
		}
		p.close(true)
	})
}

// TestWaitLearnsAtOnce checks that the workers of the same process wake those who wait, and that others are found by
// asking.
func TestWaitLearnsAtOnce(t *testing.T) {
	const loadTime = 10*time.Second + 123*time.Millisecond // no multiple of the polls
	for _, tt := range []struct {
		name   string
		follow bool
		within time.Duration
	}{{"own workers", true, 0}, {"another process's", false, pollOthers}} {
		t.Run(tt.name, func(t *testing.T) {
			s := newShelf()
			var done time.Time
			s.Wait = func(ctx context.Context, _ destination.Batch) error {
				sleep(ctx, loadTime)
				done = time.Now()
				return nil
			}
			bubble(t, destination.ByID{"1": s}, nil, func(t *testing.T, p *plant) {
				r := NewReceipts(p.writer, p.control.Batches())
				if tt.follow {
					r.Follow(p.workers)
				}
				rec, err := r.Wait(t.Context(), p.insert("1", "events", 1), testPatient)
				if err != nil || rec.State != StateLoaded {
					t.Errorf("got %+v, %v", rec, err)
				}
				if late := time.Since(done); late > tt.within {
					t.Errorf("learnt it after %v, want %v", late, tt.within)
				}
				p.awaitIdle()
			})
		})
	}
}
