package fileserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
)

// Put implements blobstore.Store. The blob is written under a name of its own, and then renamed.
func (s *Store) Put(ctx context.Context, key string, r io.Reader) error {
	name, err := s.file(key)
	if err != nil {
		return err
	}
	temp := s.newTemp()
	if err := s.call(ctx, func(c *call) error { return s.put(c, temp, name, blobstore.Reader(ctx, r)) }); err != nil {
		return s.failed("put", key, errors.Join(err, s.removeTemp(ctx, temp)))
	}
	s.tidyAgain(ctx)
	return nil
}

// newTemp makes the name of a temporary file that nobody else has.
func (s *Store) newTemp() string { return path.Join(s.temps(), rand.Text()) }

func (s *Store) put(c *call, temp, name string, r io.Reader) error {
	if err := create(c, temp, r); err != nil {
		return err
	}
	if err := s.install(c, temp, name); err != nil {
		return err
	}
	return c.Sync(s.above(name))
}

// create makes the file temp and compares its size with what was sent.
func create(c *call, temp string, r io.Reader) error {
	sent := &counter{r: c.w.Source(r)}
	size, err := c.Create(temp, sent)
	if err == nil && size != sent.n {
		err = fmt.Errorf("the server has %d of the %d bytes that were sent", size, sent.n)
	}
	return err
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// installTries bounds how often a folder that was just made is found removed by a Delete in it.
const installTries = 10

// install gives the file temp the name of a blob's.
func (s *Store) install(c *call, temp, name string) error {
	var err error
	for range installTries {
		if err = c.Rename(temp, name); err == nil {
			return nil
		}
		switch found, ferr := c.Find(name); {
		case ferr == nil && found.Folder:
			return fmt.Errorf("the key is that of a folder of blobs: %w", err)
		case ferr == nil:
			return s.exchange(c, temp, name)
		case !errors.Is(ferr, fs.ErrNotExist):
			return errors.Join(err, ferr)
		}
		// A missing folder is the usual reason, of which not every server tells.
		err = errors.Join(err, c.MakeFolders(path.Dir(name)))
	}
	return err
}

// exchange replaces a blob on a server that does not do it in one step: there is a moment without it.
func (s *Store) exchange(c *call, temp, name string) error {
	aside := s.newTemp()
	if err := c.Rename(name, aside); err != nil {
		return err
	}
	if err := c.Rename(temp, name); err != nil {
		return errors.Join(err, c.Rename(aside, name))
	}
	return c.Remove(aside)
}

// above lists the folders above a file, up to the store's own.
func (s *Store) above(name string) []string {
	var folders []string
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		folders = append(folders, dir)
		if dir == s.base {
			return folders
		}
	}
}

// removeTemp removes what a failed Put has left, also when ctx has ended.
func (s *Store) removeTemp(ctx context.Context, temp string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	err := s.call(ctx, func(c *call) error {
		if err := c.Remove(temp); err != nil {
			return s.absent(c, temp, err)
		}
		return nil
	})
	if err == nil || errors.Is(err, errAbsent) {
		return nil
	}
	return fmt.Errorf("the unfinished file %s stays for now: %w", temp, err)
}
