package copier

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/transport/transporttest"
)

// A process whose store does not answer it for longer than its lease gives the copy up, and another one makes it.
func TestTakeoverFromAProcessWithoutItsStore(t *testing.T) {
	var asked atomic.Int32
	var broken sync.Map // how long a question took that was broken off, by its number
	slow := func(ctx context.Context, out result.Writer) error {
		n, start := asked.Add(1), time.Now()
		err := numbers(57, 1, time.Second)(ctx, out)
		if ctx.Err() != nil {
			broken.Store(n, time.Since(start))
		}
		return err
	}
	bubble(t, map[string]answer{"slow": slow}, func(t *testing.T, p *plant) {
		p.cfg.Concurrent = 1
		id := p.copy("slow", "events")
		fails := []transporttest.Fault{{Op: transporttest.OpSave, Skip: 5}}
		for range testPatient / testEvery {
			fails = append(fails, transporttest.Fault{Op: transporttest.OpSave})
		}
		first := p.start(transporttest.NewScript(fails...))
		await(t, "nothing is read", func() bool { return p.job(id).Read.Rows > 0 })
		p.start(nil)
		j := p.awaitEnd(id, control.JobDone)
		if len(first.script.Unused()) == len(fails) || j.Run != 2 || asked.Load() != 2 {
			t.Errorf("got %d claims and %d questions, want two of each", j.Run, asked.Load())
		}
		took, off := broken.Load(int32(1))
		if _, second := broken.Load(int32(2)); second || !off || took.(time.Duration) < testLease || took.(time.Duration) > testLease+6*testEvery {
			t.Errorf("the first question was broken off %t after %v, the second %t: want the first, when its lease had ended", off, took, second)
		}
		p.wantTruth(j, 57)
		p.wantNothingLeft()
	})
}

// freezer lets a process stand still at a step, and with it whatever else it wants to note.
type freezer struct {
	at            func(step any) bool // the step: a control.StagedBatch, or a control.Job that is to be noted, or a noted one
	frozen, thawn chan struct{}
	once, end     sync.Once
}

// noted is a control.Job that was noted.
type noted control.Job

func newFreezer(at func(step any) bool) *freezer {
	return &freezer{at: at, frozen: make(chan struct{}), thawn: make(chan struct{})}
}

func (f *freezer) hooks() hooks {
	return hooks{
		save: func(j control.Job, done bool) {
			if done {
				f.pass(noted(j))
			} else {
				f.pass(j)
			}
		},
		stage: func(b control.StagedBatch) { f.pass(b) },
	}
}

// pass waits at the step. What else is noted meanwhile comes a moment after it.
func (f *freezer) pass(step any) {
	select {
	case <-f.frozen:
		<-f.thawn
		<-time.After(testEvery)
	default:
		if f.at(step) {
			f.once.Do(func() { close(f.frozen) })
			<-f.thawn
		}
	}
}

func (f *freezer) thaw() { f.end.Do(func() { close(f.thawn) }) }

// A process that stands still at a step for longer than its lease has lost the copy: whatever it does when it goes on, each
// row is there once, and nothing that it has stored late is loaded or left over.
func TestTakeoverFromAProcessThatStandsStill(t *testing.T) {
	committed := func(j control.Job) bool { return j.State == control.JobLoading && j.Written.Rows == 0 }
	for _, tt := range []struct {
		name  string
		at    func(step any) bool
		asked int // how often the query
	}{
		{"before it notes a batch", func(s any) bool { b, ok := s.(control.StagedBatch); return ok && strings.HasSuffix(b.ID, "3") }, 2},
		{"before it notes the last batch", func(s any) bool { b, ok := s.(control.StagedBatch); return ok && b.Rows == 7 }, 2},
		{"before it commits", func(s any) bool { j, ok := s.(control.Job); return ok && committed(j) }, 2},
		{"when it has committed", func(s any) bool { j, ok := s.(noted); return ok && committed(control.Job(j)) }, 1},
		{"before it notes how it ends", func(s any) bool { j, ok := s.(control.Job); return ok && strings.Contains(string(j.Plan), `"end"`) }, 1},
		{"before it ends", func(s any) bool { j, ok := s.(control.Job); return ok && j.State.Ended() }, 1},
	} {
		for _, until := range []control.JobState{control.JobReading, control.JobLoading, control.JobDone} {
			t.Run(tt.name+", until it is "+string(until), func(t *testing.T) {
				bubble(t, map[string]answer{"some": numbers(57, 5, 2*time.Second)}, func(t *testing.T, p *plant) {
					p.cfg.Concurrent = 1
					f := newFreezer(tt.at)
					defer f.thaw()
					p.hooks = f.hooks()
					id := p.copy("some", "events")
					p.start(nil)
					<-f.frozen
					p.hooks = hooks{}
					p.start(nil)
					await(t, "nobody takes over", func() bool { return p.job(id).Run == 2 })
					await(t, "it does not come so far", func() bool {
						state := p.job(id).State
						return state == until || state.Ended() || state == control.JobLoading && until == control.JobReading
					})
					f.thaw()
					j := p.awaitEnd(id, control.JobDone)
					if p.from.questions() != tt.asked || j.Run != 2 {
						t.Errorf("got %d questions and %d claims, want %d and 2", p.from.questions(), j.Run, tt.asked)
					}
					p.wantTruth(j, 57)
					p.wantNothingLeft()
				})
			})
		}
	}
}

// A batch that a process has stored which did not know that it had lost the copy is not loaded, nor left over, also when that
// process does not live to remove it.
func TestBatchOfALostClaimIsNotLoaded(t *testing.T) {
	bubble(t, some(), func(t *testing.T, p *plant) {
		id := p.copy("some", "events")
		late := control.StagedBatch{ID: batchID(p.job(id), mostBatches), Run: 0, Rows: 5, Bytes: 100}
		key := keyOf(p.job(id), late)
		p.hooks.save = func(j control.Job, noted bool) {
			if j.State != control.JobLoading || !noted {
				return
			}
			err := p.stores.Control.Staged().Put(context.Background(), id, late)
			if err == nil {
				err = p.stores.Blobs.Put(context.Background(), key, strings.NewReader(""))
			}
			if err != nil {
				t.Error(err)
			}
		}
		loaded := make(map[string]bool)
		p.to.Fail = func(b destination.Batch) error { loaded[b.ID] = true; return nil } // called one at a time
		p.start(nil)
		p.wantTruth(p.awaitEnd(id, control.JobDone), someRows)
		if loaded[late.ID] || len(loaded) != 6 {
			t.Errorf("got the batches %v loaded, want six and not %s", loaded, late.ID)
		}
		if r, err := p.stores.Blobs.Get(t.Context(), key); err == nil {
			t.Errorf("the blob %s is left, %v", key, r.Close())
		}
		p.wantNothingLeft()
	})
}
