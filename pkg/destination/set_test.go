package destination

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// house is a destination that knows who is in it, and what went on in all houses of a file.
type house struct {
	Destination // nothing of it is called
	name        string
	file        *file
	closing     error
	inside      atomic.Int32
	closed      atomic.Bool
}

// file can be open once, unless shared.
type file struct {
	shared bool
	open   atomic.Int32
}

func (h *house) Close() error {
	if h.closed.Swap(true) {
		panic(h.name + " is closed twice")
	}
	if n := h.inside.Load(); n != 0 {
		panic(fmt.Sprintf("%s is closed while %d use it", h.name, n))
	}
	h.file.open.Add(-1)
	return h.closing
}

// build opens a house of f.
func (f *file) build(name string) (Destination, error) {
	if f.open.Add(1) > 1 && !f.shared {
		f.open.Add(-1)
		return nil, fmt.Errorf("open %s: %w", name, ErrInUse)
	}
	return &house{name: name, file: f}, nil
}

func (f *file) opener(name string) Opener {
	return func(ctx context.Context) (Destination, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return f.build(name)
	}
}

// failing opens nothing. Where the file can be open once it says ErrInUse before that.
func (f *file) failing(why error) Opener {
	return func(context.Context) (Destination, error) {
		d, err := f.build("failing")
		if err == nil {
			err = errors.Join(why, d.Close())
		}
		return nil, err
	}
}

// setOf returns a set with a house of f called old under the id a.
func (f *file) setOf(t *testing.T) *Set {
	t.Helper()
	d, err := f.build("old")
	if err != nil {
		t.Fatal(err)
	}
	return NewSet(ByID{"a": d})
}

// visit is one call of Use.
type visit struct {
	leave chan struct{} // ends it when closed
	in    chan string   // gives the name of the house it got
	done  chan error    // gives Use's error
}

// visitTo begins a call of Use that stays until it is told to leave.
func visitTo(s *Set, id string) *visit {
	v := &visit{leave: make(chan struct{}), in: make(chan string, 1), done: make(chan error, 1)}
	go func() {
		v.done <- s.Use(context.Background(), id, func(d Destination) error {
			h := d.(*house)
			h.inside.Add(1)
			defer h.inside.Add(-1)
			v.in <- h.name
			<-v.leave
			if h.closed.Load() {
				return errors.New(h.name + " was closed while it was used")
			}
			return nil
		})
	}()
	return v
}

// end ends the visit.
func (v *visit) end(t *testing.T) {
	t.Helper()
	close(v.leave)
	if err := <-v.done; err != nil {
		t.Errorf("use: %v", err)
	}
}

// who gives the name of the house that a call of Use gets.
func who(t *testing.T, s *Set, id string) (name string) {
	t.Helper()
	if err := s.Use(t.Context(), id, func(d Destination) error { name = d.(*house).name; return nil }); err != nil {
		t.Errorf("use %s: %v", id, err)
	}
	return name
}

func wantClosed(t *testing.T, s *Set) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestUse(t *testing.T) {
	s := NewSet(ByID{"b": nil, "a": nil})
	if got := s.IDs(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("ids: got %v", got)
	}
	if !s.Has("a") || s.Has("c") {
		t.Error("Has does not know who is there")
	}
	mine := errors.New("mine")
	if err := s.Use(t.Context(), "a", func(Destination) error { return mine }); err != mine {
		t.Errorf("got %v, want the error of do as it is", err)
	}
	if err := s.Use(t.Context(), "c", nil); !errors.Is(err, fault.NotFound) || fault.CodeOf(err) != "unknown_destination" {
		t.Errorf("an unknown id: got %v, want fault.NotFound", err)
	}
}

func TestAdd(t *testing.T) {
	f := &file{shared: true}
	s := f.setOf(t)
	d, _ := f.build("b")
	if err := s.Add("b", d); err != nil {
		t.Fatal(err)
	}
	if got := who(t, s, "b"); got != "b" {
		t.Errorf("got %s, want b", got)
	}
	other, _ := f.build("other")
	if err := s.Add("b", other); !errors.Is(err, fault.Exists) {
		t.Errorf("again: got %v, want fault.Exists", err)
	}
	if other.(*house).closed.Load() {
		t.Error("what was not added was closed: it is the caller's")
	}
	wantClosed(t, s)
	if err := s.Add("c", other); !errors.Is(err, fault.Closed) {
		t.Errorf("after Close: got %v, want fault.Closed", err)
	}
	if n := f.open.Load(); n != 1 {
		t.Errorf("got %d open after Close, want the one that was not added", n)
	}
}

