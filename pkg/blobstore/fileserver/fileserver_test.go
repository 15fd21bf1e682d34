package fileserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
	"github.com/scratchdata/scratchdata/pkg/blobstore/transfer"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

func TestStore(t *testing.T) {
	for _, tt := range []struct {
		name  string
		keeps bool
	}{{"a rename replaces", false}, {"a rename does not replace", true}} {
		t.Run(tt.name, func(t *testing.T) {
			blobstoretest.RunDurable(t, func(t *testing.T) func() blobstore.Store {
				d := newDisk()
				d.keeps = tt.keeps
				return func() blobstore.Store { return d.store(t, d.config()) }
			})
			if tt.keeps {
				return // the moment without the blob is against the port's promise, which is told in the documentation
			}
			blobstoretest.Run(t, func(t *testing.T) blobstore.Store {
				d := newDisk()
				return d.store(t, d.config())
			})
		})
	}
}

func put(s *Store, blob string) error {
	return s.Put(context.Background(), "1/a", strings.NewReader(blob))
}

func get(s *Store) (string, error) {
	r, err := s.Get(context.Background(), "1/a")
	if err != nil {
		return "", err
	}
	blob, err := io.ReadAll(r)
	return string(blob), errors.Join(err, r.Close())
}

func TestAServerThatDoesNotReplaceLosesNothing(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		name  string
		fails int // which rename to the blob's name, from 1 on; the first is always refused
		want  string
	}{{"all is well", 0, "new"}, {"the second rename fails", 2, "old"}} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDisk()
			d.keeps = true
			s := d.store(t, d.config())
			if err := put(s, "old"); err != nil {
				t.Fatal(err)
			}
			renames := 0
			d.fail = func(op, name string) error {
				if op == "Rename" && name == "/home/1/a" {
					if renames++; renames == tt.fails {
						return broken
					}
				}
				return nil
			}
			if err := put(s, "new"); (err == nil) != (tt.fails == 0) || err != nil && !errors.Is(err, broken) {
				t.Errorf("got %v", err)
			}
			d.want(t, "/home/1/a", tt.want)
		})
	}
}

// A Delete may remove the folder that a Put has just made.
func TestAFolderThatIsRemovedAgainAndAgain(t *testing.T) {
	for times, fine := range map[int]bool{installTries - 1: true, installTries: false} {
		d := newDisk()
		s := d.store(t, d.config())
		left := times
		d.fail = func(op, name string) error {
			if op == "Rename" && left > 0 {
				left--
				delete(d.folders, path.Dir(name))
			}
			return nil
		}
		if err := put(s, "rows"); (err == nil) != fine {
			t.Errorf("removed %d times: got %v, want it fine %t", times, err, fine)
		}
		if fine {
			d.want(t, "/home/1/a", "rows")
		} else {
			d.want(t)
		}
	}
}

func TestAShortUploadIsAnError(t *testing.T) {
	d := newDisk()
	s := d.store(t, d.config())
	if err := put(s, "old"); err != nil {
		t.Fatal(err)
	}
	d.short = 1
	if err := put(s, "rows"); err == nil || !strings.Contains(err.Error(), "3 of the 4 bytes") {
		t.Errorf("got %v, want that a byte is missing", err)
	}
	d.want(t, "/home/1/a", "old")
}

func TestADownloadThatIsNotConfirmedIsAnError(t *testing.T) {
	d := newDisk()
	s := d.store(t, d.config())
	if err := put(s, "rows"); err != nil {
		t.Fatal(err)
	}
	d.fail = func(op, _ string) error {
		if op == "Close" {
			return io.EOF // of the other connection
		}
		return nil
	}
	if got, err := get(s); err == nil || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %q and %v, want an unexpected end", got, err)
	}
}

func TestWhatTheStoreSays(t *testing.T) {
	busy := errors.New("421 too many")
	d := newDisk()
	c := d.config()
	c.Busy = func(err error) bool { return errors.Is(err, busy) }
	s := d.store(t, c)
	d.fail = func(string, string) error { return busy }
	_, err := s.Get(t.Context(), "1/a")
	for call, err := range map[string]error{"get": err, "put": put(s, "rows"), "delete": s.Delete(t.Context(), "1/a")} {
		if fault.Of(err) != fault.Busy || fault.AfterOf(err) != busyFor {
			t.Errorf("%s: got %v, after %v, want busy", call, err, fault.AfterOf(err))
		}
	}
}

func TestOldTemporaryFilesAreRemovedWhileTheStoreRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		s := d.store(t, d.config())
		d.files["/home/+tmp/left"], d.times["/home/+tmp/left"] = "half", time.Now()
		for range 23 {
			time.Sleep(tidyEvery)
			if err := put(s, "rows"); err != nil {
				t.Fatal(err)
			}
		}
		d.want(t, "/home/+tmp/left", "half", "/home/1/a", "rows")
		time.Sleep(2 * tidyEvery)
		if err := put(s, "rows"); err != nil {
			t.Fatal(err)
		}
		d.want(t, "/home/1/a", "rows")
	})
}

