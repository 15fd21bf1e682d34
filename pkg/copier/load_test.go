package copier

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

// dead gives the batches that could not be loaded.
func (p *plant) dead() []control.Batch {
	p.t.Helper()
	dead, err := p.stores.Control.Dead().List(p.t.Context(), "")
	if err != nil {
		p.t.Fatal(err)
	}
	return dead
}

// A batch that cannot be loaded fails its copy, which says which one that is, and no more are sent. It waits among the dead
// ones, where it can be replayed.
func TestDeadBatchFailsItsCopy(t *testing.T) {
	const rows, batches = 300, 30
	bubble(t, map[string]answer{"many": numbers(rows, 100, 0)}, func(t *testing.T, p *plant) {
		p.loading.Count = inFlight // so that none that is on its way is delayed for others
		id := p.copy("many", "events")
		second := batchID(control.Job{ID: id, Run: 1}, 2)
		broken := true
		p.to.Fail = func(b destination.Batch) error { // called one at a time
			if b.ID == second && broken {
				return fault.New(fault.Unprocessable, "full", "the table is full")
			}
			return nil
		}
		p.start(nil)
		j := p.awaitEnd(id, control.JobFailed)
		prefix := fmt.Sprintf("batch %s could not be loaded, and waits among the dead ones: ", second)
		if !strings.HasPrefix(j.Error, prefix) || !strings.Contains(j.Error, "the table is full; ") {
			t.Errorf("got %q, want the batch and its reason", j.Error)
		}
		p.wantTruth(j, rows)
		if loaded := p.to.Loaded(); loaded > 2*inFlight || int64(loaded) != j.Written.Batches || j.Read.Batches != batches {
			t.Errorf("got %d batches loaded, and %d of %d written, want those that were on their way", loaded, j.Written.Batches, j.Read.Batches)
		}
		dead := p.dead()
		if len(dead) != 1 || dead[0].ID != second {
			t.Fatalf("got the dead batches %+v, want %s", dead, second)
		}
		broken = false
		if err := transport.NewGraves(p.stores.Control, p.stores.Queue, p.stores.Blobs).Replay(t.Context(), "2", second); err != nil {
			t.Fatal(err)
		}
		await(t, "the batch is dead", func() bool { return p.to.of("events", id) == j.Written.Rows+10 })
		p.wantNothingLeft()
	})
}

// A batch that was given up by a person while its copy waited for it fails the copy too.
func TestDroppedBatchFailsItsCopy(t *testing.T) {
	bubble(t, some(), func(t *testing.T, p *plant) {
		id := p.copy("some", "events")
		first := batchID(control.Job{ID: id, Run: 1}, 1)
		p.loading.Count = 1
		var once atomic.Bool
		p.to.Wait = func(ctx context.Context, b destination.Batch) error {
			if b.ID != first || once.Swap(true) {
				return rest(ctx, time.Second)
			}
			if err := rest(ctx, 300*time.Millisecond); err != nil { // in which the copy comes to wait for it
				return err
			}
			store := p.stores.Control // as it dies in another process, which tells nobody here, and is dropped at once
			err := store.Batches().Settle(ctx, first, control.Outcome{State: control.StateDead, Reason: "x"})
			if err == nil {
				err = transport.NewGraves(store, p.stores.Queue, p.stores.Blobs).Drop(ctx, "2", first)
			}
			if err != nil {
				t.Error(err)
			}
			return rest(ctx, time.Minute)
		}
		p.start(nil)
		j := p.awaitEnd(id, control.JobFailed)
		if want := "batch " + first + " could not be loaded, and was dropped; "; !strings.HasPrefix(j.Error, want) {
			t.Errorf("got %q, want %q", j.Error, want)
		}
		p.endAll()
	})
}

