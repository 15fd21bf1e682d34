package transport

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination"
)

// A batch whose load failed comes again after its back-off, also when the queue fails as it is given back, and not only when its
// long lease ends.
func TestGivingBackToAQueueThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		p := newPlant(t, "memory", destination.ByID{"1": s})
		p.cfg.Lease = time.Hour
		p.open(newScript(scripted{Op: opLoad}, scripted{Op: opHide}, scripted{Op: opHide, Lost: true}))
		receipt := p.insert("1", "events", 4)
		begun := time.Now()
		p.start()
		p.wait(receipt, StateLoaded)
		if took := time.Since(begun); took > time.Minute {
			t.Errorf("it took %v, want less than the lease of %v", took, p.cfg.Lease)
		}
		if left := p.script.Unused(); len(left) > 0 {
			t.Errorf("faults that did not happen: %+v", left)
		}
		p.wantOnce(s)
		p.close(true)
	})
}

// Workers that are to stop do not wait for a queue that fails.
func TestAStopWhileTheQueueFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, "memory", destination.ByID{"1": newShelf()})
		p.cfg.Lease = time.Hour
		faults := []scripted{{Op: opLoad}}
		const many = 100
		for range many {
			faults = append(faults, scripted{Op: opHide})
		}
		p.open(newScript(faults...))
		p.insert("1", "events", 4)
		p.start()
		for len(p.script.Unused()) > many-3 {
			time.Sleep(time.Second)
		}
		begun := time.Now()
		p.close(true)
		if took := time.Since(begun); took > time.Second {
			t.Errorf("the stop took %v, want no wait", took)
		}
	})
}
