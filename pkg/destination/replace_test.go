package destination

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// replacing is one call of Replace.
type replacing struct {
	done     chan struct{}
	replaced bool
	err      error
}

func replace(ctx context.Context, s *Set, id string, fresh, again Opener) *replacing {
	r := &replacing{done: make(chan struct{})}
	go func() {
		r.replaced, r.err = s.Replace(ctx, id, fresh, again)
		close(r.done)
	}()
	return r
}

func (r *replacing) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// Where both can be open, who uses the old one goes on with it, others get the new one at once, and the old one is closed
// when its last user has ended.
func TestReplaceBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &file{shared: true}
		s := f.setOf(t)
		one, two := visitTo(s, "a"), visitTo(s, "a")
		synctest.Wait()
		r := replace(t.Context(), s, "a", f.opener("new"), f.opener("again"))
		synctest.Wait()
		if got := who(t, s, "a"); got != "new" {
			t.Errorf("got %s, want new", got)
		}
		one.end(t)
		synctest.Wait()
		if n := f.open.Load(); n != 2 || r.ended() {
			t.Errorf("got %d open, replace ended %t; want 2 and not, while the old one is used", n, r.ended())
		}
		two.end(t)
		<-r.done
		if n := f.open.Load(); n != 1 || !r.replaced || r.err != nil {
			t.Errorf("got %d open, %t, %v; want the new one alone", n, r.replaced, r.err)
		}
		wantClosed(t, s)
	})
}

// Replace does not wait for the users of the old one longer than its context, and keeps nobody else from replacing
// meanwhile. The old ones are closed all the same, Close waits for that, and gives each error that nobody was given.
func TestReplaceLeavesTheOldOneBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &file{shared: true}
		torn, broken := errors.New("torn"), errors.New("broken")
		fragile := func(context.Context) (Destination, error) {
			f.open.Add(1)
			return &house{name: "fragile", file: f, closing: broken}, nil
		}
		s := NewSet(ByID{"a": &house{name: "old", file: f, closing: torn}})
		f.open.Add(1)
		inOld := visitTo(s, "a")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first := replace(ctx, s, "a", fragile, nil)
		synctest.Wait()
		inFragile := visitTo(s, "a")
		synctest.Wait()
		second := replace(ctx, s, "a", f.opener("new"), nil)
		synctest.Wait()
		if got := who(t, s, "a"); got != "new" || first.ended() || second.ended() {
			t.Errorf("got %s, ended %t and %t; want new, while both wait", got, first.ended(), second.ended())
		}
		<-first.done
		<-second.done
		if !first.replaced || first.err != nil || !second.replaced || second.err != nil {
			t.Errorf("got %t, %v and %t, %v, want both replaced", first.replaced, first.err, second.replaced, second.err)
		}
		inOld.end(t)
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		synctest.Wait()
		if len(closed) > 0 {
			t.Error("Close returned while the second one was in use")
		}
		inFragile.end(t)
		if err := <-closed; !errors.Is(err, torn) || !errors.Is(err, broken) {
			t.Errorf("close: got %v, want %v and %v", err, torn, broken)
		}
		if n := f.open.Load(); n != 0 {
			t.Errorf("got %d open after Close", n)
		}
	})
}

// Where one at a time can be open, the old one is closed first, when its last user has ended; callers wait meanwhile and
// get the new one.
func TestReplaceExchanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(file)
		s := f.setOf(t)
		before := visitTo(s, "a")
		synctest.Wait()
		r := replace(t.Context(), s, "a", f.opener("new"), f.opener("again"))
		synctest.Wait()
		waiting := visitTo(s, "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Use(ctx, "a", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller whose context ends: got %v, want that", err)
		}
		if len(waiting.in) > 0 || r.ended() || !s.Has("a") {
			t.Errorf("got in %d, ended %t, has %t; want to wait for the old one's user", len(waiting.in), r.ended(), s.Has("a"))
		}
		before.end(t)
		<-r.done
		if !r.replaced || r.err != nil {
			t.Errorf("got %t, %v, want it replaced", r.replaced, r.err)
		}
		if got := <-waiting.in; got != "new" {
			t.Errorf("who waited got %s, want new", got)
		}
		waiting.end(t)
		wantClosed(t, s)
	})
}

