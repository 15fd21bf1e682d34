package soak

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// series makes samples of a minute's steady load, after a server's first ten seconds, and lets rss say how much it takes.
func series(rss func(second float64) float64) Server { return lasting(time.Minute, rss) }

func lasting(long time.Duration, rss func(second float64) float64) Server {
	s := Server{Workers: 1, Peaks: []int64{400 * mib, 410 * mib}, SteadyFrom: 10 * time.Second, SteadyTo: 10*time.Second + long}
	for at := time.Duration(0); at <= s.SteadyTo; at += 200 * time.Millisecond {
		s.Samples = append(s.Samples, Sample{At: at, RSS: int64(rss(at.Seconds()) * mib), Goroutines: 40, Descriptors: 40})
	}
	return s
}

// What the steady load shows is told apart from a leak.
func TestSteadyMemory(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := func() float64 { return 25 * rng.NormFloat64() }
	for _, tt := range []struct {
		name string
		rss  func(second float64) float64
		want string // of the problem; empty for none
	}{
		{"flat with noise", func(float64) float64 { return 400 + noise() }, ""},
		{"a saw, of the collector and of batches", func(s float64) float64 { return 350 + 10*float64(int(s*5)%50)/5 + noise() }, ""},
		{"peaks of large inserts", func(s float64) float64 {
			if int(s)%13 == 0 {
				return 600
			}
			return 400 + noise()
		}, ""},
		{"warm-up that ends in the first half", func(s float64) float64 { return 150 + min(s, 35)*250/35 + noise() }, ""},
		{"a step in the first half", func(s float64) float64 {
			if s > 30 {
				return 450 + noise()
			}
			return 350 + noise()
		}, ""},
		{"it shrinks", func(s float64) float64 { return 600 - 3*s + noise() }, ""},
		{"a slow leak, of one part in 20 of the rows", func(s float64) float64 { return 300 + 4*s*0.5 + noise() }, "RSS grew by "},
		{"a leak between saws", func(s float64) float64 { return 300 + 2.5*s + 10*float64(int(s*5)%50)/5 + noise() }, "RSS grew by "},
		{"a leak of all rows", func(s float64) float64 { return 300 + 4*s + noise() }, "RSS grew by "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			problems := Report{Bounds: DefaultBounds(), Servers: []Server{series(tt.rss)}}.Problems()
			got := strings.Join(problems, "; ")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Growth that is only a slow saw ends when the load lasts longer; a leak does not.
func TestGrowthThatEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		rss  func(second float64) float64
		ends bool
	}{
		{"a saw that takes longer than the load", func(s float64) float64 { return 350 + 2*math.Mod(s+20, 100) }, true},
		{"a leak", func(s float64) float64 { return 300 + 2*s }, false},
		{"a leak below a saw that takes longer than the load", func(s float64) float64 { return 300 + 2*s + math.Mod(s+20, 100) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			grew := DefaultBounds().growing(lasting(time.Minute, tt.rss))
			if len(grew) == 0 {
				t.Fatal("nothing grows in the first minute")
			}
			length := time.Minute
			for i := 0; i < extensions && len(grew) > 0; i++ {
				length *= 2
				grew = DefaultBounds().growing(lasting(length, tt.rss))
			}
			if ends := len(grew) == 0; ends != tt.ends {
				t.Errorf("after %v: got %q, ends is %t, want %t", length, grew, ends, tt.ends)
			}
		})
	}
}

// The longer a load lasts the smaller a leak is found.
func TestLongLoadsFindSmallLeaks(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, tt := range []struct {
		name  string
		hours float64
		found bool
	}{{"a minute", 1. / 60, false}, {"an hour", 1, false}, {"a day", 24, true}} {
		t.Run(tt.name, func(t *testing.T) {
			var samples []Sample
			for i := range 600 {
				at := tt.hours * float64(i) / 600
				samples = append(samples, Sample{At: time.Duration(at * float64(time.Hour)), RSS: int64((400 + 5*at + 20*rng.NormFloat64()) * mib)})
			}
			grown := trendOf(samples, values[0].of).grown()
			if found := grown > DefaultBounds().Growth; found != tt.found {
				t.Errorf("5 MiB an hour for %s: grown by %.3f, found is %t, want %t", tt.name, grown, found, tt.found)
			}
		})
	}
}

func TestTrend(t *testing.T) {
	var samples []Sample
	for i := range 100 {
		samples = append(samples, Sample{At: time.Duration(i) * time.Minute, RSS: int64(1000 + 10*i)})
	}
	got := trendOf(samples, values[0].of)
	want := Trend{Median: 1750, PerHour: 600, Over: 49 * time.Minute}
	if math.Abs(got.PerHour-want.PerHour) > 1e-6 || got.Median != want.Median || got.Over != want.Over {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := got.grown(), 490./1750; math.Abs(got-want) > 1e-9 {
		t.Errorf("grown: got %v, want %v", got, want)
	}
}
