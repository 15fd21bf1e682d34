package fileservertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
	"github.com/scratchdata/scratchdata/pkg/blobstore/fileserver"
	"github.com/scratchdata/scratchdata/pkg/blobstore/transfer"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// errLost is an answer that was lost.
var errLost = errors.New("the answer was lost")

func checkCutCalls(t *testing.T, p Place) {
	direct := p.Open(t)
	p, n := p.through(t)
	p, h := p.hookInto()
	far := p.Open(t)
	before := func(call func() error) error {
		n.Cut()
		return call()
	}
	after := func(call func() error) error {
		err := call()
		n.Cut()
		return errors.Join(errLost, err)
	}
	replace := func() error { return far.Put(t.Context(), "1/a", strings.NewReader("new")) }
	remove := func() error { return far.Delete(t.Context(), "1/a") }
	get := func() error {
		r, err := far.Get(t.Context(), "1/a")
		if err == nil {
			err = r.Close()
		}
		return err
	}
	for _, tt := range []struct {
		name, op string
		do       func(call func() error) error
		call     func() error
		want     string // the blob after it; empty when there is none
	}{
		{"an upload that was not heard", opCreate, before, replace, "old"},
		{"an upload whose answer was lost", opCreate, after, replace, "old"},
		{"a rename that was not heard", opRename, before, replace, "old"},
		{"a rename whose answer was lost", opRename, after, replace, "new"},
		{"an answer that was lost after the rename", opSync, after, replace, "new"},
		{"a removal that was not heard", opRemove, before, remove, "old"},
		{"a removal whose answer was lost", opRemove, after, remove, ""},
		{"a download that was not heard", opOpen, before, get, "old"},
		{"a download whose answer was lost", opOpen, after, get, "old"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			put(t, direct, "1/a", "old")
			h.set(tt.op, tt.do)
			err := tt.call()
			if !h.met() {
				t.Fatalf("%s was not called", tt.op)
			}
			if err == nil && tt.want == "old" || err != nil && !fault.Retryable(err) {
				t.Errorf("got %v, want an error that is tried again", err)
			}
			wantBlob(t, direct, "1/a", tt.want)
			if err := tt.call(); err != nil && tt.want != "" {
				t.Errorf("once more: got %v, want none", err)
			}
			p.wantFiles(t)
		})
	}
}

// size is of blobs that do not fit into the buffers on the way.
const size = 24 << 20

func checkCutUpload(t *testing.T, p Place) {
	direct := p.Open(t)
	p, n := p.through(t)
	far := p.Open(t)
	for name, cut := range map[string]func(){
		"all of it":                    n.Cut,
		"what is beside the login":     func() { n.CutOthers(p.Addr) },
		"the server gets it once more": nil,
	} {
		t.Run(name, func(t *testing.T) {
			put(t, direct, "1/a", "old")
			if cut == nil {
				if err := far.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: size}); err != nil {
					t.Error(err)
				}
				blobstoretest.WantPattern(t, direct, "1/a", size)
				p.wantFiles(t)
				return
			}
			was := false
			err := far.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: size, At: func(given int64) {
				if given > size/2 && !was {
					cut()
					was = true
				}
			}})
			switch {
			case err != nil && !fault.Retryable(err):
				t.Errorf("got %v, want an error that is tried again", err)
			case err != nil:
				wantBlob(t, direct, "1/a", "old")
			default: // it went over the login's own connection
				blobstoretest.WantPattern(t, direct, "1/a", size)
			}
			p.wantFiles(t)
		})
	}
}

