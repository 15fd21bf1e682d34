package fileservertest

import (
	"io"
	"sync"

	"github.com/scratchdata/scratchdata/pkg/blobstore/fileserver"
)

// hooked is a session whose calls of one name are made by a test.
type hooked struct {
	fileserver.Session
	hook *hook
}

type hook struct {
	mu sync.Mutex
	op string                        // guarded by mu; the next call of this name is made by do, empty after it
	do func(call func() error) error // guarded by mu
}

// set has do make the next call of the name op.
func (h *hook) set(op string, do func(call func() error) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.op, h.do = op, do
}

// met reports whether the call was made.
func (h *hook) met() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.op == ""
}

func (h *hook) call(op string, call func() error) error {
	h.mu.Lock()
	do := h.do
	if h.op != op {
		do = func(call func() error) error { return call() }
	} else {
		h.op = ""
	}
	h.mu.Unlock()
	return do(call)
}

// hookInto puts a hook into the sessions of the place.
func (p Place) hookInto() (Place, *hook) {
	h, dial := &hook{}, p.Config.Dial
	p.Config.Dial = func(line *fileserver.Line) (fileserver.Session, error) {
		s, err := dial(line)
		if err != nil {
			return nil, err
		}
		return &hooked{s, h}, nil
	}
	return p, h
}

// The calls that tests make fail.
const (
	opCreate = "Create"
	opOpen   = "Open"
	opRename = "Rename"
	opRemove = "Remove"
	opSync   = "Sync"
)

// Create implements fileserver.Session.
func (s *hooked) Create(name string, r io.Reader) (n int64, err error) {
	err = s.hook.call(opCreate, func() (err error) {
		n, err = s.Session.Create(name, r)
		return err
	})
	return n, err
}

// Open implements fileserver.Session.
func (s *hooked) Open(name string) (r io.ReadCloser, n int64, err error) {
	err = s.hook.call(opOpen, func() (err error) {
		r, n, err = s.Session.Open(name)
		return err
	})
	return r, n, err
}

// Rename implements fileserver.Session.
func (s *hooked) Rename(from, to string) error {
	return s.hook.call(opRename, func() error { return s.Session.Rename(from, to) })
}

// Remove implements fileserver.Session.
func (s *hooked) Remove(name string) error {
	return s.hook.call(opRemove, func() error { return s.Session.Remove(name) })
}

// Sync implements fileserver.Session.
func (s *hooked) Sync(folders []string) error {
	return s.hook.call(opSync, func() error { return s.Session.Sync(folders) })
}
