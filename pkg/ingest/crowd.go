package ingest

import "time"

// maxPatience is the longest wait for others.
const maxPatience = 2 * time.Millisecond

// crowd says how long a group waits for more inserts. Clients that insert one after the other come back when they were
// answered: where a group was served while others gathered, they are all likely to be there again soon, and one sync for
// all of them is cheaper than one for each half. The wait is no longer than a sync, so that it at most doubles the time
// of an insert, and a lonely client never waits.
type crowd struct {
	size     int           // how many inserts waited at a time, lately
	patience time.Duration // how long the last sync took
	wanted   int           // how many inserts end the wait; 0 when nobody waits
	enough   chan struct{}
}

// served notes that a group of n was served, while next gathered.
func (c *crowd) served(n int, next *group) {
	c.size = n
	if next != nil {
		c.size += next.inserts
	}
}

// expect reports whether a group of n should wait, and prepares that.
func (c *crowd) expect(n int) bool {
	if n >= c.size || c.patience == 0 {
		return false
	}
	c.wanted, c.enough = c.size, make(chan struct{})
	return true
}

// joined notes that the group has n inserts now.
func (c *crowd) joined(n int) {
	if c.wanted > 0 && n >= c.wanted {
		c.wanted = 0
		close(c.enough)
	}
}

// wait waits until there are enough, or patience ends. It is called without the batch's lock.
func (c *crowd) wait() {
	t := time.NewTimer(min(c.patience, maxPatience))
	defer t.Stop()
	select {
	case <-c.enough:
	case <-t.C:
	}
}
