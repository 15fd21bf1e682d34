package copier

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/transport/transporttest"
)

// some is an answer of 57 rows that takes a while.
func some() map[string]answer { return map[string]answer{"some": numbers(57, 8, 300*time.Millisecond)} }

const someRows = 57

func (p *plant) cancel(id string) control.Job {
	p.t.Helper()
	j, err := p.copies.Cancel(p.t.Context(), "1", id)
	if err != nil {
		p.t.Error(err)
	}
	return j
}

// awaitWritten waits until so many rows of the copy are noted as written.
func (p *plant) awaitWritten(id string, rows int64) {
	p.t.Helper()
	await(p.t, fmt.Sprintf("%d rows are not written", rows), func() bool { return p.job(id).Written.Rows >= rows })
}

func TestCancelWhileQueued(t *testing.T) {
	bubble(t, some(), func(t *testing.T, p *plant) {
		id := p.copy("some", "events")
		if j := p.cancel(id); j.State != control.JobCanceled || j.Error != "" || j.Finished.IsZero() {
			t.Errorf("got %+v, want it canceled", j)
		}
		p.start(nil)
		other := p.copy("some", "events")
		p.wantTruth(p.awaitEnd(other, control.JobDone), someRows)
		p.wantTruth(p.awaitEnd(id, control.JobCanceled), someRows)
		if got := p.from.questions(); got != 1 {
			t.Errorf("got %d questions, want that of the other copy alone", got)
		}
		p.wantNothingLeft()
	})
}

func TestCancelWhileReading(t *testing.T) {
	var told atomic.Bool
	endless := func(ctx context.Context, out result.Writer) error {
		err := numbers(1<<30, 8, 300*time.Millisecond)(ctx, out)
		told.Store(ctx.Err() != nil)
		return err
	}
	bubble(t, map[string]answer{"endless": endless}, func(t *testing.T, p *plant) {
		id := p.copy("endless", "events")
		p.start(nil)
		await(t, "nothing is read", func() bool { return p.job(id).Read.Batches > 2 })
		if j := p.cancel(id); j.State != control.JobReading || !j.Canceling {
			t.Errorf("got %+v, want it reading and canceling", j)
		}
		start := time.Now()
		j := p.awaitEnd(id, control.JobCanceled)
		if took := time.Since(start); took > 2*testEvery || !told.Load() {
			t.Errorf("the query ended %v, and the copy after %v: want both soon", told.Load(), took)
		}
		if j.Error != "canceled; nothing was loaded" {
			t.Errorf("got %q", j.Error)
		}
		p.wantTruth(j, 0)
		p.wantNothingLeft()
		if _, err := p.to.Columns(t.Context(), j.Table); !errors.Is(err, fault.NotFound) {
			t.Errorf("the table is there: %v", err)
		}
	})
}

// What is on its way when a copy is canceled is waited for, the rest is not sent.
func TestCancelWhileLoading(t *testing.T) {
	bubble(t, some(), func(t *testing.T, p *plant) {
		p.to.Wait = func(ctx context.Context, b destination.Batch) error {
			p.wantLoading(ctx, b)
			return rest(ctx, 20*time.Second)
		}
		id := p.copy("some", "events")
		p.start(nil)
		p.awaitWritten(id, 10)
		p.cancel(id)
		j := p.awaitEnd(id, control.JobCanceled)
		p.wantTruth(j, someRows)
		if loaded := p.to.Loaded(); loaded == 0 || loaded > 2+inFlight || int64(loaded) != j.Written.Batches {
			t.Errorf("got %d batches loaded, of %d the job knows, want those that were on their way: %d at most", loaded, j.Written.Batches, 2+inFlight)
		}
		p.wantNothingLeft()
	})
}

// A copy that is canceled does not wait for ever, and says that more may come.
func TestCancelWhileALoadHangs(t *testing.T) {
	bubble(t, some(), func(t *testing.T, p *plant) {
		p.to.Wait = func(ctx context.Context, _ destination.Batch) error { return rest(ctx, 5*time.Minute) }
		id := p.copy("some", "events")
		p.start(nil)
		await(t, "nothing is sent", func() bool {
			n, _, err := p.stores.Control.Batches().Pending(t.Context())
			return err == nil && n == inFlight
		})
		p.cancel(id)
		start := time.Now()
		j := p.awaitEnd(id, control.JobCanceled)
		if took := time.Since(start); took < patience || took > patience+5*time.Second {
			t.Errorf("it ended after %v, want %v", took, patience)
		}
		if want := fmt.Sprintf("canceled; 0 of 57 rows were loaded, 40 more are on their way, and have the __batch_file %s", id); j.Error != want {
			t.Errorf("got  %s\nwant %s", j.Error, want)
		}
		await(t, "what was on its way is not loaded", func() bool { return p.to.of("events", id) == 40 })
		p.wantNothingLeft()
	})
}

