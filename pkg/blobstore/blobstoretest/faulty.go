package blobstoretest

import (
	"context"
	"errors"
	"io"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/fault/faulttest"
)

// Faulty is a store whose calls fail as a script says. Its operations are Put, Get and Delete.
type Faulty struct {
	store  blobstore.Store
	script *faulttest.Script
}

// NewFaulty returns s under a script of faults.
func NewFaulty(s blobstore.Store, faults ...faulttest.Fault) *Faulty {
	return &Faulty{store: s, script: faulttest.New(faults...)}
}

// Unused lists the faults that no call has hit.
func (f *Faulty) Unused() []faulttest.Fault { return f.script.Unused() }

// Put implements blobstore.Store.
func (f *Faulty) Put(ctx context.Context, key string, r io.Reader) error {
	return f.script.Do("Put", func() error { return f.store.Put(ctx, key, r) })
}

// Get implements blobstore.Store.
func (f *Faulty) Get(ctx context.Context, key string) (r io.ReadCloser, err error) {
	err = f.script.Do("Get", func() error {
		r, err = f.store.Get(ctx, key)
		return err
	})
	if err != nil && r != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, err
}

// Delete implements blobstore.Store.
func (f *Faulty) Delete(ctx context.Context, key string) error {
	return f.script.Do("Delete", func() error { return f.store.Delete(ctx, key) })
}

// Close implements blobstore.Store. It is never under the script.
func (f *Faulty) Close() error { return f.store.Close() }

// FaultyFiles is a Faulty that takes files in. It has the operation PutFile too.
type FaultyFiles struct {
	*Faulty
	files blobstore.FilePutter
}

// NewFaultyFiles returns s under a script of faults.
func NewFaultyFiles(s blobstore.FilePutter, faults ...faulttest.Fault) *FaultyFiles {
	return &FaultyFiles{Faulty: NewFaulty(s, faults...), files: s}
}

// PutFile implements blobstore.FilePutter.
func (f *FaultyFiles) PutFile(ctx context.Context, key, name string) error {
	return f.script.Do("PutFile", func() error { return f.files.PutFile(ctx, key, name) })
}
