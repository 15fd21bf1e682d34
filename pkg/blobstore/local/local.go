// Package local keeps blobs as files below a folder.
package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/durable"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// temps is the folder of blobs that are being written. No key can name it, as '~' is not allowed in keys.
const temps = "~tmp"

// leftOver is the age at which nobody writes to a temporary file any more. The file of a slow Put in another process that
// is removed all the same costs that Put an error, and no blob.
const leftOver = time.Hour

// store is a folder of blobs. A blob's key is the path of its file, so a key cannot be the folder of another.
type store struct {
	dir  string
	root *os.Root // no name leaves dir through it
}

// Open opens the store in cfg.Dir, which is made when it is missing. The store is also a blobstore.FilePutter. Several
// processes may have the same folder open.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (blobstore.Store, error) {
	if err := durable.MkdirAll(filepath.Join(cfg.Dir, temps)); err != nil {
		return nil, fmt.Errorf("open blob folder %s: %w", cfg.Dir, err)
	}
	root, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open blob folder %s: %w", cfg.Dir, err)
	}
	s := &store{dir: cfg.Dir, root: root}
	removed, err := s.removeLeftOvers()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("tidy blob folder %s: %w", cfg.Dir, err), root.Close())
	}
	if removed > 0 {
		log.InfoContext(ctx, "unfinished blobs removed", "dir", cfg.Dir, "files", removed)
	}
	return s, nil
}

// removeLeftOvers removes the temporary files that a crash has left.
func (s *store) removeLeftOvers() (removed int, err error) {
	entries, err := fs.ReadDir(s.root.FS(), temps)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < leftOver {
			continue // gone meanwhile, or perhaps in use
		}
		if err := s.root.Remove(path.Join(temps, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// Put implements blobstore.Store.
func (s *store) Put(ctx context.Context, key string, r io.Reader) error {
	if err := blobstore.CheckKey(key); err != nil {
		return err
	}
	temp := newTemp()
	if err := s.write(temp, blobstore.Reader(ctx, r)); err != nil {
		return s.failed("put", key, errors.Join(err, s.removeTemp(temp)))
	}
	return s.install(temp, key)
}

// PutFile implements blobstore.FilePutter. Where the file cannot be linked, as from another file system, it is copied.
func (s *store) PutFile(ctx context.Context, key, name string) (err error) {
	if err := blobstore.CheckKey(key); err != nil {
		return err
	}
	temp := newTemp()
	if os.Link(name, filepath.Join(s.dir, filepath.FromSlash(temp))) == nil {
		return s.install(temp, key)
	}
	f, err := os.Open(name)
	if err != nil {
		return s.failed("put", key, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return s.Put(ctx, key, f)
}

// newTemp makes the name of a temporary file that nobody else has.
func newTemp() string { return path.Join(temps, rand.Text()) }

func (s *store) removeTemp(temp string) error {
	if err := s.root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// write makes the file temp of what r gives, and makes its content durable.
func (s *store) write(temp string, r io.Reader) (err error) {
	f, err := s.root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.Copy(f, r); err != nil {
		return err
	}
	return durable.Data(f)
}

// installTries bounds how often a folder that was just made is found removed by a Delete in it.
const installTries = 1000

// install gives the synced file temp the name key, durably, and removes the name temp.
func (s *store) install(temp, key string) error {
	var err error
	for range installTries {
		if err = s.root.MkdirAll(path.Dir(key), 0o755); err != nil && !errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err = s.root.Rename(temp, key); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	// The old name is still there when the rename failed, and when both are links to one file: then it does nothing.
	err = errors.Join(err, s.removeTemp(temp))
	if err == nil {
		err = s.syncAbove(key)
	}
	return s.failed("put", key, err)
}

// syncAbove makes the name key durable, and those of all folders above it: one may have been made by another Put that
// has not synced it yet. Folders that did not change cost next to nothing.
func (s *store) syncAbove(key string) error {
	for dir := path.Dir(key); ; dir = path.Dir(dir) {
		err := durable.SyncDir(filepath.Join(s.dir, filepath.FromSlash(dir)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a missing one: the blob was deleted meanwhile
			return err
		}
		if dir == "." {
			return nil
		}
	}
}

// Get implements blobstore.Store. What it returns is the *os.File itself.
func (s *store) Get(_ context.Context, key string) (io.ReadCloser, error) {
	if err := blobstore.CheckKey(key); err != nil {
		return nil, err
	}
	f, err := s.root.Open(key)
	if err != nil {
		return nil, s.failed("get", key, err)
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, s.failed("get", key, errors.Join(err, f.Close()))
	}
	return f, nil
}

// Delete implements blobstore.Store. The removal is not synced: a blob that a power loss brings back can be deleted
// again, and the message about it is still there too unless it was removed durably, which syncs this as well on the file
// systems in use.
func (s *store) Delete(_ context.Context, key string) error {
	if err := blobstore.CheckKey(key); err != nil {
		return err
	}
	if err := s.root.Remove(key); err != nil && !missing(err) && !s.isFolder(key) {
		return s.failed("delete", key, err)
	}
	for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
		if s.root.Remove(dir+"/") != nil { // with the slash it removes nothing but a folder
			break // not empty, or another Delete was first
		}
	}
	return nil
}

// isFolder reports whether key is not a blob but the folder of some.
func (s *store) isFolder(key string) bool {
	info, err := s.root.Stat(key)
	return err == nil && info.IsDir()
}

// Close implements blobstore.Store.
func (s *store) Close() error { return s.root.Close() }

func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// failed says what was tried, on which key, and the kind of failure. It returns nil when err is.
func (s *store) failed(verb, key string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrClosed):
		return fmt.Errorf("%s blob %s: %w", verb, key, errors.Join(fault.Closed, err))
	case verb == "get" && missing(err):
		return fault.New(fault.NotFound, "unknown_blob", "no blob has the key %q", key)
	default:
		return fmt.Errorf("%s blob %s: %w", verb, key, err)
	}
}