// When the users of the old one have not ended before Replace's context, it stays, and callers get it.
func TestReplaceGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(file)
		s := f.setOf(t)
		before := visitTo(s, "a")
		synctest.Wait()
		tired := errors.New("tired of waiting")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, tired)
		defer cancel()
		r := replace(ctx, s, "a", f.opener("new"), f.opener("again"))
		synctest.Wait()
		waiting := visitTo(s, "a")
		<-r.done
		if r.replaced || !errors.Is(r.err, tired) {
			t.Errorf("got %t, %v, want why it was given up", r.replaced, r.err)
		}
		if got := <-waiting.in; got != "old" {
			t.Errorf("who waited got %s, want old", got)
		}
		before.end(t)
		// Another try waits for all of its users again.
		r = replace(t.Context(), s, "a", f.opener("new"), f.opener("again"))
		synctest.Wait()
		if r.ended() {
			t.Error("the second try did not wait")
		}
		waiting.end(t)
		<-r.done
		if got := who(t, s, "a"); got != "new" || !r.replaced {
			t.Errorf("got %s, %t, want new", got, r.replaced)
		}
		wantClosed(t, s)
	})
}

func TestReplaceFails(t *testing.T) {
	why, neither := errors.New("no such setting"), errors.New("the disk is gone")
	for _, tt := range []struct {
		name   string
		shared bool
		again  error // what the second opener fails with
		now    string
		errs   []error
	}{
		{"beside", true, nil, "old", []error{why}},
		{"first one at a time", false, nil, "again", []error{why}},
		{"and so does what was there", false, neither, "", []error{why, neither}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &file{shared: tt.shared}
			s := f.setOf(t)
			again := f.opener("again")
			if tt.again != nil {
				again = f.failing(tt.again)
			}
			replaced, err := s.Replace(t.Context(), "a", f.failing(why), again)
			if replaced {
				t.Error("got that it was replaced")
			}
			for _, want := range tt.errs {
				if !errors.Is(err, want) {
					t.Errorf("got %v, want %v in it", err, want)
				}
			}
			if tt.now != "" {
				if got := who(t, s, "a"); got != tt.now {
					t.Errorf("got %s, want %s", got, tt.now)
				}
				wantClosed(t, s)
				return
			}
			wantNotOpen(t, s, neither)
			if n := f.open.Load(); n != 0 {
				t.Errorf("got %d open, want none", n)
			}
			if _, err := s.Replace(t.Context(), "a", f.failing(why), nil); err != why && !errors.Is(err, why) {
				t.Errorf("another try: got %v, want %v", err, why)
			}
			wantNotOpen(t, s, why) // the newest reason
			f.open.Add(1)          // somebody else in this process has it, so there is nothing to close
			if replaced, err := s.Replace(t.Context(), "a", f.opener("new"), nil); replaced || !errors.Is(err, ErrInUse) {
				t.Errorf("in use elsewhere: got %t, %v, want ErrInUse", replaced, err)
			}
			f.open.Add(-1)
			if replaced, err := s.Replace(t.Context(), "a", f.opener("mended"), nil); !replaced || err != nil {
				t.Errorf("the mending: got %t, %v", replaced, err)
			}
			if got := who(t, s, "a"); got != "mended" {
				t.Errorf("got %s, want mended", got)
			}
			wantClosed(t, s)
		})
	}
}

// wantNotOpen wants the callers of a told why it is not open, as what may work later and without the reason's words.
func wantNotOpen(t *testing.T, s *Set, why error) {
	t.Helper()
	err := s.Use(t.Context(), "a", nil)
	if !errors.Is(err, ErrNotOpen) || !errors.Is(err, why) || !fault.Retryable(err) {
		t.Errorf("got %v, want ErrNotOpen because of %v, to be tried again", err, why)
	}
	if text := fault.TextOf(err); text == "" || strings.Contains(text, why.Error()) {
		t.Errorf("the caller reads %q, want a text without the reason", text)
	}
	if !s.Has("a") {
		t.Error("the id is gone")
	}
}

// A context that ends after the old one was closed does not leave the id without a destination.
func TestReplaceCancelledBetween(t *testing.T) {
	f := new(file)
	s := f.setOf(t)
	ctx, cancel := context.WithCancel(t.Context())
	late := func(context.Context) (Destination, error) {
		d, err := f.build("late")
		if err == nil { // the old one is closed by now
			cancel()
			return nil, errors.Join(context.Canceled, d.Close())
		}
		return nil, err
	}
	if replaced, err := s.Replace(ctx, "a", late, f.opener("again")); replaced || !errors.Is(err, context.Canceled) {
		t.Errorf("got %t, %v, want that it was cancelled", replaced, err)
	}
	if got := who(t, s, "a"); got != "again" {
		t.Errorf("got %s, want again", got)
	}
	wantClosed(t, s)
}

// A destination that does not close well does not keep another from its place, and Replace says so.
func TestReplaceOfOneThatDoesNotClose(t *testing.T) {
	torn := errors.New("torn")
	for _, shared := range []bool{true, false} {
		f := &file{shared: shared}
		s := NewSet(ByID{"a": &house{name: "old", file: f, closing: torn}})
		f.open.Add(1)
		if replaced, err := s.Replace(t.Context(), "a", f.opener("new"), nil); !replaced || !errors.Is(err, torn) {
			t.Errorf("shared %t: got %t, %v, want it replaced, and %v", shared, replaced, err, torn)
		}
		if got := who(t, s, "a"); got != "new" {
			t.Errorf("shared %t: got %s, want new", shared, got)
		}
		wantClosed(t, s) // the error is not given twice
	}
}