func TestCancelOfAnEndedCopy(t *testing.T) {
	bubble(t, some(), func(t *testing.T, p *plant) {
		id := p.copy("some", "events")
		p.start(nil)
		done := p.awaitEnd(id, control.JobDone)
		if j := p.cancel(id); j.State != control.JobDone || j.Canceling || !j.Finished.Equal(done.Finished) {
			t.Errorf("got %+v, want it done as it was", j)
		}
		for _, tt := range []struct{ source, id string }{{"2", id}, {"1", "none"}, {"", id}} {
			if _, err := p.copies.Cancel(t.Context(), tt.source, tt.id); !errors.Is(err, fault.NotFound) || fault.CodeOf(err) != "unknown_job" {
				t.Errorf("%q of %q: got %v, want it unknown", tt.id, tt.source, err)
			}
		}
		p.wantNothingLeft()
	})
}

// A copy that is canceled just before it commits loads nothing, and one whose last step is under way is done.
func TestCancelAtTheEdges(t *testing.T) {
	for _, tt := range []struct {
		name string
		when func(p *plant, cancel func())
		want control.JobState
		text string
	}{
		{"before the commit", func(p *plant, cancel func()) {
			p.hooks.save = func(j control.Job, noted bool) {
				if j.State == control.JobLoading && !noted {
					cancel()
				}
			}
		}, control.JobCanceled, "canceled; 0 of 57 rows were loaded, and have"},
		{"after the commit", func(p *plant, cancel func()) {
			p.hooks.save = func(j control.Job, noted bool) {
				if j.State == control.JobLoading && noted {
					cancel()
				}
			}
		}, control.JobCanceled, " of 57 rows were loaded, and have"},
		{"while counting", func(p *plant, cancel func()) {
			p.to.count = func() (int64, bool) { cancel(); return 0, false }
		}, control.JobDone, ""},
		{"before the end is noted", func(p *plant, cancel func()) {
			p.hooks.save = func(j control.Job, noted bool) {
				if strings.Contains(string(j.Plan), `"end"`) && !noted {
					cancel()
				}
			}
		}, control.JobDone, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, some(), func(t *testing.T, p *plant) {
				id := p.copy("some", "events")
				var canceled atomic.Bool
				tt.when(p, func() {
					if !canceled.Swap(true) {
						p.cancel(id)
					}
				})
				p.start(nil)
				j := p.awaitEnd(id, tt.want)
				if !canceled.Load() || !strings.Contains(j.Error, tt.text) {
					t.Errorf("asked to cancel %t, got %q, want %q", canceled.Load(), j.Error, tt.text)
				}
				p.wantTruth(j, someRows)
				p.wantNothingLeft()
			})
		})
	}
}

// A copy that is canceled while nobody works on it is ended by whoever comes next, who does not know which batches are on
// their way: one may be noted as sent without a message.
func TestCancelAfterACrash(t *testing.T) {
	for _, f := range []transporttest.Fault{
		{Op: opRows, Skip: 4, Crash: true},
		{Op: transporttest.OpShipped, Skip: 3, Crash: true},
		{Op: transporttest.OpShipped, Skip: 3, Crash: true, Lost: true},
		{Op: transporttest.OpSend, Crash: true},
		{Op: transporttest.OpSend, Skip: 3, Crash: true},
		{Op: transporttest.OpSend, Skip: 3, Crash: true, Lost: true},
		{Op: opCount, Crash: true},
	} {
		t.Run(fmt.Sprintf("%+v", f), func(t *testing.T) {
			bubble(t, some(), func(t *testing.T, p *plant) {
				id := p.copy("some", "events")
				p.start(transporttest.NewScript(f)).awaitCrash()
				p.restart()
				if j := p.cancel(id); j.State.Ended() || !j.Canceling {
					t.Errorf("got %+v, want it canceling", j)
				}
				p.start(nil)
				p.wantTruth(p.awaitEnd(id, control.JobCanceled), someRows)
				p.wantNothingLeft()
			})
		})
	}
}

// A copy that is canceled while the queue is down ends when it is back, and nothing stays noted as on its way.
func TestCancelWhileTheQueueIsDown(t *testing.T) {
	bubble(t, some(), func(t *testing.T, p *plant) {
		var down []transporttest.Fault
		for range 100 {
			down = append(down, transporttest.Fault{Op: transporttest.OpSend})
		}
		id := p.copy("some", "events")
		q := p.start(transporttest.NewScript(down...))
		p.awaitState(id, control.JobLoading)
		p.cancel(id)
		p.wantTruth(p.awaitEnd(id, control.JobCanceled), someRows)
		if left := q.script.Unused(); len(left) > 0 {
			t.Errorf("it ended before the queue was back: %d calls would have failed", len(left))
		}
		p.wantNothingLeft()
	})
}
