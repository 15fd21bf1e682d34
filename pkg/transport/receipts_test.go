package transport

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
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
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if rec, err := p.receipts.Wait(ctx, receipt); err != nil || rec.State != StateShipped {
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
			for name, ask := range map[string]func(context.Context, string) (Receipt, error){
				"find": p.receipts.Find, "wait": p.receipts.Wait} {
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
				rec, err := r.Wait(t.Context(), p.insert("1", "events", 1))
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
