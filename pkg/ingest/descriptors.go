package ingest

import (
	"slices"
	"sync"
)

// descriptors keeps the number of batch files held open small: when there are too many, those that were opened first
// are closed, and opened again with their next insert.
type descriptors struct {
	most int

	mu   sync.Mutex
	held []*batch // in the order in which they were opened; guarded by mu
}

// open opens b's file, which has length bytes, and makes room for it.
func (d *descriptors) open(b *batch, length int64, open opener) (file, error) {
	d.makeRoom()
	f, err := open(b.path, length)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = slices.DeleteFunc(d.held, func(h *batch) bool { return h == b })
	d.held = append(d.held, b)
	return f, nil
}

// makeRoom closes the files that were opened first, until there is room for one more. One that is being written to
// stays open: there are only as many of those as there are inserts.
func (d *descriptors) makeRoom() {
	d.mu.Lock()
	defer d.mu.Unlock()
	excess := len(d.held) - d.most + 1
	d.held = slices.DeleteFunc(d.held, func(b *batch) bool {
		if excess <= 0 || !b.rest() {
			return false
		}
		excess--
		return true
	})
}

// forget drops b, whose file was closed.
func (d *descriptors) forget(b *batch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = slices.DeleteFunc(d.held, func(h *batch) bool { return h == b })
}
