package ingest

import (
	"os"
	"slices"
	"sync"

	"github.com/scratchdata/scratchdata/pkg/durable"
)

// descriptors keeps the number of batch files held open small: when there are too many, those that were opened first
// are closed, and opened again with their next insert.
type descriptors struct {
	most int

	mu   sync.Mutex
	held []*batch // in the order in which they were opened; guarded by mu
}

// open opens b's file and makes room for it.
func (d *descriptors) open(b *batch, open func(path string) (file, error)) (file, error) {
	d.makeRoom()
	f, err := open(b.path)
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

// batchFile is a batch file on disk.
type batchFile struct{ *os.File }

// Sync makes the content durable; the name was made durable when the file was created.
func (f batchFile) Sync() error { return durable.Data(f.File) }

// appendFile opens a batch file for appending, and makes it when it is not there.
func appendFile(path string) (file, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o644)
	if os.IsNotExist(err) {
		f, err = durable.Create(path)
	}
	if err != nil {
		return nil, err
	}
	return batchFile{f}, nil
}
