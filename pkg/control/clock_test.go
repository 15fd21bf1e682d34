package control

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestRetention(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name  string
		age   time.Duration
		ahead func(since time.Duration) time.Duration // of the clock, by how long ago the first look was
		kept  func(since time.Duration) bool          // all is
	}{
		{"a clock that is right", day,
			func(time.Duration) time.Duration { return 0 },
			func(since time.Duration) bool { return since < trustAfter }},
		{"a short age", 5 * time.Minute,
			func(time.Duration) time.Duration { return 0 },
			func(since time.Duration) bool { return since < 5*time.Minute }},
		{"always wrong, as nobody can know", day,
			func(time.Duration) time.Duration { return 25 * time.Hour },
			func(since time.Duration) bool { return since < trustAfter }},
		{"a clock that drifts", day,
			func(since time.Duration) time.Duration { return since / 50 },
			func(since time.Duration) bool { return since < trustAfter }},
		{"ahead when the machine boots", day,
			func(since time.Duration) time.Duration { return during(since, 0, 20*time.Minute, 25*time.Hour) },
			func(since time.Duration) bool { return since < 20*time.Minute+trustAfter }},
		{"behind when the machine boots", day,
			func(since time.Duration) time.Duration { return during(since, 0, 20*time.Minute, -50*365*day) },
			func(since time.Duration) bool { return since < 20*time.Minute+trustAfter }},
		{"ahead for a while", day,
			func(since time.Duration) time.Duration {
				return during(since, 2*time.Hour, 2*time.Hour+20*time.Minute, 25*time.Hour)
			},
			func(since time.Duration) bool {
				return since < trustAfter || since >= 2*time.Hour && since < 2*time.Hour+20*time.Minute+trustAfter
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := Retention{Age: tt.age}
				start := time.Now()
				for since := time.Duration(0); since < 4*time.Hour; since += time.Minute {
					now := time.Now().Round(0).Add(tt.ahead(since))
					want := now.Add(-tt.age)
					if tt.kept(since) {
						want = time.Time{}
					}
					if got := r.Cutoff(now); !got.Equal(want) {
						t.Fatalf("after %v got %v, want %v", time.Since(start), got, want)
					}
					time.Sleep(time.Minute)
				}
			})
		})
	}
}

// during gives d from one time to another, and 0 else.
func during(since, from, to, d time.Duration) time.Duration {
	if since >= from && since < to {
		return d
	}
	return 0
}
