package sqlite

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/control/controltest"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

func openFile(t testing.TB, file string) *store {
	t.Helper()
	s, err := Open(t.Context(), Config{File: file}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s.(*store)
}

func openNew(t testing.TB) *store {
	t.Helper()
	s := openFile(t, filepath.Join(t.TempDir(), "control.db"))
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t testing.TB, s control.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// bury makes a batch that is dead.
func bury(t *testing.T, s *store, id, reason string) {
	t.Helper()
	_, err := s.Batches().Attempt(t.Context(), control.Batch{ID: id})
	err = errors.Join(err, s.Batches().Settle(t.Context(), id, control.Outcome{State: control.StateDead, Reason: reason}))
	if err != nil {
		t.Fatal(err)
	}
}

func find(t *testing.T, s *store, id string) control.Batch {
	t.Helper()
	b, err := s.Batches().Find(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStore(t *testing.T) {
	controltest.Run(t, func(t *testing.T) control.Store { return openFile(t, filepath.Join(t.TempDir(), "control.db")) })
	controltest.RunDurable(t, func(t *testing.T) func() control.Store {
		file := filepath.Join(t.TempDir(), "data", "control.db")
		return func() control.Store { return openFile(t, file) }
	})
	controltest.RunShared(t, func(t *testing.T) func() (control.Store, error) {
		file := filepath.Join(t.TempDir(), "control.db")
		return func() (control.Store, error) {
			return Open(t.Context(), Config{File: file}, slog.New(slog.DiscardHandler))
		}
	})
}

func TestOpenMigratesOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "control.db")
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	steps, err := migrations.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s, err := Open(t.Context(), Config{File: file}, log)
		if err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)
		if got := strings.Count(out.String(), "tables brought up to date"); got != len(steps) {
			t.Errorf("got %d migrations, want %d in all:\n%s", got, len(steps), out.String())
		}
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	write := func(t *testing.T, name, content string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name string
		file func(t *testing.T, dir string) string
		want string
	}{
		{"not SQLite", func(t *testing.T, dir string) string {
			write(t, filepath.Join(dir, "control.db"), strings.Repeat("this is not a database\n", 100))
			return filepath.Join(dir, "control.db")
		}, "not a database"},
		{"a folder", func(t *testing.T, dir string) string { return dir }, "unable to open database file"},
		{"below a file", func(t *testing.T, dir string) string {
			write(t, filepath.Join(dir, "file"), "")
			return filepath.Join(dir, "file", "control.db")
		}, "make folder"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := tt.file(t, t.TempDir())
			s, err := Open(t.Context(), Config{File: file}, slog.New(slog.DiscardHandler))
			if s != nil || err == nil || !strings.Contains(err.Error(), "open "+file+": ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error that says %q and %q", err, "open "+file, tt.want)
			}
		})
	}
}

func TestOpenMakesMissingFolders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "missing", "too", "control.db")
	closeStore(t, openFile(t, file))
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

// TestDeadStaysDead holds what the worker relies on that has lost its lease: another has buried the batch meanwhile.
func TestDeadStaysDead(t *testing.T) {
	s := openNew(t)
	bury(t, s, "a", "first")
	want := find(t, s, "a")
	for _, state := range []control.State{control.StateShipped, control.StateDead} {
		if err := s.Batches().Settle(t.Context(), "a", control.Outcome{State: state, Reason: "slower"}); err != nil {
			t.Errorf("settle as %s: %v", state, err)
		}
		got := find(t, s, "a")
		if got.State != control.StateDead || got.Reason != "first" || !got.Settled.Equal(want.Settled) {
			t.Errorf("got %s, %q, settled %v, want dead, %q, settled %v", got.State, got.Reason, got.Settled, "first", want.Settled)
		}
	}
}

func TestSettleRefusesOtherStates(t *testing.T) {
	s := openNew(t)
	bury(t, s, "a", "r")
	for _, state := range []control.State{"", "accepted", "LOADED"} {
		err := s.Batches().Settle(t.Context(), "a", control.Outcome{State: state})
		if !errors.Is(err, fault.Invalid) || fault.CodeOf(err) != "bad_state" {
			t.Errorf("%q: got %v, want fault.Invalid with the code bad_state", state, err)
		}
	}
}

// TestReasonsOfAnyBytes is for the errors of databases, which quote what they could not read.
func TestReasonsOfAnyBytes(t *testing.T) {
	s := openNew(t)
	for id, reason := range map[string]string{"zero": "a\x00b", "not UTF-8": "\xff\xfe", "both": "\x00\xff\x00"} {
		bury(t, s, id, reason)
		if got := find(t, s, id).Reason; got != reason {
			t.Errorf("%s: got %q, want %q", id, got, reason)
		}
	}
}

func TestPruneOfMany(t *testing.T) {
	s := openNew(t)
	const many = 2*pruneAtOnce + 1
	_, err := s.fast.ExecContext(t.Context(), `with recursive n (i) as (select 1 union all select i + 1 from n where i < ?)
		insert into batches (id, destination, tbl, state, row_count, bytes, message, settled)
		select 'loaded ' || i, '1', 'events', 'loaded', 1, 1, x'', i from n`, many)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		before int64
		want   int
	}{{0, many}, {2, many - 1}, {many, 1}, {many, 1}, {many + 1, 0}} {
		if err := s.Prune(t.Context(), time.UnixMicro(tt.before)); err != nil {
			t.Fatal(err)
		}
		var got int
		if err := s.read.QueryRowContext(t.Context(), "select count(*) from batches").Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != tt.want {
			t.Errorf("before %d: got %d left, want %d", tt.before, got, tt.want)
		}
	}
}

func TestClosed(t *testing.T) {
	s := openFile(t, filepath.Join(t.TempDir(), "control.db"))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for err := error(nil); !errors.Is(err, fault.Closed); {
				_, err = s.Batches().Attempt(t.Context(), control.Batch{ID: "b"})
				if err != nil && !errors.Is(err, fault.Closed) {
					t.Errorf("attempt while it is closed: %v", err)
					return
				}
			}
		})
	}
	for range 2 {
		closeStore(t, s)
	}
	wg.Wait()
	for call, err := range controltest.Calls(t.Context(), s) {
		if !errors.Is(err, fault.Closed) {
			t.Errorf("%s: got %v, want fault.Closed", call, err)
		}
	}
}

func TestEndedContext(t *testing.T) {
	s := openNew(t)
	bury(t, s, "a", "r")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for call, err := range controltest.Calls(ended, s) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want context canceled", call, err)
		}
	}
	if got := find(t, s, "a"); got.State != control.StateDead || got.Attempts != 1 {
		t.Errorf("got %s after %d attempts, want nothing changed", got.State, got.Attempts)
	}
	if s, err := Open(ended, Config{File: filepath.Join(t.TempDir(), "control.db")}, slog.New(slog.DiscardHandler)); err == nil || s != nil {
		t.Errorf("open: got %v, want an error", err)
	}
}

func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default: got %v, want no mistake", err)
	}
	if err := (Config{}).Validate(); err == nil || !strings.HasPrefix(err.Error(), "file: ") {
		t.Errorf("no file: got %v, want a mistake of the key file", err)
	}
}

func BenchmarkStore(b *testing.B) {
	controltest.Bench(b, func(b *testing.B) control.Store { return openFile(b, filepath.Join(b.TempDir(), "control.db")) })
}
