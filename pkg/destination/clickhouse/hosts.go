package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/calls"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

const (
	checkEvery = 2 * time.Second  // how often a host that could not be reached is looked at
	hostRests  = 30 * time.Second // how long a host comes last that could be reached and could not work
)

// chooser gives the order in which n hosts are tried, all of them: losing one stops nothing. turn is one higher with each call, and
// rests says of which hosts it is known that they cannot work now.
type chooser func(n, turn int, rests func(host int) bool) []int

// choosers are the values of choose.
var choosers = map[string]chooser{
	// first takes the first host in the list that can work.
	first: func(n, _ int, rests func(int) bool) []int { return restingLast(inTurn(n, 0), rests) },
	// roundRobin takes the hosts in turn, whatever is known of them.
	roundRobin: func(n, turn int, _ func(int) bool) []int { return inTurn(n, turn) },
	// healthy takes the hosts in turn that can work.
	healthy: func(n, turn int, rests func(int) bool) []int { return restingLast(inTurn(n, turn), rests) },
}

func inTurn(n, turn int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = (turn + i) % n
	}
	return list
}

func restingLast(list []int, rests func(int) bool) []int {
	slices.SortStableFunc(list, func(a, b int) int {
		switch {
		case rests(a) == rests(b):
			return 0
		case rests(a):
			return 1
		}
		return -1
	})
	return list
}

// hosts chooses the host of a connection, and looks after those that cannot be reached. Safe for concurrent use.
type hosts struct {
	addresses []string
	choose    chooser
	check     func(ctx context.Context, host int) error // nil when the host can be reached
	checks    *calls.Group

	mu       sync.Mutex
	turn     int
	lost     []bool      // that could not be reached, until they can; guarded by mu
	sick     []time.Time // until when each rests that could be reached; guarded by mu
	checking bool        // guarded by mu
}

func newHosts(addresses []string, choose string) *hosts {
	return &hosts{addresses: addresses, choose: choosers[choose], checks: calls.New(), lost: make([]bool, len(addresses)), sick: make([]time.Time, len(addresses))}
}

// order gives the hosts in the order in which to try them.
func (h *hosts) order() []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	turn, now := h.turn, time.Now()
	h.turn = (turn + 1) % len(h.addresses)
	return h.choose(len(h.addresses), turn, func(i int) bool { return h.lost[i] || now.Before(h.sick[i]) })
}

// reached notes whether a host could be reached. One that could not comes last until a check in the background finds it: no
// statement waits for it meanwhile.
func (h *hosts) reached(host int, yes bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost[host] = !yes
	if yes || h.checking || h.check == nil || len(h.addresses) == 1 {
		return
	}
	h.checking = h.checks.Start(h.watch)
}

// cannotWork notes that a host was reached and cannot do now what was asked.
func (h *hosts) cannotWork(host int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sick[host] = time.Now().Add(hostRests)
}

// watch checks the hosts that are lost until there is none.
func (h *hosts) watch(ctx context.Context) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, host := range h.allLost() {
			if h.check(ctx, host) == nil {
				h.reached(host, true)
			}
		}
		if h.noneLost() {
			return
		}
	}
}

func (h *hosts) allLost() (list []int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, lost := range h.lost {
		if lost {
			list = append(list, i)
		}
	}
	return list
}

// noneLost ends the checking if there is nothing to check.
func (h *hosts) noneLost() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checking = slices.Contains(h.lost, true)
	return !h.checking
}

// close ends the checks.
func (h *hosts) close() {
	h.checks.Close()
	h.checks.Wait()
}

// unreachable is what is said when no host could be reached, or none of those that were could work.
func (h *hosts) unreachable(tried map[int]error) error {
	errs := make([]error, 0, len(tried))
	for i, address := range h.addresses {
		if err := tried[i]; err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", address, err))
		}
	}
	return fault.New(fault.Busy, "destination_unreachable", "the database cannot be reached").Because(errors.Join(errs...)).Retry(busyAfter)
}

// pinKey is the key of a context's pin.
type pinKey struct{}

// pin is the host that all statements of one call go to, once the first has found one: what one replica says does not hold for another.
type pin struct {
	mu   sync.Mutex
	host int // guarded by mu; -1: none yet
}

// pinned returns a context whose statements all go to the same host.
func pinned(ctx context.Context) context.Context {
	return context.WithValue(ctx, pinKey{}, &pin{host: -1})
}

// pinOf gives the host that ctx is pinned to, -1 when it is none.
func pinOf(ctx context.Context) int {
	p, ok := ctx.Value(pinKey{}).(*pin)
	if !ok {
		return -1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.host
}

// keep pins ctx, if it can be, to host.
func keep(ctx context.Context, host int) {
	if p, ok := ctx.Value(pinKey{}).(*pin); ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.host < 0 {
			p.host = host
		}
	}
}