func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &file{shared: true}
		s := f.setOf(t)
		v := visitTo(s, "a")
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		synctest.Wait()
		if len(closed) > 0 {
			t.Error("Close returned while a destination was used")
		}
		if err := s.Use(t.Context(), "a", nil); !errors.Is(err, fault.Closed) {
			t.Errorf("use: got %v, want fault.Closed", err)
		}
		v.end(t)
		if err := <-closed; err != nil {
			t.Errorf("close: %v", err)
		}
		wantClosed(t, s) // the second does nothing
	})
}

func TestCloseGivesEveryError(t *testing.T) {
	one, two := errors.New("one"), errors.New("two")
	f := &file{shared: true}
	f.open.Add(3)
	s := NewSet(ByID{"a": &house{file: f, closing: one}, "b": &house{file: f}, "c": &house{file: f, closing: two}})
	if err := s.Close(); !errors.Is(err, one) || !errors.Is(err, two) {
		t.Errorf("got %v, want %v and %v", err, one, two)
	}
}

// A call that panics has ended.
func TestUsePanics(t *testing.T) {
	f := new(file)
	s := f.setOf(t)
	func() {
		defer func() {
			if got := recover(); got != "a mistake" {
				t.Errorf("got the panic %v", got)
			}
		}()
		_ = s.Use(t.Context(), "a", func(Destination) error { panic("a mistake") })
	}()
	wantClosed(t, s)
}

// Everything at once: nobody ever has a destination that is closed, a file is never open twice, and nothing is left open.
func TestStress(t *testing.T) {
	const users, changers, rounds = 16, 4, 300
	ids := []string{"a", "b", "c"}
	s := NewSet(nil)
	files := make(map[string]*file)
	for i, id := range ids {
		files[id] = &file{shared: i == 0}
		d, err := files[id].build(id)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Add(id, d); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for range users {
		wg.Go(func() {
			for range rounds {
				use(t, s, ids[rand.IntN(len(ids))])
			}
		})
	}
	for range changers {
		wg.Go(func() {
			for range rounds {
				id := ids[rand.IntN(len(ids))]
				change(t, s, id, files[id])
			}
		})
	}
	wg.Wait()
	wantClosed(t, s)
	for id, f := range files {
		if n := f.open.Load(); n != 0 {
			t.Errorf("%s: got %d open after Close", id, n)
		}
	}
}

func use(t *testing.T, s *Set, id string) {
	err := s.Use(t.Context(), id, func(d Destination) error {
		h := d.(*house)
		h.inside.Add(1)
		defer h.inside.Add(-1)
		if h.closed.Load() {
			t.Errorf("got %s, which is closed", h.name)
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrNotOpen) && !errors.Is(err, fault.NotFound) {
		t.Errorf("use %s: %v", id, err)
	}
}

// change replaces, removes and adds what is under id, each now and then, and lets some of it fail.
func change(t *testing.T, s *Set, id string, f *file) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(1000))*time.Microsecond)
	defer cancel()
	fail := errors.New("no luck")
	switch rand.IntN(6) {
	case 0:
		_ = s.Remove(ctx, id) // its time may be up, and then it is there still
	case 1:
		if d, err := f.build(id); err == nil && s.Add(id, d) != nil {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
	case 2:
		if replaced, err := s.Replace(ctx, id, f.failing(fail), f.opener(id)); replaced || err == nil {
			t.Errorf("got %t, %v of what cannot be opened", replaced, err)
		}
	case 3:
		if replaced, err := s.Replace(ctx, id, f.failing(fail), f.failing(fail)); replaced || err == nil {
			t.Errorf("got %t, %v of what cannot be opened", replaced, err)
		}
	default:
		if replaced, err := s.Replace(ctx, id, f.opener(id), f.opener(id)); !replaced && err == nil {
			t.Error("got neither another destination nor why not")
		}
	}
}
