package transport

import "sync"

// news tells those who wait for a batch that it was settled in this process.
type news struct {
	mu      sync.Mutex
	waiting map[string]*waiters // by batch; guarded by mu
}

type waiters struct {
	told chan struct{}
	n    int
}

func newNews() *news { return &news{waiting: make(map[string]*waiters)} }

// watch returns a channel that is closed when batch is settled, and a function to call when it is no longer needed.
func (n *news) watch(batch string) (told <-chan struct{}, stop func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	w := n.waiting[batch]
	if w == nil {
		w = &waiters{told: make(chan struct{})}
		n.waiting[batch] = w
	}
	w.n++
	return w.told, func() { n.leave(batch, w) }
}

func (n *news) leave(batch string, w *waiters) {
	n.mu.Lock()
	defer n.mu.Unlock()
	w.n--
	if w.n == 0 && n.waiting[batch] == w {
		delete(n.waiting, batch)
	}
}

// tell wakes everybody who waits for batch.
func (n *news) tell(batch string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if w := n.waiting[batch]; w != nil {
		close(w.told)
		delete(n.waiting, batch)
	}
}
