package ingest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// soon is time enough for Run to see that a batch is due.
const soon = 2 * lookEvery

// wantReady wants so many ready batches, none of them open.
func wantReady(t *testing.T, w *Writer, want int) {
	t.Helper()
	synctest.Wait()
	if got := len(batchesIn(t, w, ready)); got != want {
		t.Errorf("got %d ready batches, want %d", got, want)
	}
}

func TestRotationByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(t, func(c *Config) { c.MaxAge = time.Minute })
		defer running(t, w)()
		first := insert(t, w, `{"a":1}`, Options{})
		time.Sleep(40 * time.Second)
		second := insert(t, w, `{"a":2}`, Options{})
		time.Sleep(19 * time.Second)
		wantReady(t, w, 0)
		time.Sleep(time.Second + soon) // a minute after the first row, not the second
		wantReady(t, w, 1)
		third := insert(t, w, `{"a":3}`, Options{})
		time.Sleep(59 * time.Second)
		wantReady(t, w, 1)
		time.Sleep(time.Second + soon)
		wantReady(t, w, 2)
		if first.Batch != second.Batch || first.Batch == third.Batch {
			t.Errorf("got batches %s, %s, %s, want the last alone to differ", first.Batch, second.Batch, third.Batch)
		}
		wantIDs(t, w, concat(first, second, third), ready)
		if got := testutil.ToFloat64(w.metrics.sealed.WithLabelValues("age")); got != 2 {
			t.Errorf("got %v batches sealed by age, want 2", got)
		}
	})
}

