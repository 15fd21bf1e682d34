package transport

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff says how long to wait before trying again.
type Backoff struct {
	First time.Duration // after the first failure; each further one doubles it
	Max   time.Duration // the longest wait
}

// delay gives the wait after the failure number n, 1 being the first. It is drawn between half and all of the nominal
// one, so that what failed together does not come back together.
func (b Backoff) delay(n int) time.Duration {
	d := b.First
	for ; n > 1 && d < b.Max; n-- {
		d *= 2
	}
	return jitter(min(d, b.Max))
}

// jitter draws from the upper half of d.
func jitter(d time.Duration) time.Duration {
	return d - rand.N(d/2+1)
}

// sleep waits for d or until ctx ends, and reports whether d is over.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
