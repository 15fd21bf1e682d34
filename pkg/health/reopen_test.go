package health

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/scratchdata/scratchdata/pkg/destination"
)

// surgeon opens a destination anew as a test says, and counts how often it was asked to.
type surgeon struct {
	dests *destination.Set
	with  atomic.Pointer[destination.Opener]
	asked atomic.Int32
}

func newSurgeon(dests *destination.Set, open destination.Opener) *surgeon {
	s := &surgeon{dests: dests}
	s.use(open)
	return s
}

func (s *surgeon) use(open destination.Opener) { s.with.Store(&open) }

func (s *surgeon) reopen(ctx context.Context, id string, look func(context.Context) error) (bool, error) {
	s.asked.Add(1)
	if look(ctx) == nil {
		return false, nil
	}
	open := *s.with.Load()
	return s.dests.Replace(ctx, id, open, open)
}

func TestReopenAfterSeveralFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, fresh := newPatient(sick(errors.New("connection reset"))), newPatient(well)
		dests := destination.NewSet(destination.ByID{"1": p})
		refused := errors.New("connection refused")
		s := newSurgeon(dests, func(context.Context) (destination.Destination, error) { return nil, refused })
		w := run(t, dests, s.reopen)
		synctest.Wait()
		next()
		if s.asked.Load() != 0 {
			t.Errorf("after 2 failures: opened anew %d times", s.asked.Load())
		}
		w.wantLog(t, silent)
		for i := range 3 {
			next()
			if got := s.asked.Load(); got != int32(i+1) {
				t.Errorf("got %d tries, want %d", got, i+1)
			}
		}
		w.wantLog(t, "destination not opened anew, will retry") // said once
		w.wantReasons(t, "destination 1 does not answer: the log says why")
		s.use(func(context.Context) (destination.Destination, error) { return nil, errors.New("wrong password") })
		next()
		w.wantLog(t, "destination not opened anew, will retry") // another reason is news
		s.use(func(context.Context) (destination.Destination, error) { return fresh, nil })
		next()
		w.wantLog(t, "destination opened anew", again)
		w.wantReasons(t)
		w.wantUp(t, "1", 1)
		tries, looks := s.asked.Load(), p.asked.Load()
		next()
		if s.asked.Load() != tries || p.asked.Load() != looks || fresh.asked.Load() != 2 {
			t.Errorf("it is opened anew though it answers, or the one before is looked at")
		}
	})
}

// Failures that do not come one after the other are no reason, and neither is a destination that answers by then.
func TestReopenOnlyWhatStaysSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ill := sick(errors.New("connection reset"))
		p := newPatient(ill)
		w := run(t, destination.NewSet(destination.ByID{"1": p}), never(t))
		synctest.Wait()
		next()
		p.be(well)
		next()
		p.be(ill)
		next()
		next()
		w.stop()

		dests := destination.NewSet(destination.ByID{"1": p})
		s := newSurgeon(dests, func(context.Context) (destination.Destination, error) {
			t.Error("opened anew, though it answers")
			return nil, nil
		})
		reopen := func(ctx context.Context, id string, look func(context.Context) error) (bool, error) {
			p.be(well)
			return s.reopen(ctx, id, look)
		}
		run(t, dests, reopen)
		synctest.Wait()
		next()
		next()
		if got := s.asked.Load(); got != 1 {
			t.Errorf("got %d tries, want 1", got)
		}
	})
}

// One that is not open is opened at once.
func TestReopenWhatIsNotOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dests := destination.NewSet(destination.ByID{"1": newPatient(well)})
		gone := func(err error) destination.Opener {
			return func(context.Context) (destination.Destination, error) { return nil, err }
		}
		if _, err := dests.Replace(t.Context(), "1", gone(destination.ErrInUse), gone(errors.New("hunter2 is gone"))); err == nil {
			t.Fatal("got no error")
		}
		s := newSurgeon(dests, gone(errors.New("still gone")))
		w := run(t, dests, s.reopen)
		synctest.Wait()
		w.wantReasons(t, "destination 1 does not answer: the destination could not be opened")
		w.wantLog(t, silent, "destination not opened anew, will retry")
		s.use(func(context.Context) (destination.Destination, error) { return newPatient(well), nil })
		next()
		w.wantReasons(t)
		w.wantLog(t, "destination opened anew", again)
		if got := s.asked.Load(); got != 2 {
			t.Errorf("got %d tries, want 2", got)
		}
	})
}
