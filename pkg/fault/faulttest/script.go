// Package faulttest lets calls fail as a script says.
package faulttest

import (
	"errors"
	"fmt"
	"sync"
)

// ErrScripted is what a scripted failure returns, wrapped. It has no kind, so it counts as fault.Internal.
var ErrScripted = errors.New("scripted failure")

// Fault is one call that fails.
type Fault struct {
	Op      string // the name of the method, such as "Put"
	N       int    // which of its calls, the first being 1
	Applied bool   // the call is made and only its answer is lost; else it is not made
}

// Script is the calls that fail. Safe for concurrent use.
type Script struct {
	mu     sync.Mutex
	calls  map[string]int // guarded by mu: how often each operation was called
	faults []Fault        // guarded by mu: those that were not hit yet
}

// New returns a script of faults.
func New(faults ...Fault) *Script {
	return &Script{calls: make(map[string]int), faults: append([]Fault(nil), faults...)}
}

// Do makes the call, or lets it fail when it is op's turn. A call that fails by itself before its answer could be lost
// fails with its own error.
func (s *Script) Do(op string, call func() error) error {
	f, ok := s.next(op)
	if !ok {
		return call()
	}
	if f.Applied {
		if err := call(); err != nil {
			return err
		}
		return fmt.Errorf("%s number %d, after it was done: %w", f.Op, f.N, ErrScripted)
	}
	return fmt.Errorf("%s number %d: %w", f.Op, f.N, ErrScripted)
}

// next counts a call of op and takes the fault that is meant for it.
func (s *Script) next(op string) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[op]++
	for i, f := range s.faults {
		if f.Op == op && f.N == s.calls[op] {
			s.faults = append(s.faults[:i], s.faults[i+1:]...)
			return f, true
		}
	}
	return Fault{}, false
}

// Unused lists the faults that no call has hit. A test that scripts a fault fails when there is one left.
func (s *Script) Unused() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Fault(nil), s.faults...)
}
