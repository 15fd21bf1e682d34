package copier

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/transport/transporttest"
)

// step is a call of a copy that is to fail.
type step struct {
	op     string
	skip   int              // so many calls work before
	before []string         // faults of the same process that lead there
	first  string           // where a process before died, if that leads there
	want   control.JobState // what the copy must come to when the process goes on; empty is done
	dying  control.JobState // when it dies there and another starts; empty is done
}

// steps lists every step that a copy takes at its stores.
func steps() []step {
	failed, save := control.JobFailed, transporttest.OpSave
	all := []step{
		{op: transporttest.OpClaim},
		{op: opQuery, want: failed}, {op: opRows, want: failed}, {op: opRows, skip: 2, want: failed}, {op: opEnd, want: failed},
		{op: opCount},
		{op: transporttest.OpFind}, {op: transporttest.OpFind, skip: 3}, {op: transporttest.OpFind, skip: 12},
		{op: transporttest.OpListStaged, skip: 1}, {op: transporttest.OpListStaged, skip: 2},
		{op: transporttest.OpForgetStaged}, {op: transporttest.OpForgetStaged, skip: 1},
		// A process died while it was reading: what it has stored goes.
		{op: transporttest.OpClaim, first: opRows}, {op: transporttest.OpListStaged, first: opRows},
		{op: transporttest.OpDeleteBlob, first: opRows}, {op: transporttest.OpForgetStaged, first: opRows},
		// One died while it was loading: the next goes on.
		{op: transporttest.OpListStaged, first: transporttest.OpSend}, {op: transporttest.OpSend, first: transporttest.OpSend},
		{op: transporttest.OpFind, first: transporttest.OpSend},
		// The query failed: what was stored goes.
		{op: transporttest.OpListStaged, before: []string{opEnd}, want: failed, dying: failed},
		{op: transporttest.OpFind, before: []string{opEnd}, want: failed, dying: failed},
		{op: transporttest.OpDeleteBlob, before: []string{opEnd}, want: failed, dying: failed},
		{op: transporttest.OpDeleteBlob, skip: 1, before: []string{opEnd}, want: failed, dying: failed},
	}
	for n := range 3 {
		all = append(all, step{op: transporttest.OpStage, skip: n}, step{op: transporttest.OpPut, skip: n},
			step{op: transporttest.OpShipped, skip: n}, step{op: transporttest.OpSend, skip: n})
	}
	for n := range 6 {
		all = append(all, step{op: save, skip: n})
	}
	return all
}

func (s step) name() string {
	name := s.op
	if s.skip > 0 {
		name += fmt.Sprintf(", number %d", s.skip+1)
	}
	if s.first != "" {
		name += ", after a crash at " + s.first
	}
	if len(s.before) > 0 {
		name += " after " + strings.Join(s.before, ", ")
	}
	return name
}

// TestFaultTable lets each step of a copy fail once, in every way: the call is not made or its answer is lost, and the
// process goes on or dies there and another starts. Whatever happens, the copy ends, what it says of the rows in the table is
// true, and nothing is left on the way.
func TestFaultTable(t *testing.T) {
	for _, kind := range []string{"memory", "local"} {
		for _, s := range steps() {
			if kind == "local" && !s.moves() {
				continue
			}
			for way, f := range map[string]transporttest.Fault{
				"not applied": {}, "answer lost": {Lost: true}, "not applied, restart": {Crash: true}, "answer lost, restart": {Lost: true, Crash: true},
			} {
				if f.Lost && s.looks() {
					continue
				}
				t.Run(kind+"/"+s.name()+", "+way, func(t *testing.T) {
					t.Parallel()
					f.Op, f.Skip = s.op, s.skip
					synctest.Test(t, func(t *testing.T) { surviveFaults(t, kind, s, f) })
				})
			}
		}
	}
}

// moves reports whether the step is one at the stores of which there are two kinds.
func (s step) moves() bool {
	return s.op == transporttest.OpPut || s.op == transporttest.OpDeleteBlob || s.op == transporttest.OpSend || s.first != ""
}

