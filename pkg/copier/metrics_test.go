package copier

import (
	"context"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/destination"
)

// figures gives the process's figures of copies, by name and the value of their label.
func (q *process) figures() map[string]float64 {
	q.p.t.Helper()
	families, err := q.registry.Gather()
	if err != nil {
		q.p.t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return got
}

// The figures count what was read and loaded, that too which was waited for when a copy was to end.
func TestFiguresOfCopies(t *testing.T) {
	bubble(t, some(), func(t *testing.T, p *plant) {
		q := p.start(nil)
		p.awaitEnd(p.copy("some", "events"), control.JobDone)
		p.to.Wait = func(ctx context.Context, _ destination.Batch) error { return rest(ctx, 10*time.Second) }
		id := p.copy("some", "others")
		p.awaitState(id, control.JobLoading)
		if got := q.figures()["scratchdata_copies_running"]; got != 1 {
			t.Errorf("got %v copies running, want 1", got)
		}
		p.awaitWritten(id, 10)
		p.cancel(id)
		j := p.awaitEnd(id, control.JobCanceled)
		await(t, "the copy is worked on still", func() bool { return q.figures()["scratchdata_copies_running"] == 0 })
		got := q.figures()
		for name, want := range map[string]float64{
			"scratchdata_copies_total done":         1,
			"scratchdata_copies_total canceled":     1,
			"scratchdata_copies_total failed":       0,
			"scratchdata_copy_read_rows_total 1":    2 * someRows,
			"scratchdata_copy_written_rows_total 2": someRows + float64(j.Written.Rows),
		} {
			if got[name] != want {
				t.Errorf("%s: got %v, want %v", name, got[name], want)
			}
		}
		p.wantNothingLeft()
	})
}