func TestReplaceOfOneThatIsNotThere(t *testing.T) {
	opened := false
	s := NewSet(nil)
	_, err := s.Replace(t.Context(), "a", func(context.Context) (Destination, error) { opened = true; return nil, nil }, nil)
	if !errors.Is(err, fault.NotFound) || opened {
		t.Errorf("got %v, opened %t, want fault.NotFound and nothing opened", err, opened)
	}
}

// Replace and Remove of one id wait for each other, and no longer than their contexts; other ids do not wait.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &file{shared: true}
		s := f.setOf(t)
		other, _ := f.build("other")
		if err := s.Add("b", other); err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		slow := func(context.Context) (Destination, error) { <-release; return f.build("slow") }
		first := replace(t.Context(), s, "a", slow, nil)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Replace(ctx, "a", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("replace: got %v, want that its time is up", err)
		}
		if err := s.Remove(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("remove: got %v, want that its time is up", err)
		}
		if replaced, err := s.Replace(t.Context(), "b", f.opener("another"), nil); !replaced || err != nil {
			t.Errorf("another id: got %t, %v", replaced, err)
		}
		removed := make(chan error, 1)
		go func() { removed <- s.Remove(t.Context(), "a") }()
		synctest.Wait()
		late := replace(t.Context(), s, "a", f.opener("late"), nil) // opens nothing: the id is gone when its turn comes
		synctest.Wait()
		if len(removed) > 0 || late.ended() {
			t.Error("went on while another replaced")
		}
		close(release)
		<-first.done
		if err := <-removed; err != nil {
			t.Errorf("remove: %v", err)
		}
		<-late.done
		if late.replaced || !errors.Is(late.err, fault.NotFound) {
			t.Errorf("replace of the removed: got %t, %v, want fault.NotFound", late.replaced, late.err)
		}
		wantClosed(t, s)
		if n := f.open.Load(); n != 0 {
			t.Errorf("got %d open after Close", n)
		}
	})
}

func TestRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(file)
		s := f.setOf(t)
		v := visitTo(s, "a")
		synctest.Wait()
		removed := make(chan error, 1)
		go func() { removed <- s.Remove(t.Context(), "a") }()
		synctest.Wait()
		if s.Has("a") || len(s.IDs()) != 0 || len(removed) > 0 {
			t.Errorf("got has %t, %v, removed %d; want it gone at once, and the closing to wait", s.Has("a"), s.IDs(), len(removed))
		}
		if err := s.Use(t.Context(), "a", nil); !errors.Is(err, fault.NotFound) {
			t.Errorf("use: got %v, want fault.NotFound", err)
		}
		if _, err := f.build("early"); !errors.Is(err, ErrInUse) {
			t.Errorf("got %v, want it open still", err)
		}
		v.end(t)
		if err := <-removed; err != nil {
			t.Errorf("remove: %v", err)
		}
		if err := s.Remove(t.Context(), "a"); !errors.Is(err, fault.NotFound) {
			t.Errorf("again: got %v, want fault.NotFound", err)
		}
		d, err := f.build("next")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Add("a", d); err != nil {
			t.Errorf("add under the same id: %v", err)
		}
		if got := who(t, s, "a"); got != "next" {
			t.Errorf("got %s, want next", got)
		}
		wantClosed(t, s)
	})
}

// A removal that comes while callers wait for a replacement is next: they get the new one or hear that there is none, and
// it is closed when they have ended.
func TestRemoveWhileCallersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(file)
		s := f.setOf(t)
		before := visitTo(s, "a")
		synctest.Wait()
		r := replace(t.Context(), s, "a", f.opener("new"), f.opener("again"))
		synctest.Wait()
		waiting := visitTo(s, "a")
		removed := make(chan error, 1)
		go func() { removed <- s.Remove(t.Context(), "a") }()
		synctest.Wait()
		before.end(t)
		<-r.done
		select {
		case err := <-waiting.done:
			if !errors.Is(err, fault.NotFound) {
				t.Errorf("who waited got %v, want fault.NotFound", err)
			}
		case name := <-waiting.in:
			if name != "new" {
				t.Errorf("who waited got %s, want new", name)
			}
			waiting.end(t)
		}
		if err := <-removed; err != nil {
			t.Errorf("remove: %v", err)
		}
		if n := f.open.Load(); n != 0 {
			t.Errorf("got %d open after Remove", n)
		}
		wantClosed(t, s)
	})
}
