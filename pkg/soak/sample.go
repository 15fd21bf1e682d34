package soak

import (
	"context"
	"time"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

// Sample is what a server takes at one moment.
type Sample struct {
	At          time.Duration // since it was started
	RSS         int64         // memory of the process, in bytes
	Heap        int64         // of Go's heap, in bytes
	Goroutines  int
	Descriptors int
}

func sampleOf(ctx context.Context, srv *rig.Server, begun time.Time) (Sample, error) {
	values, err := srv.Metrics(ctx, "go_goroutines", "go_memstats_heap_inuse_bytes")
	if err != nil {
		return Sample{}, err
	}
	rss, err := srv.CurrentRSS()
	if err != nil {
		return Sample{}, err
	}
	open, err := srv.Descriptors()
	return Sample{At: time.Since(begun), RSS: rss, Heap: int64(values["go_memstats_heap_inuse_bytes"]),
		Goroutines: int(values["go_goroutines"]), Descriptors: len(open)}, err
}

// interval is how often samples are taken in a run of a duration: so often that there are enough of them for a line, and so
// seldom that those of hours can be kept and drawn.
func interval(duration time.Duration) time.Duration {
	return min(max(duration/600, 200*time.Millisecond), 30*time.Second)
}

// watch takes samples until ctx ends.
func watch(ctx context.Context, srv *rig.Server, begun time.Time, every time.Duration) (samples []Sample, err error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return samples, nil
		}
		s, err := sampleOf(context.WithoutCancel(ctx), srv, begun)
		if err != nil {
			return samples, err
		}
		samples = append(samples, s)
	}
}
