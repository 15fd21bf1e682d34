package transport

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination"
)

func TestBackoffDelay(t *testing.T) {
	b := Backoff{First: time.Second, Max: 10 * time.Second}
	for _, tt := range []struct {
		failures int
		want     time.Duration // the nominal wait
	}{{1, time.Second}, {2, 2 * time.Second}, {3, 4 * time.Second}, {4, 8 * time.Second}, {5, 10 * time.Second},
		{1000, 10 * time.Second}, {0, time.Second}} {
		var differ bool
		first := b.delay(tt.failures)
		for range 200 {
			got := b.delay(tt.failures)
			if got < tt.want/2 || got > tt.want {
				t.Fatalf("delay(%d): got %v, want %v to %v", tt.failures, got, tt.want/2, tt.want)
			}
			differ = differ || got != first
		}
		if !differ {
			t.Errorf("delay(%d): always %v, want jitter", tt.failures, first)
		}
	}
}

func TestLanesHaveTheirOwnPlaces(t *testing.T) {
	l := newLanes(destination.NewSet(destination.ByID{"a": nil, "b": nil}), 2)
	for range 2 {
		if _, ok := l.of("a").enter(false); !ok {
			t.Fatal("a free lane did not let a message in")
		}
	}
	if _, ok := l.of("a").enter(false); ok {
		t.Error("a full lane let a message in")
	}
	if _, ok := l.of("b").enter(false); !ok {
		t.Error("a full lane kept another's messages out")
	}
	if _, ok := l.of("nobody").enter(false); !ok {
		t.Error("an unknown destination has no lane")
	}
	l.of("a").leave()
	if _, ok := l.of("a").enter(false); !ok {
		t.Error("a place given back was not free")
	}
}

// TestNewDestinationIsNotKeptBack: it is served while all others hang.
func TestNewDestinationIsNotKeptBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dests := destination.NewSet(destination.ByID{"a": nil})
		l := newLanes(dests, 1)
		l.of("a").enter(false)
		went := make(chan bool, 1)
		go func() { went <- l.await(t.Context()) }()
		synctest.Wait()
		if len(went) > 0 {
			t.Fatal("every place is taken, and nobody waits")
		}
		if err := dests.Add("b", nil); err != nil {
			t.Fatal(err)
		}
		if !<-went {
			t.Error("got false, want true")
		}
	})
}

func TestLanePauseAdapts(t *testing.T) {
	l := newLanes(destination.NewSet(destination.ByID{"a": nil}), 1).of("a")
	pauseOf := func() time.Duration {
		wait, ok := l.enter(true)
		if ok || wait > l.pause || wait < l.pause/2 {
			t.Fatalf("got %v, %v from a full lane, want between %v and %v", wait, ok, l.pause/2, l.pause)
		}
		return l.pause
	}
	l.enter(false)
	if wait, ok := l.enter(false); ok || wait > shortPause {
		t.Errorf("a message that comes for the first time: got %v, want at most %v", wait, shortPause)
	}
	for range 100 {
		pauseOf()
	}
	if got := pauseOf(); got != longPause {
		t.Errorf("got a pause of %v from a lane that hangs, want %v", got, longPause)
	}
	for range 10 {
		l.leave()
		l.enter(true)
	}
	if l.pause != shortPause {
		t.Errorf("got a pause of %v from a lane that ran empty, want %v", l.pause, shortPause)
	}
}

func TestLanesAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLanes(destination.NewSet(destination.ByID{"a": nil}), 1)
		ctx, cancel := context.WithCancel(t.Context())
		if !l.await(ctx) {
			t.Fatal("a free lane made wait")
		}
		l.of("a").enter(false)
		l.of("nobody").enter(false)
		var wg sync.WaitGroup
		answers := make(chan bool, 1)
		wg.Go(func() { answers <- l.await(ctx) })
		synctest.Wait()
		l.of("nobody").leave() // free places of others are no reason to take more for a
		synctest.Wait()
		if len(answers) > 0 {
			t.Fatal("did not wait for a place")
		}
		l.of("a").leave()
		if !<-answers {
			t.Error("did not see that a place is free")
		}
		l.of("a").enter(false)
		wg.Go(func() { answers <- l.await(ctx) })
		cancel()
		if <-answers {
			t.Error("did not see that the context ended")
		}
		wg.Wait()
	})
}

func TestNews(t *testing.T) {
	n := newNews()
	a, stopA := n.watch("a")
	also, stopAlso := n.watch("a")
	b, stopB := n.watch("b")
	n.tell("nobody waits for this")
	n.tell("a")
	<-a
	<-also
	select {
	case <-b:
		t.Error("b was told of a")
	default:
	}
	later, stopLater := n.watch("a")
	stopA() // of the watch before the news: the later one stays
	stopAlso()
	n.tell("a")
	<-later
	stopLater()
	stopB()
	if len(n.waiting) != 0 {
		t.Errorf("got %d batches waited for, want 0", len(n.waiting))
	}
}
