package copier

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/transport/transporttest"
)

// A process that is stopped lets go of its copies at once, and the next one brings them to their end: it asks again when the
// answer was not read whole, and goes on where it was when it is being loaded.
func TestStopLetsGoOfTheCopies(t *testing.T) {
	for _, tt := range []struct {
		name  string
		until func(j control.Job) bool
		asked int
	}{
		{"reading", func(j control.Job) bool { return j.Read.Batches > 1 }, 2},
		{"loading", func(j control.Job) bool { return j.Written.Batches > 1 }, 1},
	} {
		for _, kind := range []string{"memory", "local"} {
			t.Run(tt.name+", "+kind, func(t *testing.T) {
				bubbleOf(t, kind, some(), func(t *testing.T, p *plant) {
					id := p.copy("some", "events")
					q := p.start(nil)
					await(t, "it does not come so far", func() bool { return tt.until(p.job(id)) })
					start := time.Now()
					q.end()
					j := p.job(id)
					if took := time.Since(start); took > 2*time.Second || j.State.Ended() || j.Until.After(time.Now()) {
						t.Errorf("stopped after %v, and the copy is %s until %v: want it free at once", took, j.State, j.Until)
					}
					p.wantNoFiles("copy*")
					p.restart()
					p.start(nil)
					await(t, "nobody goes on", func() bool { return p.job(id).Run == 2 })
					if late := time.Since(start); late > 3*time.Second {
						t.Errorf("the next one began after %v", late)
					}
					p.wantTruth(p.awaitEnd(id, control.JobDone), someRows)
					if got := p.from.questions(); got != tt.asked {
						t.Errorf("got %d questions, want %d", got, tt.asked)
					}
					p.wantNothingLeft()
				})
			})
		}
	}
}

// A process that is stopped does not wait for the batches of a copy that is to end: the next one does.
func TestStopWhileBatchesAreWaitedFor(t *testing.T) {
	bubble(t, some(), func(t *testing.T, p *plant) {
		p.to.Wait = func(ctx context.Context, _ destination.Batch) error { return rest(ctx, 50*time.Second) }
		p.hidden = time.Minute // as messages find the destination busy again and again
		id := p.copy("some", "events")
		q := p.start(nil)
		p.awaitWritten(id, 10)
		p.cancel(id)
		if err := rest(t.Context(), 5*time.Second); err != nil {
			t.Fatal(err)
		}
		q.stop()
		start := time.Now()
		await(t, "the copy is not let go of", func() bool { return !p.job(id).Until.After(time.Now()) })
		if took := time.Since(start); took > 2*time.Second || p.job(id).State.Ended() {
			t.Errorf("let go of after %v, as %s", took, p.job(id).State)
		}
		p.start(nil)
		p.wantTruth(p.awaitEnd(id, control.JobCanceled), someRows)
		p.wantNothingLeft()
	})
}

// What a process that died has left in its folder is removed by the next.
func TestLeftFilesAreRemoved(t *testing.T) {
	bubble(t, some(), func(t *testing.T, p *plant) {
		id := p.copy("some", "events")
		dir := filepath.Join(p.dir, "copy0")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "123.ndjson"), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		p.start(nil)
		p.wantTruth(p.awaitEnd(id, control.JobDone), someRows)
		p.wantNothingLeft()
	})
}

// A copy that cannot be brought to its end holds up no other.
func TestCopiesDoNotWaitForEachOther(t *testing.T) {
	answers := map[string]answer{"some": numbers(57, 8, 0), "slow": numbers(57, 1, time.Hour)}
	bubble(t, answers, func(t *testing.T, p *plant) {
		slow := p.copy("slow", "slow")
		p.start(nil)
		p.awaitState(slow, control.JobReading)
		for range 3 {
			start := time.Now()
			id := p.copy("some", "events")
			p.awaitEnd(id, control.JobDone)
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("a copy took %v beside one that is slow", took)
			}
		}
		p.cancel(slow)
		p.wantTruth(p.awaitEnd(slow, control.JobCanceled), 0)
		p.wantNothingLeft()
	})
}

// The queue may be down for long: the copy is tried again and again, and done when it is back.
func TestQueueThatIsDownForLong(t *testing.T) {
	bubble(t, some(), func(t *testing.T, p *plant) {
		var down []transporttest.Fault
		for range 300 {
			down = append(down, transporttest.Fault{Op: transporttest.OpSend})
		}
		id := p.copy("some", "events")
		q := p.start(transporttest.NewScript(down...))
		j := p.awaitEnd(id, control.JobDone)
		if left := q.script.Unused(); len(left) > 0 || j.Run < 2 || p.from.questions() != 1 {
			t.Errorf("%d calls would have failed still, after %d claims and %d questions", len(left), j.Run, p.from.questions())
		}
		p.wantTruth(j, someRows)
		p.wantNothingLeft()
	})
}

func TestWorkerConfig(t *testing.T) {
	good := WorkerConfig{Concurrent: 1, Lease: 3 * time.Second, Every: time.Second}
	for _, tt := range []struct {
		name   string
		change func(c *WorkerConfig)
		want   string
	}{
		{"good", func(*WorkerConfig) {}, ""},
		{"none at a time", func(c *WorkerConfig) { c.Concurrent = 0 }, "concurrent: 0 is less than 1"},
		{"short lease", func(c *WorkerConfig) { c.Lease = time.Second }, "lease: 1s is less than three times 1s"},
		{"never", func(c *WorkerConfig) { c.Every = 0 }, "lease: 3s is less than three times 0s"},
		{"both", func(c *WorkerConfig) { c.Concurrent, c.Lease = -1, 0 }, "concurrent: -1 is less than 1\nlease: 0s is less than three times 1s"},
	} {
		c := good
		tt.change(&c)
		got := ""
		if err := c.Validate(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