func checkCutDownload(t *testing.T, p Place) {
	if err := p.Open(t).Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: size}); err != nil {
		t.Fatal(err)
	}
	p, n := p.through(t)
	far := p.Open(t)
	for name, cut := range map[string]func(){"all of it": n.Cut, "what is beside the login": func() { n.CutOthers(p.Addr) }} {
		t.Run(name, func(t *testing.T) {
			r, err := far.Get(t.Context(), "1/a")
			if err != nil {
				t.Fatal(err)
			}
			come, err := io.CopyN(io.Discard, r, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			cut()
			more, err := io.Copy(io.Discard, r)
			if come += more; err == nil && come != size || err != nil && come >= size {
				t.Errorf("got %d bytes of %d and %v, want all, or a part and an error", come, size, err)
			}
			if n, err2 := r.Read(make([]byte, 1)); err != nil && (n != 0 || err2 == nil || errors.Is(err2, io.EOF)) {
				t.Errorf("a read after the error: got %d and %v, want the error", n, err2)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			blobstoretest.WantPattern(t, far, "1/a", size)
		})
	}
}

func checkSilence(t *testing.T, p Place) {
	direct := p.Open(t)
	if err := direct.Put(t.Context(), "1/a", &blobstoretest.Pattern{Size: size}); err != nil {
		t.Fatal(err)
	}
	p, n := p.through(t)
	p.Config.Stall = time.Second
	var far *fileserver.Store
	var begun io.ReadCloser
	patiently(t, func() (err error) {
		far, err = fileserver.Open(t.Context(), p.Config, slog.New(slog.DiscardHandler))
		return err
	})
	defer far.Close() //nolint:errcheck // it never fails
	patiently(t, func() (err error) {
		begun, err = far.Get(t.Context(), "1/a")
		return err
	})
	calls := map[string]func(context.Context) error{
		"put": func(ctx context.Context) error { return far.Put(ctx, "1/b", strings.NewReader("rows")) },
		"get": func(ctx context.Context) error {
			_, err := far.Get(ctx, "1/a")
			return err
		},
		"delete": func(ctx context.Context) error { return far.Delete(ctx, "1/b") },
	}
	n.Hold()
	atOnce(calls, func(name string, call func(context.Context) error) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want the deadline exceeded", name, err)
		}
	})
	calls["the rest of a download"] = func(context.Context) error {
		_, err := io.Copy(io.Discard, begun)
		return errors.Join(err, begun.Close())
	}
	atOnce(calls, func(name string, call func(context.Context) error) {
		if err := call(t.Context()); !errors.Is(err, transfer.ErrStalled) || errors.Is(err, context.Canceled) || !fault.Retryable(err) {
			t.Errorf("%s: got %v, want that nothing has moved", name, err)
		}
	})
	n.Release()
	wantBlob(t, direct, "1/b", "")
	patiently(t, func() error {
		r, err := far.Get(t.Context(), "1/a")
		if err != nil {
			return err
		}
		come, err := io.Copy(io.Discard, r)
		if err == nil && come != size {
			err = fmt.Errorf("got %d bytes, want %d", come, size)
		}
		return errors.Join(err, r.Close())
	})
}

// patiently makes a call until it does not stall: a busy machine may be as slow as a network that has gone silent.
func patiently(t *testing.T, call func() error) {
	t.Helper()
	err := call()
	for tries := 1; errors.Is(err, transfer.ErrStalled) && tries < 20; tries++ {
		err = call()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// atOnce calls check for each of the calls, which take their time.
func atOnce(calls map[string]func(context.Context) error, check func(name string, call func(context.Context) error)) {
	var all sync.WaitGroup
	for name, call := range calls {
		all.Go(func() { check(name, call) })
	}
	all.Wait()
}

func checkFewConnections(t *testing.T, p Place) {
	p.Config.Connections = 2
	s := p.Open(t)
	var all sync.WaitGroup
	for worker := range 6 {
		all.Go(func() {
			for i := range 5 {
				key := fmt.Sprintf("%d/%d", worker, i)
				if err := s.Put(t.Context(), key, strings.NewReader(key)); err != nil {
					t.Error(err)
				}
				wantBlob(t, s, key, key)
				if err := s.Delete(t.Context(), key); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	// A call that waits for a connection ends with its context.
	put(t, s, "1/a", "rows")
	for range 2 {
		r, err := s.Get(t.Context(), "1/a")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close() //nolint:errcheck // nothing was read
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Delete(ctx, "1/a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with all connections in use: got %v, want the deadline exceeded", err)
	}
}
