package transport

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
)

// repeated gives n failures of op whose call is not made.
func repeated(op string, n int) (faults []scripted) {
	for range n {
		faults = append(faults, scripted{Op: op})
	}
	return faults
}

// messages takes all messages out of the plant's queue.
func (p *plant) messages() (list []Shipment) {
	p.t.Helper()
	for {
		ctx, cancel := context.WithTimeout(p.t.Context(), time.Second)
		m, err := p.stores.Queue.Receive(ctx, time.Hour)
		cancel()
		if err != nil {
			return list
		}
		s, err := parseShipment(m.Body)
		if err != nil {
			p.t.Fatal(err)
		}
		list = append(list, s)
	}
}

func TestUploaderWaitsOutAnOutage(t *testing.T) {
	for _, tt := range []struct {
		name   string
		faults []scripted
	}{
		{"blob store", repeated(opPut, 15)},
		{"control store", repeated(opShipped, 15)},
		{"queue", repeated(opSend, 15)},
		{"the folder", repeated(opDone, 15)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlant(t, "memory", destination.ByID{"1": newShelf()})
				p.open(newScript(tt.faults...))
				receipt := p.insert("1", "events", 3)
				ctx, cancel := context.WithCancel(t.Context())
				p.run(ctx, p.uploader.Run)
				await(t, "the batch is with the writer", func() bool { _, waiting := p.writer.Oldest(); return !waiting })
				if left := p.script.Unused(); len(left) > 0 {
					t.Errorf("faults that did not happen: %+v", left)
				}
				list := p.messages()
				if len(list) != 1 {
					t.Fatalf("got %d messages, want 1", len(list))
				}
				s := list[0]
				if s.Destination != "1" || s.Table.String() != "events" || s.Rows != 3 || s.Bytes == 0 || len(s.Seen) < 2 {
					t.Errorf("got %+v", s)
				}
				r, err := p.stores.Blobs.Get(t.Context(), s.Key)
				if err != nil {
					t.Fatal(err)
				}
				rows, err := io.ReadAll(r)
				if err != nil || strings.Count(string(rows), "\n") != 3 || int64(len(rows)) != s.Bytes {
					t.Errorf("the blob has other rows: %q, %v", rows, err)
				}
				if rec := p.find(receipt); rec.State != StateShipped || rec.BatchRows != 3 {
					t.Errorf("got %+v", rec)
				}
				cancel()
				p.close(true)
			})
		})
	}
}

func (p *plant) find(receipt string) Receipt {
	p.t.Helper()
	rec, err := p.receipts.Find(p.t.Context(), receipt)
	if err != nil {
		p.t.Fatal(err)
	}
	return rec
}

// TestUploaderEndsWithTheWriter checks that what the writer seals when it stops is shipped, and that nobody need tell the
// uploader that it was the last.
func TestUploaderEndsWithTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, "memory", destination.ByID{"1": newShelf()})
		p.open(newScript())
		p.run(t.Context(), p.uploader.Run)
		p.insert("1", "events", 3)
		p.insert("1", "clicks", 3)
		p.stop()
		p.parts.Wait()
		if list := p.messages(); len(list) != 2 {
			t.Errorf("got %d messages, want 2", len(list))
		}
		p.close(true)
	})
}

func TestUploaderStopsInAnOutage(t *testing.T) {
	s := newShelf()
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, "local", destination.ByID{"1": s})
		p.open(newScript(repeated(opPut, 1000)...))
		p.start()
		p.insert("1", "events", 3)
		sleep(t.Context(), 10*time.Minute)
		p.close(false)
		p.open(newScript())
		p.start()
		p.awaitIdle()
		p.wantOnce(s)
		p.close(true)
	})
}

func TestMetrics(t *testing.T) {
	s := newShelf()
	poison(s, errInvalid)
	bubble(t, destination.ByID{"1": s}, nil, func(t *testing.T, p *plant) {
		p.wait(p.insert("1", "events", 5), StateLoaded)
		p.wait(p.insert("1", "poison", 7), StateDead)
		p.wait(p.insert("9", "nowhere", 1), StateDead)
		for name, want := range map[string]float64{
			"scratchdata_batches_total shipped":        3,
			"scratchdata_batches_total loaded":         1,
			"scratchdata_batches_total dead":           2,
			"scratchdata_dead_batches":                 2,
			"scratchdata_loaded_rows_total 1":          5,
			"scratchdata_rescued_values_total 1 unfit": 0,
			"scratchdata_load_seconds 1":               2,
			"scratchdata_load_seconds unknown":         1,
			"scratchdata_loads_in_progress 1":          0,
			"scratchdata_workers_paused":               0,
			"scratchdata_ship_failures_total":          0,
		} {
			p.awaitMetric(name, want)
		}
		id := p.wantDead(2)[0].ID
		if err := p.graves.Drop(t.Context(), "", id); err != nil {
			t.Fatal(err)
		}
		sleep(t.Context(), 2*gravesEvery) // as by another process: it is looked at now and then
		if got := p.metrics()["scratchdata_dead_batches"]; got != 1 {
			t.Errorf("got %v dead batches after one was dropped, want 1", got)
		}
	})
}

// awaitMetric waits until the metric is there with the value: what happens is counted a moment after others can see it.
func (p *plant) awaitMetric(name string, want float64) {
	p.t.Helper()
	await(p.t, fmt.Sprintf("%s is not %v", name, want), func() bool {
		got, ok := p.metrics()[name]
		return ok && got == want
	})
}

// metrics gives every metric by name and label value; of a histogram the count.
func (p *plant) metrics() map[string]float64 {
	p.t.Helper()
	families, err := p.registry.Gather()
	if err != nil {
		p.t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return values
}

// TestBatchIsKnownWhereverItIs asks for a receipt at every step of the way: an accepted insert is never unknown.
func TestBatchIsKnownWhereverItIs(t *testing.T) {
	bubble(t, destination.ByID{"1": newShelf()}, nil, func(t *testing.T, p *plant) {
		receipt := p.insert("1", "events", 1)
		order := map[string]int{StateAccepted: 0, StateShipped: 1, StateLoaded: 2}
		last := StateAccepted
		await(t, "the batch is not loaded", func() bool {
			rec := p.find(receipt)
			if order[rec.State] < order[last] {
				t.Errorf("%s after %s", rec.State, last)
			}
			last = rec.State
			return rec.State == string(control.StateLoaded)
		})
	})
}
