package soak

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// Bounds is what a server may take.
type Bounds struct {
	Base      int64   // RSS in bytes, and
	PerWorker int64   // for each worker
	Data      float64 // how many times as much it may have had after as many rows once more, each time
	Growth    float64 // by what part the memory may grow in the second half of the steady load
	Sockets   int     // how many more may be open after it than before: connections to other servers, in pools
}

// DefaultBounds returns those of the default configuration, which docs/OPERATIONS.md promises.
func DefaultBounds() Bounds {
	return Bounds{Base: 768 << 20, PerWorker: 32 << 20, Data: 1.1, Growth: 0.1}
}

// PoolBounds returns those of a configuration that has other servers.
func PoolBounds() Bounds {
	b := DefaultBounds()
	b.Sockets = 16
	return b
}

// Server is what was seen of one.
type Server struct {
	Workers              int
	Peaks                []int64 // RSS in bytes, the most until the first rows were loaded, until as many again were, and so on
	Samples              []Sample
	SteadyFrom, SteadyTo time.Duration // the steady load; zero when there was none
	Left                 []string      // what was still there after the steady load and not before
}

// Report is the outcome.
type Report struct {
	Bounds  Bounds
	Servers []Server // the last one had the steady load
}

const mib = 1 << 20

// steady gives the samples of the steady load.
func (s Server) steady() (steady []Sample) {
	for _, sample := range s.Samples {
		if sample.At >= s.SteadyFrom && sample.At <= s.SteadyTo {
			steady = append(steady, sample)
		}
	}
	return steady
}

// most is the most memory that it was seen to have.
func (s Server) most() int64 {
	most := slices.Max(append([]int64{0}, s.Peaks...))
	for _, sample := range s.Samples {
		most = max(most, sample.RSS)
	}
	return most
}

// least is how many samples the trend must be made of.
const least = 20

// Problems says each promise that was broken, or could not be looked at.
func (r Report) Problems() (found []string) {
	for _, s := range r.Servers {
		if most, limit := s.most(), r.Bounds.Base+r.Bounds.PerWorker*int64(s.Workers); most > limit {
			found = append(found, fmt.Sprintf("%d workers took %d MiB, and may take %d MiB", s.Workers, most/mib, limit/mib))
		}
	}
	if len(r.Servers) == 0 {
		return []string{"no server was loaded"}
	}
	s := r.Servers[len(r.Servers)-1]
	if problem := r.Bounds.more(s); problem != "" {
		found = append(found, problem)
	}
	steady := s.steady()
	if len(steady) < least {
		return append(found, fmt.Sprintf("%d samples of the steady load are too few: let it last longer", len(steady)))
	}
	found = append(found, r.Bounds.growing(s)...)
	for _, l := range s.Left {
		found = append(found, "after the load: "+l)
	}
	return found
}

// more says whether the last rows needed more memory than as many before them.
func (b Bounds) more(s Server) (problem string) {
	n := len(s.Peaks)
	if n < 2 {
		return ""
	}
	if times := float64(s.Peaks[n-1]) / float64(s.Peaks[n-2]); times > b.Data {
		return fmt.Sprintf("%d times the data took %.2f times the memory of %d times, and may take %.2f", n, times, n-1, b.Data)
	}
	return ""
}

// growing says what has grown too much in the steady load.
func (b Bounds) growing(s Server) (found []string) {
	for _, v := range values {
		t := trendOf(s.steady(), v.of)
		if grown := t.grown(); grown > b.Growth {
			found = append(found, fmt.Sprintf("%s grew by %.0f %% in %v, and may grow by %.0f %%", v.name, grown*100, t.Over.Round(time.Second), b.Growth*100))
		}
	}
	return found
}

// values are those that must not grow.
var values = [...]struct {
	name, unit string
	per        float64
	of         func(Sample) float64
}{
	{"RSS", "MiB", mib, func(s Sample) float64 { return float64(s.RSS) }},
	{"goroutines", "", 1, func(s Sample) float64 { return float64(s.Goroutines) }},
	{"descriptors", "", 1, func(s Sample) float64 { return float64(s.Descriptors) }},
}

// Print writes what was seen.
func (r Report) Print(out io.Writer) {
	for _, s := range r.Servers {
		fmt.Fprintf(out, "%d workers: peak RSS", s.Workers)
		for i, peak := range s.Peaks {
			if i > 0 {
				fmt.Fprintf(out, ", of %d times the data", i+1)
			}
			fmt.Fprintf(out, " %d MiB", peak/mib)
		}
		fmt.Fprintln(out)
		if s.SteadyTo == 0 {
			continue
		}
		for _, v := range values {
			t := trendOf(s.steady(), v.of)
			fmt.Fprintf(out, "steady %s: median %.0f %s, %+.1f %s an hour, %+.1f %% in %v\n", v.name, t.Median/v.per, v.unit, t.PerHour/v.per, v.unit,
				t.grown()*100, t.Over.Round(time.Second))
		}
	}
}