// Clocks and time zones of servers differ: only they themselves say what is old.
func TestAgesAreByTheServersClock(t *testing.T) {
	day := func(n int) time.Time { return time.Date(1999, 1, n, 0, 0, 0, 0, time.UTC) }
	got := oldest([]Entry{{Name: "probe", Time: day(10)}, {Name: "old", Time: day(8)}, {Name: "young", Time: day(9)}, {Name: "newer", Time: day(20)},
		{Name: "unknown"}, {Name: "folder", Folder: true, Time: day(1)}}, "probe")
	if strings.Join(got, " ") != "old" {
		t.Errorf("got %q, want old", got)
	}
	if got := oldest([]Entry{{Name: "old", Time: day(8)}}, "probe"); len(got) > 0 {
		t.Errorf("without the probe: got %q, want none", got)
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		s := d.store(t, d.config())
		want := func(when string, logins, open int) {
			t.Helper()
			synctest.Wait()
			if l, o := d.counts(); l != logins || o != open {
				t.Errorf("%s: got %d logins, %d open, want %d and %d", when, l, o, logins, open)
			}
		}
		for range 3 {
			if err := put(s, "rows"); err != nil {
				t.Fatal(err)
			}
			if got, err := get(s); err != nil || got != "rows" {
				t.Fatal(got, err)
			}
		}
		if _, err := s.Get(t.Context(), "none"); !errors.Is(err, fault.NotFound) {
			t.Error(err)
		}
		want("one call after the other", 1, 1)
		d.dead = true
		if err := put(s, "rows"); err != nil {
			t.Error(err)
		}
		want("after the server has ended it", 2, 1)
		d.dead = false
		time.Sleep(idleFor - time.Second)
		want("idle for a while", 2, 1)
		time.Sleep(2 * time.Second)
		want("idle for long", 2, 0)
		r, err := s.Get(t.Context(), "1/a")
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		want("a download that was not read", 3, 0)
		if err := s.Put(t.Context(), "1/a", &failing{}); err == nil {
			t.Error("got no error")
		}
		want("a reader that fails", 5, 1)
	})
}

type failing struct{}

func (*failing) Read([]byte) (int, error) { return 0, errors.New("broken") }

func TestIdleConnectionsAreFew(t *testing.T) {
	d := newDisk()
	s := d.store(t, d.config())
	if err := put(s, "rows"); err != nil {
		t.Fatal(err)
	}
	var open []io.ReadCloser
	for range 10 {
		r, err := s.Get(t.Context(), "1/a")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, r)
	}
	if _, n := d.counts(); n != 10 {
		t.Errorf("got %d connections, want 10", n)
	}
	for _, r := range open {
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Error(err)
		}
	}
	if _, n := d.counts(); n != mostIdle {
		t.Errorf("afterwards: got %d connections, want %d", n, mostIdle)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, n := d.counts(); n != 0 {
		t.Errorf("closed: got %d connections, want none", n)
	}
}

// Somebody who reads slowly, or has little to send, is not a network that stands still.
func TestOnlyTheNetworkIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		s := d.store(t, d.config())
		slow := blobstoretest.Pattern{Size: 100_000, At: func(int64) { time.Sleep(time.Hour) }}
		if err := s.Put(t.Context(), "1/a", &slow); err != nil {
			t.Fatal(err)
		}
		r, err := s.Get(t.Context(), "1/a")
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; err == nil; n++ {
			time.Sleep(time.Hour)
			_, err = r.Read(make([]byte, 30_000))
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want the end", err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAServerThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		c := d.config()
		dial := c.Dial
		s := d.store(t, c)
		if err := put(s, "rows"); err != nil {
			t.Fatal(err)
		}
		hang := func(line *Line) error {
			<-line.ctx.Done()
			return line.ctx.Err()
		}
		s.pool.dial = func(line *Line) (Session, error) { return nil, hang(line) }
		d.dead = true
		if _, err := get(s); !errors.Is(err, errNoAnswer) {
			t.Errorf("a login: got %v, want that nobody answers", err)
		}
		d.dead, s.pool.dial = false, func(line *Line) (Session, error) {
			inner, err := dial(line)
			return silent{inner, func() error { return hang(line) }}, err
		}
		if err := s.Delete(t.Context(), "1/a"); !errors.Is(err, transfer.ErrStalled) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a call: got %v, want that nothing moves", err)
		}
	})
}

// silent is a session whose server has gone silent.
type silent struct {
	Session
	hang func() error
}

func (s silent) Remove(string) error { return s.hang() }

func TestOpenSaysWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(d *disk, c *Config)
		want   string
	}{
		{"a login that is refused", func(d *disk, _ *Config) {
			d.fail = func(string, string) error { return errors.New("user: refused") }
		}, "open fake://host/home: user: refused"},
		{"a folder that is missing", func(_ *disk, c *Config) { c.Directory = "none" },
			`open fake://host/home: directory: there is no folder "none": file does not exist`},
		{"a folder that nobody may write to", func(d *disk, _ *Config) {
			d.fail = func(op, _ string) error {
				if op == "Create" {
					return errors.New("denied")
				}
				return nil
			}
		}, `open fake://host/home: directory: "/home" cannot be written to: denied`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDisk()
			c := d.config()
			tt.change(d, &c)
			_, err := Open(t.Context(), c, quiet())
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if _, open := d.counts(); open != 0 {
				t.Errorf("%d connections are left open", open)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	good := Settings{Host: "h.example.com", Port: 22, User: "u", Directory: "/data/my blobs", Connections: 2}
	if errs := good.Check(); len(errs) > 0 {
		t.Errorf("good settings: got %v", errs)
	}
	if got, want := good.URL("sftp"), "sftp://h.example.com:22/data/my%20blobs"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	got := fmt.Sprint(errors.Join(Settings{Host: "ftp://h", Port: 70000, User: "a\r\nb", Directory: "a*", Connections: 1}.Check()...))
	want := `host: "ftp://h" is not the name or address of a server
port: 70000 is not a port
user: must be given, on one line
directory: "a*" is not the name of a folder, or has one of *?[]{}~\"
connections: 1 is not from 2 to 1000`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
