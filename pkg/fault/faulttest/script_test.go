package faulttest

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

func TestDo(t *testing.T) {
	s := New(Fault{Op: "Put", N: 2}, Fault{Op: "Get", N: 1, Applied: true}, Fault{Op: "Put", N: 9})
	for i, tt := range []struct {
		op           string
		called, fail bool
	}{
		{"Put", true, false},
		{"Put", false, true},
		{"Put", true, false},
		{"Get", true, true},
		{"Get", true, false},
		{"Delete", true, false},
	} {
		called := false
		err := s.Do(tt.op, func() error { called = true; return nil })
		if called != tt.called || errors.Is(err, ErrScripted) != tt.fail {
			t.Errorf("call %d, %s: got called %t and %v, want called %t, failed %t", i, tt.op, called, err, tt.called, tt.fail)
		}
	}
	if got, want := s.Unused(), []Fault{{Op: "Put", N: 9}}; !slices.Equal(got, want) {
		t.Errorf("unused: got %v, want %v", got, want)
	}
}

func TestDoReturnsTheCallsOwnError(t *testing.T) {
	own := errors.New("own")
	s := New(Fault{Op: "Put", N: 2, Applied: true})
	for range 2 {
		if err := s.Do("Put", func() error { return own }); !errors.Is(err, own) || errors.Is(err, ErrScripted) {
			t.Errorf("got %v, want the call's own error", err)
		}
	}
	if got := s.Unused(); len(got) != 0 {
		t.Errorf("unused: got %v, want none", got)
	}
}

func TestDoHitsOnceAmongMany(t *testing.T) {
	s := New(Fault{Op: "Put", N: 50})
	var failed atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if s.Do("Put", func() error { return nil }) != nil {
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	if got := failed.Load(); got != 1 {
		t.Errorf("%d of 100 calls failed, want 1", got)
	}
}
