package sqs

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// wantLeft holds how long a delivery's lease may last from now on, 0 when it has ended.
func wantLeft(t *testing.T, h *held, id, handle string, want time.Duration) {
	t.Helper()
	if got, ok := h.left(id, handle); got != want || ok != (want > 0) {
		t.Errorf("%s: got %v, %t, want %v", handle, got, ok, want)
	}
}

func TestHeldKnowsWhenLeasesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeld()
		wantLeft(t, h, "a", "a1", 0)
		h.take("a", "a1", 1, time.Minute)
		wantLeft(t, h, "a", "a1", maxLease)
		wantLeft(t, h, "a", "other", 0)
		time.Sleep(59 * time.Second)
		wantLeft(t, h, "a", "a1", maxLease-59*time.Second)
		h.extend("a", "a1", time.Now().Add(time.Minute))
		time.Sleep(59 * time.Second)
		wantLeft(t, h, "a", "a1", maxLease-118*time.Second)
		time.Sleep(time.Second)
		wantLeft(t, h, "a", "a1", 0)
		h.take("a", "a2", 2, time.Minute)
		h.extend("a", "a1", time.Now().Add(time.Hour)) // too late: it is another delivery's by now
		wantLeft(t, h, "a", "a1", 0)
		time.Sleep(time.Minute)
		wantLeft(t, h, "a", "a2", 0)
		if got := h.newest("a", "a1"); got != "a2" {
			t.Errorf("newest: got %q, want a2", got)
		}
		h.forget("a")
		if got := h.newest("a", "a1"); got != "a1" {
			t.Errorf("newest of a forgotten one: got %q, want its own", got)
		}
	})
}

func TestHeldCountsAttempts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []int // what the server counts at a delivery; -1 means that the one before went back unseen
		want  []int
	}{
		{"as the server", []int{1, 2, 5}, []int{1, 2, 5}},
		{"without it", []int{0, 0, 0}, []int{1, 2, 3}},
		{"not what nobody has seen", []int{1, -1, 2, -1, 3, 4}, []int{1, 1, 1, 2}},
		{"nor without the server", []int{0, -1, 0, 0}, []int{1, 1, 2}},
		{"never less than one", []int{1, -1, 1}, []int{1, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, want := newHeld(), tt.want
			for i, count := range tt.steps {
				if count < 0 {
					h.unsee("a")
					continue
				}
				if got := h.take("a", fmt.Sprint(i), count, time.Minute); got != want[0] {
					t.Errorf("step %d: got attempt %d, want %d", i, got, want[0])
				}
				want = want[1:]
			}
		})
	}
}

func TestHeldForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeld()
		h.take("kept", "k", 1, maxLease)
		for i := range 100 * minSweep {
			h.take(fmt.Sprint(i), "h", 1, time.Second)
			time.Sleep(time.Millisecond)
		}
		if got := len(h.messages); got > 2*minSweep {
			t.Errorf("it holds %d messages whose leases have ended, want at most %d", got, 2*minSweep)
		}
		wantLeft(t, h, "kept", "k", maxLease-100*time.Second)
	})
}