// A batch that is full is ready at once, and the next insert opens another.
func TestRotationWhenFull(t *testing.T) {
	wide := func(from, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"c%d":1`, from+i)
		}
		return "{" + b.String()[1:] + "}"
	}
	for _, tt := range []struct {
		name, reason string
		change       func(c *Config)
		bodies       []string // the last fills the batch, which those before do not
	}{
		{"rows", "rows", func(c *Config) { c.MaxRows = 5 }, []string{"{}", "[{},{},{}]", "{}"}},
		{"rows, passed by an insert", "rows", func(c *Config) { c.MaxRows = 5 }, []string{"{}", "[{},{},{},{},{},{}]"}},
		{"bytes", "bytes", func(c *Config) { c.MaxBytes = 2000 }, []string{bodyOf(10), bodyOf(4), bodyOf(2)}},
		{"columns", "columns", func(c *Config) { c.Limits.Columns = 20 }, []string{wide(0, 15), wide(5, 15), wide(10, 11)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWriter(t, func(c *Config) {
					c.MaxAge = time.Hour
					tt.change(c)
				})
				defer running(t, w)()
				var all []Inserted
				for _, body := range tt.bodies {
					time.Sleep(time.Second)
					wantReady(t, w, 0)
					all = append(all, insert(t, w, body, Options{}))
				}
				wantReady(t, w, 1)
				wantIDs(t, w, concat(all...), ready)
				if got := testutil.ToFloat64(w.metrics.sealed.WithLabelValues(tt.reason)); got != 1 {
					t.Errorf("got %v batches sealed by %s, want 1", got, tt.reason)
				}
				next := insert(t, w, "{}", Options{})
				if next.Batch == all[0].Batch {
					t.Errorf("the next insert went to %s, want another batch", next.Batch)
				}
				ship(t, w, 1)
			})
		})
	}
}

// A closed batch is handed to Run once, however many inserts find it closed.
func TestHandedOverOnce(t *testing.T) {
	w := newWriter(t, nil)
	in := insert(t, w, "{}", Options{})
	tab := w.table(target{"d", parseTable(t, "events")})
	b := tab.current
	for range 3 {
		w.drop(tab, b)
	}
	if len(w.full) != 1 || w.full[0].b.id != in.Batch {
		t.Errorf("%d batches are handed over, want %s once", len(w.full), in.Batch)
	}
	later := insert(t, w, "{}", Options{})
	w.drop(tab, b)
	if len(w.full) != 1 || tab.current == nil || tab.current.id != later.Batch {
		t.Errorf("a late hand-over took the next batch, want %s to stay open", later.Batch)
	}
	sealAll(w)
	wantIDs(t, w, concat(in, later), ready)
	wantGauges(t, w, 0, 2)
}

// A destination may have limits of its own; what it leaves out is as for the others.
func TestRotationPerDestination(t *testing.T) {
	for _, tt := range []struct {
		name string
		per  Rotation
		want [4]int // ready batches after one row, two rows, a second, a minute
	}{
		{"none", Rotation{}, [4]int{0, 0, 0, 1}},
		{"rows", Rotation{MaxRows: 2}, [4]int{0, 1, 1, 1}},
		{"bytes", Rotation{MaxBytes: 60}, [4]int{0, 1, 1, 1}},
		{"age", Rotation{MaxAge: time.Second}, [4]int{0, 0, 1, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWriter(t, func(c *Config) {
					c.MaxAge = time.Minute
					c.Per = map[string]Rotation{"d": tt.per, "e": {MaxRows: 1, MaxBytes: 1, MaxAge: time.Millisecond}}
				})
				defer running(t, w)()
				for i, step := range []func(){
					func() { insert(t, w, "{}", Options{}) },
					func() { insert(t, w, "{}", Options{}) },
					func() { time.Sleep(time.Second + soon) },
					func() { time.Sleep(time.Minute) },
				} {
					step()
					wantReady(t, w, tt.want[i])
				}
			})
		})
	}
}

// Limits that are changed hold for the batch that is open, but for its time, and for those after it.
func TestRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(t, func(c *Config) {
			c.MaxAge = time.Hour
			c.Per = map[string]Rotation{"d": {MaxAge: time.Minute, MaxRows: 3}}
		})
		defer running(t, w)()
		rotate := func(per map[string]Rotation) {
			t.Helper()
			if err := w.Rotate(per); err != nil {
				t.Fatal(err)
			}
		}
		insert(t, w, "{}", Options{})
		given := map[string]Rotation{"d": {MaxAge: time.Second, MaxRows: 2}}
		rotate(given)
		given["d"] = Rotation{MaxRows: 1} // the caller's own, which the writer does not read any more
		time.Sleep(time.Second + soon)
		wantReady(t, w, 0)
		insert(t, w, "{}", Options{})
		wantReady(t, w, 1)
		insert(t, w, "{}", Options{})
		time.Sleep(time.Second + soon)
		wantReady(t, w, 2)
		rotate(nil)
		insert(t, w, "[{},{},{},{}]", Options{})
		time.Sleep(time.Minute + soon)
		wantReady(t, w, 2)
		if err := w.Rotate(map[string]Rotation{"d": {MaxRows: 1}, "e": {MaxRows: -1}}); err == nil || !strings.Contains(err.Error(), "destination e: max_rows: -1") {
			t.Errorf("got %v, want what is wrong", err)
		}
		time.Sleep(time.Minute)
		wantReady(t, w, 2) // nothing of a mistake is taken
		time.Sleep(time.Hour)
		wantReady(t, w, 3)
	})
}

// Limits change while inserts come in.
func TestRotateUnderLoad(t *testing.T) {
	w := newWriter(t, nil)
	stop := running(t, w)
	const inserters, each = 4, 50
	var wg sync.WaitGroup
	var all [inserters * each]Inserted
	for i := range inserters {
		wg.Go(func() {
			for j := range each {
				all[i*each+j] = insert(t, w, "{}", Options{})
			}
		})
	}
	for i := range 200 {
		if err := w.Rotate(map[string]Rotation{"d": {MaxRows: 1 + i%3}}); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	stop()
	wantIDs(t, w, concat(all[:]...), ready)
}

// Somebody who waits for the rows to be loaded makes their batch ready soon, yet others may still join it.
func TestHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(t, func(c *Config) { c.MaxAge = time.Hour })
		defer running(t, w)()
		first := insert(t, w, `{"a":1}`, Options{})
		time.Sleep(time.Minute)
		wantReady(t, w, 0)
		second := insert(t, w, `{"a":2}`, Options{Hurry: true})
		third := insert(t, w, `{"a":3}`, Options{})
		time.Sleep(hurryAfter / 2)
		wantReady(t, w, 0)
		fourth := insert(t, w, `{"a":4}`, Options{Hurry: true}) // puts nothing off
		time.Sleep(hurryAfter/2 + lookEvery)
		wantReady(t, w, 1)
		wantIDs(t, w, concat(first, second, third, fourth), ready)
	})
}

// While nothing is open Run sleeps: it must still see the next batch, and the one after.
func TestRunWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(t, nil)
		defer running(t, w)()
		for i := range 3 {
			time.Sleep(time.Hour)
			insert(t, w, `{"a":1}`, Options{})
			time.Sleep(w.cfg.MaxAge + soon)
			wantReady(t, w, i+1)
		}
	})
}

// Tables without an open batch are forgotten.
func TestTablesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(t, nil)
		defer running(t, w)()
		for i := range 20 {
			_, err := w.Insert(t.Context(), "d", parseTable(t, fmt.Sprint("t", i)), strings.NewReader("{}"), Options{})
			if err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(w.cfg.MaxAge + soon)
		insert(t, w, "{}", Options{}) // lets Run look once more
		time.Sleep(w.cfg.MaxAge + 2*soon)
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := len(w.tables); n > 1 {
			t.Errorf("got %d tables, want at most the last", n)
		}
	})
}
