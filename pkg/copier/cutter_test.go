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
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// An answer is cut into batches of no more rows than one may have, and of no more bytes but for its last row, whatever the
// sizes in which it comes.
func TestBatchesHaveTheirSize(t *testing.T) {
	const row = len(`{"__row_id":"01234567890123456789012345","n":10,"text":"row 10"}` + "\n") // of most rows
	for _, tt := range []struct {
		name       string
		rows, each int
		bytes      int64
		most       int64
		want       string
	}{
		{"by rows", 57, 8, 1 << 20, 10, "[10 10 10 10 10 7]"},
		{"by rows, all at once", 57, 57, 1 << 20, 10, "[10 10 10 10 10 7]"},
		{"by rows, just as many", 20, 10, 1 << 20, 10, "[10 10]"},
		{"by rows, one each", 3, 2, 1 << 20, 1, "[1 1 1]"},
		{"by bytes", 60, 60, int64(5 * row), 1000, "[6 6 5 5 5 5 5 5 5 5 5 3]"}, // the first ten rows are shorter
		{"by bytes, one each", 3, 3, 1, 1000, "[1 1 1]"},
		{"all in one", 57, 8, 1 << 20, 57, "[57]"},
		{"none", 0, 8, 1 << 20, 10, "[0]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, map[string]answer{"all": numbers(tt.rows, tt.each, 0)}, func(t *testing.T, p *plant) {
				p.cfg.Batch = func(destination string) (bytes, rows int64) {
					if destination != "2" {
						t.Errorf("asked for the batches of %s, want 2", destination)
					}
					return tt.bytes, tt.most
				}
				var sizes []int64
				p.hooks.stage = func(b control.StagedBatch) { // called one at a time
					sizes = append(sizes, b.Rows)
					if b.Bytes >= tt.bytes+int64(row) {
						t.Errorf("batch %d has %d bytes, %d are asked for", len(sizes), b.Bytes, tt.bytes)
					}
				}
				id := p.copy("all", "events")
				p.start(nil)
				j := p.awaitEnd(id, control.JobDone)
				if got := fmt.Sprint(sizes); got != tt.want || j.Read.Batches != int64(len(sizes)) {
					t.Errorf("got batches of %s rows, %d counted, want %s", got, j.Read.Batches, tt.want)
				}
				p.wantTruth(j, int64(tt.rows))
				p.wantNothingLeft()
			})
		})
	}
}

// An answer without rows makes the table with its columns.
func TestEmptyAnswerMakesTheTable(t *testing.T) {
	bubble(t, map[string]answer{"none": numbers(0, 1, 0)}, func(t *testing.T, p *plant) {
		id := p.copy("none", "shop.events")
		p.start(nil)
		j := p.awaitEnd(id, control.JobDone)
		cols, err := p.to.Columns(t.Context(), j.Table)
		var names []string
		for _, c := range cols {
			names = append(names, c.Name)
			if (c.Name == "n" || c.Name == "text") && c.Like == nil {
				t.Errorf("column %s does not have the type of the answer's", c.Name)
			}
		}
		if got := strings.Join(names, " "); err != nil || got != "__row_id __batch_file n text" {
			t.Errorf("got the columns %q, %v", got, err)
		}
		if j.Counted != 0 || j.Read.Rows != 0 || j.Written.Batches != 1 {
			t.Errorf("got %+v, want no rows, counted", j)
		}
		p.wantNothingLeft()
	})
}

// An answer that cannot be stored fails the copy, and nothing is loaded.
func TestAnswersThatCannotBeStored(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(p *plant)
		want   string
	}{
		{"a row that is too large", func(p *plant) {
			p.cfg.RowBytes = len(`{"__row_id":"01234567890123456789012345","n":1,"text":"row 1"}`) + 1
		},
			"row 11 has 65 bytes, 63 are allowed; nothing was loaded"},
		{"a disk that is full", func(p *plant) {
			p.cfg.Room = func() error { return fault.New(fault.Busy, "disk_low", "too little disk") }
		}, "too little disk; nothing was loaded"},
		{"a disk that becomes full", func(p *plant) {
			var asked atomic.Int32
			p.cfg.Room = func() error {
				if asked.Add(1) < 4 {
					return nil
				}
				return fault.New(fault.Busy, "disk_low", "too little disk")
			}
		}, "too little disk; nothing was loaded"},
		{"a query that is wrong", func(p *plant) { p.from.answers["all"] = nil }, `nothing is known of "all"; nothing was loaded`},
		{"a query that fails half-way", func(p *plant) {
			p.from.answers["all"] = func(ctx context.Context, out result.Writer) error {
				err := numbers(40, 8, 0)(ctx, noEnd{out})
				return errors.Join(err, fault.New(fault.Unprocessable, "out_of_range", "a number is out of range"))
			}
		}, "a number is out of range; nothing was loaded"},
		{"an engine that fails", func(p *plant) {
			p.from.answers["all"] = func(ctx context.Context, out result.Writer) error {
				return errors.Join(numbers(40, 8, 0)(ctx, noEnd{out}), errors.New("secret words"))
			}
		}, "internal error: the server's log has it, with the job ID; nothing was loaded"},
		{"a type that has no words", func(p *plant) {
			p.from.answers["all"] = func(_ context.Context, out result.Writer) error {
				return out.Begin([]vector.Field{{Name: "odd", Type: vector.Type{Kind: 200}}})
			}
		}, "internal error: the server's log has it, with the job ID; nothing was loaded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, map[string]answer{"all": numbers(57, 8, 0)}, func(t *testing.T, p *plant) {
				tt.change(p)
				id := p.copy("all", "events")
				p.start(nil)
				j := p.awaitEnd(id, control.JobFailed)
				if got := strings.ReplaceAll(j.Error, id, "ID"); got != tt.want {
					t.Errorf("got  %q\nwant %q", got, tt.want)
				}
				if _, err := p.to.Columns(t.Context(), j.Table); !errors.Is(err, fault.NotFound) {
					t.Errorf("the table was made: %v", err)
				}
				p.wantTruth(j, 0)
				p.wantNothingLeft()
			})
		})
	}
}

// noEnd is a Writer of an answer that does not end well.
type noEnd struct{ result.Writer }

func (noEnd) End() error { return nil }

// The answer's columns come to the workers with their types, and its numbers to the job while it is read.
func TestProgressIsNoted(t *testing.T) {
	bubble(t, map[string]answer{"slow": numbers(57, 1, time.Second)}, func(t *testing.T, p *plant) {
		id := p.copy("slow", "events")
		p.start(nil)
		var last control.Amount
		for range 10 {
			await(t, "it does not go on", func() bool { j := p.job(id); return j.Read.Rows > last.Rows && j.State == control.JobReading })
			j := p.job(id)
			if j.Read.Bytes <= last.Bytes || j.Started.IsZero() || j.Written.Rows != 0 {
				t.Errorf("got %+v after %+v", j, last)
			}
			if late := time.Since(j.Started).Seconds() - float64(j.Read.Rows); late > 3 {
				t.Errorf("%d rows are noted %v after they were read", j.Read.Rows, late)
			}
			last = j.Read
		}
		p.wantTruth(p.awaitEnd(id, control.JobDone), 57)
		p.wantNothingLeft()
	})
}
