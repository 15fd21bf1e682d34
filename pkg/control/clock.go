package control

import (
	"context"
	"time"
)

// Clock tells the time that a store goes by.
type Clock interface {
	// Now is the time by which batches are settled, and of which the moments are that Forget and Prune are told. A store that
	// servers share has one for all of them, whatever their own clocks say.
	Now(ctx context.Context) (time.Time, error)
}

const (
	// trustAfter is how long a clock must have gone straight before anything is forgotten by it.
	trustAfter = 30 * time.Minute
	// jump is by how much it may be ahead or behind from one look to the next. A look may take its time.
	jump = time.Minute
)

// Retention tells from when on records are kept. It is for one goroutine, which looks at a clock again and again.
//
// What is forgotten by a clock that was wrong for a while, such as that of a machine that has just booted, is gone. So none is
// believed at once, nor right after it has jumped: what it says must go on as the time that this process measures itself.
type Retention struct {
	Age time.Duration // records that are younger are kept

	last   time.Time // what the clock said at the last look
	looked time.Time // when that was, as this process measures time
	since  time.Time // the look since which it has gone straight
}

// Cutoff takes what the clock says now and gives the time before which records may be forgotten. It is the zero time while the
// clock cannot be believed.
func (r *Retention) Cutoff(now time.Time) time.Time {
	now = now.Round(0) // without the monotonic reading, with which no jump would be seen
	looked := time.Now()
	off := now.Sub(r.last) - looked.Sub(r.looked)
	if r.since.IsZero() || off.Abs() > jump {
		r.since = looked
	}
	r.last, r.looked = now, looked
	if looked.Sub(r.since) < min(r.Age, trustAfter) {
		return time.Time{}
	}
	return now.Add(-r.Age)
}
