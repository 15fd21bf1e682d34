package fileserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"path"
	"sync/atomic"
	"time"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/blobstore/transfer"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// How long things may take. A transfer as a whole may take as long as it likes while something moves.
const (
	openTimeout  = 30 * time.Second // to see whether the folder can be used
	callTimeout  = time.Minute      // to delete a blob
	abortTimeout = 10 * time.Second // to remove what a failed Put has left, also after the caller's own time
	stallTimeout = 2 * time.Minute  // without a byte that moves
	busyFor      = 5 * time.Second  // when to come again: servers do not say
)

// Config says which server it is and how it is talked to.
type Config struct {
	Address     string                       // a URL for messages, without secrets
	Directory   string                       // must exist; below the user's own folder when it does not begin with a slash
	Connections int                          // open at a time at most; a blob that is read has one
	Dial        func(*Line) (Session, error) // logs in, over connections of the line
	Network     func(ctx context.Context, network, address string) (net.Conn, error)
	Stall       time.Duration
	Busy        func(error) bool // whether the server has too much to do
}

// DefaultConfig returns what is the same for every server.
func DefaultConfig() Config {
	return Config{Connections: 16, Network: (&net.Dialer{}).DialContext, Stall: stallTimeout,
		Busy: func(error) bool { return false }}
}

// temps is the folder of blobs that are being written, below the store's own. No key can name it, as '+' is not allowed in
// keys.
const temps = "+tmp"

// Store is a folder of blobs on a server. A blob's key is the name of its file, so a key cannot be the folder of another.
type Store struct {
	pool   *pool
	log    *slog.Logger
	base   string // the folder's whole name
	stall  time.Duration
	busy   func(error) bool
	tidied atomic.Int64 // when, in Unix seconds
	closed atomic.Bool
}

// Open opens the store in the directory, which must exist.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Store, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	s := &Store{pool: newPool(cfg), log: log.With("store", cfg.Address), stall: cfg.Stall, busy: cfg.Busy}
	err := s.call(ctx, func(c *call) error { return s.check(c, cfg.Directory) })
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", cfg.Address, err), s.Close())
	}
	return s, nil
}

// check sees that blobs can be written, and removes what others have left.
func (s *Store) check(c *call, directory string) error {
	base, err := c.Folder(directory)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("directory: there is no folder %q: %v", directory, err) // the kind would tell of a file that is missing here
	case err != nil:
		return fmt.Errorf("directory: %q: %w", directory, err)
	}
	s.base = base
	if err = c.MakeFolders(s.temps()); err == nil {
		err = s.tidy(c)
	}
	if err != nil {
		return fmt.Errorf("directory: %q cannot be written to: %w", base, err)
	}
	return nil
}

func (s *Store) temps() string { return path.Join(s.base, temps) }

// file gives the name of a blob's file.
func (s *Store) file(key string) (string, error) {
	if err := blobstore.CheckKey(key); err != nil {
		return "", err
	}
	if s.closed.Load() {
		return "", fault.Closed
	}
	return path.Join(s.base, key), nil
}

// call is a use of a connection.
type call struct {
	*connection
	pool *pool
	w    *transfer.Watch
}

func (s *Store) begin(ctx context.Context) (*call, error) {
	w := transfer.NewWatch(ctx, s.stall)
	c, err := s.pool.take(w)
	if err != nil {
		err = because(w, err)
		w.End()
		return nil, err
	}
	return &call{c, s.pool, w}, nil
}

// because gives err, or why it was not this call's fault.
func because(w *transfer.Watch, err error) error {
	if cause := context.Cause(w.Context()); err != nil && cause != nil {
		return cause
	}
	return err
}

// end ends the use. After an error the connection is not used again, but when it says that a file is absent.
func (c *call) end(err error) error {
	err = because(c.w, err)
	c.pool.give(c.connection, err == nil || errors.Is(err, errAbsent))
	c.w.End()
	return err
}

func (s *Store) call(ctx context.Context, do func(*call) error) error {
	c, err := s.begin(ctx)
	if err != nil {
		return err
	}
	return c.end(do(c))
}

// errAbsent says that there is no blob, in a store that is there.
var errAbsent = errors.New("no such blob")

// absent gives errAbsent when err, of a call about the file name, is because there is none: servers use one code for much.
func (s *Store) absent(c *call, name string, err error) error {
	found, ferr := c.Find(name)
	switch {
	case ferr != nil && !errors.Is(ferr, fs.ErrNotExist):
		return errors.Join(err, ferr)
	case ferr == nil && !found.Folder:
		return err // it is there, and denied
	}
	// A folder that somebody else has taken away, as with a disk that is not mounted, would make every blob look loaded.
	if there, terr := c.Find(s.temps()); terr != nil || !there.Folder {
		return errors.Join(fmt.Errorf("the store's own folder %s is missing", s.temps()), terr)
	}
	return errAbsent
}

// Get implements blobstore.Store.
func (s *Store) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	name, err := s.file(key)
	if err != nil {
		return nil, err
	}
	c, err := s.begin(ctx)
	if err != nil {
		return nil, s.failed("get", key, err)
	}
	body, size, err := c.Open(name)
	if err != nil {
		return nil, s.failed("get", key, c.end(s.absent(c, name, err)))
	}
	return transfer.Download(c.w, &content{ReadCloser: body, call: c}, size, transfer.Sum{}), nil
}

// content is a file that arrives. At its end others may use the connection.
type content struct {
	io.ReadCloser
	call  *call
	ended bool
}

// Read implements io.Reader.
func (f *content) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if err == nil || f.ended {
		return n, err
	}
	f.ended = true
	cerr := f.ReadCloser.Close()
	switch whole := errors.Is(err, io.EOF); {
	case whole && cerr == nil:
		_ = f.call.end(nil) // it has none
		return n, io.EOF
	case whole: // cerr may be an io.EOF too, of another connection
		err = fmt.Errorf("the server has not confirmed the transfer: %w (%v)", io.ErrUnexpectedEOF, cerr)
	}
	return n, f.call.end(err)
}

// Close implements io.Closer. What was not read to its end costs the connection.
func (f *content) Close() error {
	if f.ended {
		return nil
	}
	f.ended = true
	f.call.pool.give(f.call.connection, false)
	_ = f.ReadCloser.Close() // the connection is cut
	return nil
}

// Delete implements blobstore.Store. Folders go with their last blob.
func (s *Store) Delete(ctx context.Context, key string) error {
	name, err := s.file(key)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err = s.call(ctx, func(c *call) error {
		if err := c.Remove(name); err != nil {
			return s.absent(c, name, err)
		}
		for dir := path.Dir(name); dir != s.base; dir = path.Dir(dir) {
			if c.RemoveFolder(dir) != nil {
				break // not empty, or another Delete was first
			}
		}
		return nil
	})
	if errors.Is(err, errAbsent) {
		return nil
	}
	return s.failed("delete", key, err)
}

// Close implements blobstore.Store.
func (s *Store) Close() error {
	s.closed.Store(true)
	s.pool.close()
	return nil
}

// failed says what was tried, on which key, and the kind of failure. It returns nil when err is.
func (s *Store) failed(verb, key string, err error) error {
	switch {
	case err == nil:
		return nil
	case verb == "get" && errors.Is(err, errAbsent):
		return fault.New(fault.NotFound, "unknown_blob", "no blob has the key %q", key)
	}
	err = fmt.Errorf("%s blob %s: %w", verb, key, err)
	if s.busy(err) {
		return fault.New(fault.Busy, "blob_store_busy", "the blob store asks to come again later").Because(err).Retry(busyFor)
	}
	return err
}