// looks reports whether the step changes nothing, so that it is all the same whether it was made.
func (s step) looks() bool { return s.op == transporttest.OpFind || s.op == transporttest.OpListStaged }

func surviveFaults(t *testing.T, kind string, s step, f transporttest.Fault) {
	const rows = 57
	p := newPlant(t, kind, map[string]answer{"all": numbers(rows, 8, 300*time.Millisecond)})
	p.cfg.Concurrent = 1 // so that what is claimed is what the script has seen
	id := p.copy("all", "events")
	if s.first != "" {
		q := p.start(transporttest.NewScript(transporttest.Fault{Op: s.first, Skip: 3, Crash: true}))
		q.awaitCrash()
		p.restart()
	}
	var faults []transporttest.Fault
	for _, op := range s.before {
		faults = append(faults, transporttest.Fault{Op: op})
	}
	q := p.start(transporttest.NewScript(append(faults, f)...))
	want := s.want
	if f.Crash {
		q.awaitCrash()
		want = s.dying
		p.restart()
		p.start(nil)
	}
	if want == "" {
		want = control.JobDone
	}
	j := p.awaitEnd(id, want)
	if left := q.script.Unused(); len(left) > 0 {
		t.Errorf("faults that did not happen: %+v", left)
	}
	p.wantTruth(j, rows)
	p.settle()
	if f.Crash { // who died between the copy's end and the last step has left that to the pruner
		if err := p.stores.Control.Prune(t.Context(), time.Now()); err != nil {
			t.Error(err)
		}
	}
	p.wantNothingStaged()
	p.close()
}

// awaitCrash waits until the script has let the process die.
func (q *process) awaitCrash() {
	q.p.t.Helper()
	select {
	case <-q.script.Crashed():
	case <-time.After(testPatient):
		q.p.t.Fatalf("faults that did not happen: %+v", q.script.Unused())
	}
}

// partly is how a copy's reason ends when it has loaded some of its rows.
var partly = regexp.MustCompile(`; (\d+) of (\d+) rows were loaded(?:, (\d+) more are on their way)?, and have the __batch_file (\S+)$`)

// number64 gives what digits say, 0 for none.
func number64(digits string) int64 {
	n, _ := strconv.ParseInt(digits, 10, 64)
	return n
}

// wantTruth checks that what the copy says of the rows in its table, of rows that its answer has, is so when nothing is on its
// way any more.
func (p *plant) wantTruth(j control.Job, rows int64) {
	p.t.Helper()
	await(p.t, "batches are on their way", func() bool {
		n, _, err := p.stores.Control.Batches().Pending(p.t.Context())
		return err == nil && n == 0
	})
	there := p.to.of(j.Table.String(), j.ID)
	switch {
	case j.State == control.JobDone:
		if there != rows || j.Read.Rows != rows || j.Written.Rows != rows || j.Counted != rows && j.Counted != -1 || j.Error != "" ||
			j.Read.Batches != j.Written.Batches || j.Read.Bytes != j.Written.Bytes {
			p.t.Errorf("the table has %d rows, the job says %+v, want %d", there, j, rows)
		}
		p.to.wantNumbers(p.t, int(rows))
	case strings.HasSuffix(j.Error, "; nothing was loaded"), j.Started.IsZero():
		if there != 0 || j.Written.Rows != 0 {
			p.t.Errorf("the table has %d rows, the job has written %d and says %q", there, j.Written.Rows, j.Error)
		}
	default:
		said := partly.FindStringSubmatch(j.Error)
		if said == nil || said[4] != j.ID {
			p.t.Fatalf("the job says %q, want how many rows are there, and by what to find them", j.Error)
		}
		loaded, coming, read := number64(said[1]), number64(said[3]), number64(said[2])
		if loaded+coming != there || j.Written.Rows != loaded || read != rows {
			p.t.Errorf("the table has %d rows, the job has written %d and says %q", there, j.Written.Rows, j.Error)
		}
	}
	if j.Finished.IsZero() || j.Plan != nil {
		p.t.Errorf("got %+v, want a time when it ended, and no plan", j)
	}
}