// A destination that is not there any more fails what it is needed for.
func TestDestinationThatIsRemoved(t *testing.T) {
	t.Run("the source", func(t *testing.T) {
		bubble(t, some(), func(t *testing.T, p *plant) {
			q := p.start(nil)
			if err := q.dests.Remove(t.Context(), "1"); err != nil {
				t.Fatal(err)
			}
			j := p.awaitEnd(p.copy("some", "events"), control.JobFailed)
			if want := `no destination has the id "1"; nothing was loaded`; j.Error != want {
				t.Errorf("got %q, want %q", j.Error, want)
			}
			p.wantTruth(j, 0)
			p.wantNothingLeft()
		})
	})
	t.Run("the destination", func(t *testing.T) {
		bubble(t, some(), func(t *testing.T, p *plant) {
			id := p.copy("some", "events")
			q := p.start(nil)
			p.awaitWritten(id, 10)
			if err := q.dests.Remove(t.Context(), "2"); err != nil {
				t.Fatal(err)
			}
			j := p.awaitEnd(id, control.JobFailed)
			if !strings.Contains(j.Error, `no destination has the id "2"`) || !strings.HasPrefix(j.Error, "batch "+j.ID[:len(id)-8]) {
				t.Errorf("got %q, want the batch and that its destination is not there", j.Error)
			}
			p.wantTruth(j, someRows)
			for _, b := range p.dead() {
				if err := transport.NewGraves(p.stores.Control, p.stores.Queue, p.stores.Blobs).Drop(t.Context(), "", b.ID); err != nil {
					t.Error(err)
				}
			}
			p.wantNothingLeft()
		})
	})
}

func TestCopyOntoItself(t *testing.T) {
	bubble(t, some(), func(t *testing.T, p *plant) {
		p.from.Wait = func(ctx context.Context, b destination.Batch) error { p.wantLoading(ctx, b); return nil }
		id := p.copyTo("1", "some", "events")
		p.start(nil)
		j := p.awaitEnd(id, control.JobDone)
		if n := p.from.of("events", id); n != someRows || j.Counted != someRows {
			t.Errorf("got %d rows, %d counted, want %d", n, j.Counted, someRows)
		}
		p.from.wantNumbers(t, someRows)
		p.wantNothingLeft()
	})
}

// In the end the rows are counted in the table. A destination that cannot be asked leaves that open.
func TestRowsAreCounted(t *testing.T) {
	for _, tt := range []struct {
		name        string
		destination string
		count       func() (int64, bool)
		counted     int64
		want        string
	}{
		{"all are there", "2", nil, someRows, ""},
		{"counted without a sign", "2", func() (int64, bool) { return 0, true }, someRows, ""},
		{"somebody deleted some", "2", func() (int64, bool) { return -3, false }, someRows - 3, "the answer had 57 rows, the table has 54 of them; 57 of 57 rows were loaded, and have the __batch_file "},
		{"somebody deleted all", "2", func() (int64, bool) { return -57, false }, 0, "the answer had 57 rows, the table has 0 of them; 57 of 57 rows were loaded, and have the __batch_file "},
		{"somebody doubled some", "2", func() (int64, bool) { return 5, true }, someRows + 5, "the answer had 57 rows, the table has 62 of them; 57 of 57 rows were loaded, and have the __batch_file "},
		{"nobody can ask", "mute", nil, -1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, some(), func(t *testing.T, p *plant) {
				p.to.count = tt.count
				id := p.copyTo(tt.destination, "some", "events")
				p.start(nil)
				want, text := control.JobDone, tt.want
				if text != "" {
					want, text = control.JobFailed, text+id
				}
				j := p.awaitEnd(id, want)
				if j.Counted != tt.counted || j.Error != text || j.Written.Rows != someRows {
					t.Errorf("got %d counted, %q, want %d, %q", j.Counted, j.Error, tt.counted, text)
				}
				r := ReportOf(j, time.Now())
				if open := r.RowsCounted == nil && r.Difference == nil; open != (tt.counted < 0) || !open && *r.Difference != someRows-tt.counted {
					t.Errorf("got the report %+v", r)
				}
				p.wantNothingLeft()
			})
		})
	}
}
