package fileserver

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// disk is a server that a test can look into. Its fields may be changed while nothing uses it.
type disk struct {
	mu      sync.Mutex
	files   map[string]string    // guarded by mu
	times   map[string]time.Time // guarded by mu
	folders map[string]bool      // guarded by mu
	logins  int                  // guarded by mu
	open    int                  // guarded by mu; sessions
	fail    func(op, name string) error
	keeps   bool // a rename does not replace
	short   int  // bytes that the server loses of each upload
	dead    bool // sessions that are idle have ended
}

func newDisk() *disk {
	return &disk{files: make(map[string]string), times: make(map[string]time.Time), folders: map[string]bool{"/": true, "/home": true},
		fail: func(string, string) error { return nil }}
}

// config opens stores in /home.
func (d *disk) config() Config {
	c := DefaultConfig()
	c.Address, c.Directory = "fake://host/home", "home"
	c.Dial = func(line *Line) (Session, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if err := d.fail("Dial", ""); err != nil {
			return nil, err
		}
		d.logins++
		d.open++
		return &fakeSession{d: d, line: line}, nil
	}
	c.Network = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("there is no network") }
	return c
}

func (d *disk) store(t *testing.T, c Config) *Store {
	t.Helper()
	s, err := Open(t.Context(), c, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// want compares what is on the disk, names and contents by turns, with pairs.
func (d *disk) want(t *testing.T, pairs ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	var got []string
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		got = append(got, name, d.files[name])
	}
	if !slices.Equal(got, pairs) {
		t.Errorf("files: got %q, want %q", got, pairs)
	}
}

func (d *disk) counts() (logins, open int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.logins, d.open
}

// fakeSession is a session with the disk.
type fakeSession struct {
	d      *disk
	line   *Line
	closed bool
}

// do makes a call, as the server has it.
func (s *fakeSession) do(op, name string, f func() error) error {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	if err := s.d.fail(op, name); err != nil {
		return err
	}
	return f()
}

func (s *fakeSession) Alive() error {
	return s.do("Alive", "", func() error {
		if s.d.dead {
			return io.EOF
		}
		return nil
	})
}

func (s *fakeSession) Folder(name string) (string, error) {
	whole := path.Join("/", name)
	return whole, s.do("Folder", name, func() error {
		if !s.d.folders[whole] {
			return fs.ErrNotExist
		}
		return nil
	})
}

func (s *fakeSession) Create(name string, r io.Reader) (size int64, err error) {
	content, err := io.ReadAll(r)
	if err != nil {
		return 0, err
	}
	err = s.do("Create", name, func() error {
		if !s.d.folders[path.Dir(name)] {
			return fs.ErrNotExist
		}
		content = content[:max(0, len(content)-s.d.short)]
		s.d.files[name], s.d.times[name] = string(content), time.Now()
		return nil
	})
	return int64(len(content)), err
}

func (s *fakeSession) Open(name string) (r io.ReadCloser, size int64, err error) {
	err = s.do("Open", name, func() error {
		content, ok := s.d.files[name]
		if !ok {
			return errors.New("550 no")
		}
		r, size = &fakeFile{strings.NewReader(content), s}, int64(len(content))
		return nil
	})
	return r, size, err
}

type fakeFile struct {
	io.Reader
	s *fakeSession
}

func (f *fakeFile) Close() error { return f.s.do("Close", "", func() error { return nil }) }

func (s *fakeSession) Rename(from, to string) error {
	return s.do("Rename", to, func() error {
		_, taken := s.d.files[to]
		content, ok := s.d.files[from]
		if !ok || !s.d.folders[path.Dir(to)] || s.d.folders[to] || taken && s.d.keeps {
			return errors.New("550 no")
		}
		s.d.files[to], s.d.times[to] = content, s.d.times[from]
		delete(s.d.files, from)
		return nil
	})
}

func (s *fakeSession) Remove(name string) error {
	return s.do("Remove", name, func() error {
		if _, ok := s.d.files[name]; !ok {
			return errors.New("550 no")
		}
		delete(s.d.files, name)
		return nil
	})
}

func (s *fakeSession) MakeFolders(name string) error {
	return s.do("MakeFolders", name, func() error {
		for ; !s.d.folders[name]; name = path.Dir(name) {
			s.d.folders[name] = true
		}
		return nil
	})
}

func (s *fakeSession) RemoveFolder(name string) error {
	return s.do("RemoveFolder", name, func() error {
		for other := range s.d.files {
			if strings.HasPrefix(other, name+"/") {
				return errors.New("550 not empty")
			}
		}
		delete(s.d.folders, name)
		return nil
	})
}

func (s *fakeSession) Find(name string) (e Entry, err error) {
	err = s.do("Find", name, func() error {
		_, file := s.d.files[name]
		if !file && !s.d.folders[name] {
			return fs.ErrNotExist
		}
		e = Entry{Name: path.Base(name), Folder: !file, Time: s.d.times[name]}
		return nil
	})
	return e, err
}

func (s *fakeSession) List(folder string) (entries []Entry, err error) {
	err = s.do("List", folder, func() error {
		for name := range s.d.files {
			if path.Dir(name) == folder {
				entries = append(entries, Entry{Name: path.Base(name), Time: s.d.times[name]})
			}
		}
		return nil
	})
	return entries, err
}

func (s *fakeSession) Sync(folders []string) error {
	return s.do("Sync", strings.Join(folders, " "), func() error { return nil })
}

func (s *fakeSession) Close() error {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.d.open--
	}
	return nil
}
