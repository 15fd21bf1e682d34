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

// trendOf draws a line through the second half of samples, as the first is warm-up. Its slope is the median of the slopes
// between any two of them (Theil and Sen), which peaks do not change.
func trendOf(samples []Sample, value func(Sample) float64) Trend {
	samples = samples[len(samples)/2:]
	if len(samples) < 2 {
		return Trend{}
	}
	values, slopes := make([]float64, len(samples)), make([]float64, 0, len(samples)*(len(samples)-1)/2)
	for i, s := range samples {
		values[i] = value(s)
		for _, before := range samples[:i] {
			slopes = append(slopes, (value(s)-value(before))/(s.At-before.At).Hours())
		}
	}
	return Trend{Median: median(values), PerHour: median(slopes), Over: samples[len(samples)-1].At - samples[0].At}
}

// grown is what it grew by while it was seen, as a part of the median.
func (t Trend) grown() float64 { return t.PerHour * t.Over.Hours() / t.Median }

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
