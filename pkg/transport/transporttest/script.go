// Package transporttest lets a process's calls of its stores fail as a script says, also by letting it die there, and
// keeps the stores that outlive it.
package transporttest

import (
	"errors"
	"fmt"
	"sync"
)

// Fault is a failure that is to happen at the next call of Op.
type Fault struct {
	Op    string
	Skip  int  // so many calls of Op work before
	Lost  bool // the call is made and its answer lost; else it is not made
	Crash bool // the process dies there: nothing that it still does has an effect
}

// Script lets calls fail as written. One process has one script.
type Script struct {
	mu   sync.Mutex
	next []Fault // guarded by mu; each waits for its turn, but for the calls of its Op only
	life *life
}

// life is whether a process lives.
type life struct {
	mu    sync.Mutex
	down  bool // guarded by mu
	ended chan struct{}
}

// Why calls fail.
var (
	ErrScripted = errors.New("scripted failure")
	ErrDown     = errors.New("the process is dead")
)

// NewScript returns the script of a new process.
func NewScript(faults ...Fault) *Script {
	return &Script{next: faults, life: &life{ended: make(chan struct{})}}
}

// Bystander returns a script without faults for parts of the same process, which die with it.
func (s *Script) Bystander() *Script { return &Script{life: s.life} }

// Crashed returns a channel that is closed when the process has died.
func (s *Script) Crashed() <-chan struct{} { return s.life.ended }

// Crash lets the process die now.
func (s *Script) Crash() {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	if !s.life.down {
		s.life.down = true
		close(s.life.ended)
	}
}

// Do makes the call, or what the script has in its place.
func (s *Script) Do(op string, call func() error) error {
	if s.dead() {
		return ErrDown
	}
	f, fails := s.take(op) // the lock is not held during the call, which may make calls that are under the script too
	if !fails {
		return call()
	}
	if f.Lost {
		if err := call(); err != nil {
			return fmt.Errorf("the call whose answer is lost failed by itself: %w", err)
		}
	}
	if f.Crash {
		s.Crash()
	}
	return fmt.Errorf("%s: %w", op, ErrScripted)
}

func (s *Script) dead() bool {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	return s.life.down
}

// take takes the fault that is meant for a call of op, if it is its turn.
func (s *Script) take(op string) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.next) == 0 || s.next[0].Op != op {
		return Fault{}, false
	}
	if s.next[0].Skip > 0 {
		s.next[0].Skip--
		return Fault{}, false
	}
	f := s.next[0]
	s.next = s.next[1:]
	return f, true
}

// Add lets more calls fail.
func (s *Script) Add(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = append(s.next, faults...)
}

// Unused tells what has not happened. A test that scripts a fault fails when there is one left.
func (s *Script) Unused() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}
