package soak

import (
	"slices"
	"time"
)

// Trend is how a value goes on in the long run.
type Trend struct {
	Median  float64
	PerHour float64       // what it grows by in an hour
	Over    time.Duration // which it was seen for
}

// trendOf draws the line of least squares through the second half of samples, as the first is warm-up. (The median of the slopes
// between samples would not do: memory rises slowly and falls at once, so most of those slopes are positive where nothing grows.)
func trendOf(samples []Sample, value func(Sample) float64) Trend {
	samples = samples[len(samples)/2:]
	if len(samples) < 2 {
		return Trend{}
	}
	values := make([]float64, len(samples))
	var meanAt, meanValue float64
	for i, s := range samples {
		values[i] = value(s)
		meanAt += s.At.Hours() / float64(len(samples))
		meanValue += values[i] / float64(len(samples))
	}
	var above, below float64
	for i, s := range samples {
		at := s.At.Hours() - meanAt
		above += at * (values[i] - meanValue)
		below += at * at
	}
	return Trend{Median: median(values), PerHour: above / below, Over: samples[len(samples)-1].At - samples[0].At}
}

// grown is what it grew by while it was seen, as a part of the median.
func (t Trend) grown() float64 { return t.PerHour * t.Over.Hours() / t.Median }

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
