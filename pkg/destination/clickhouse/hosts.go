package clickhouse

import (
	"slices"
	"sync"
	"time"
)

// hostRests is how long a host that could not be reached comes last.
const hostRests = 30 * time.Second

// hosts chooses the host of a connection. Safe for concurrent use.
type hosts struct {
	addresses []string
	choose    string

	mu     sync.Mutex
	next   int
	failed []time.Time // when each could not be reached; zero: it could
}

func newHosts(addresses []string, choose string) *hosts {
	return &hosts{addresses: addresses, choose: choose, failed: make([]time.Time, len(addresses))}
}

// order gives the hosts in the order in which to try them: all, so that losing one stops nothing.
func (h *hosts) order(now time.Time) []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]int, len(h.addresses))
	for i := range list {
		list[i] = i
		if h.choose != first {
			list[i] = (h.next + i) % len(list)
		}
	}
	h.next = (h.next + 1) % len(list)
	if h.choose == healthy {
		rests := func(i int) int {
			if now.Sub(h.failed[i]) < hostRests {
				return 1
			}
			return 0
		}
		slices.SortStableFunc(list, func(a, b int) int { return rests(a) - rests(b) })
	}
	return list
}

// note says whether a host could be reached.
func (h *hosts) note(host int, reached bool, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed[host] = time.Time{}
	if !reached {
		h.failed[host] = now
	}
}
