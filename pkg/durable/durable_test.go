package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func wantFile(t *testing.T, name, want string) {
	t.Helper()
	got, err := os.ReadFile(name)
	if err != nil || string(got) != want {
		t.Errorf("%s: got %q and %v, want %q", filepath.Base(name), got, err, want)
	}
}

// wantNames holds that dir has the names and no others.
func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("got the names %q, want %q", got, want)
	}
}

// wantError holds that err is want and says what it is about.
func wantError(t *testing.T, what string, err, want error, name string) {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), name) {
		t.Errorf("%s: got %v, want %v of %s", what, err, want, name)
	}
}

func closeFile(t *testing.T, f io.Closer) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a")
	f, err := Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("one"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(" two"), 3); err != nil { // anywhere, not only at the end
		t.Fatal(err)
	}
	closeFile(t, f)
	wantFile(t, name, "one two")

	_, err = Create(name)
	wantError(t, "a file that exists", err, fs.ErrExist, name)
	wantFile(t, name, "one two")
	_, err = Create(dir)
	wantError(t, "a folder", err, fs.ErrExist, dir)
	missing := filepath.Join(dir, "missing", "a")
	_, err = Create(missing)
	wantError(t, "in a missing folder", err, fs.ErrNotExist, missing)
	wantNames(t, dir, "a")
}

func TestCreateGivesANameToOne(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a")
	var mu sync.Mutex
	made := 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			f, err := Create(name)
			if errors.Is(err, fs.ErrExist) {
				return
			}
			if err := errors.Join(err, f.Close()); err != nil {
				t.Errorf("create: %v", err)
			}
			mu.Lock()
			made++
			mu.Unlock()
		})
	}
	wg.Wait()
	if made != 1 {
		t.Errorf("got %d that made the file, want 1", made)
	}
}

func TestRename(t *testing.T) {
	for _, tt := range []struct {
		name, from, to string
		files          []string // made before, each with its own name as content
		want           error
		left           []string // in the folder ready
	}{
		{"within a folder", "ready/a", "ready/b", []string{"ready/a"}, nil, []string{"b"}},
		{"into another folder", "open/a", "ready/a", []string{"open/a"}, nil, []string{"a"}},
		{"replaces", "open/a", "ready/a", []string{"open/a", "ready/a", "ready/b"}, nil, []string{"a", "b"}},
		{"a missing file", "open/a", "ready/a", nil, fs.ErrNotExist, nil},
		{"a missing file leaves what is there", "open/a", "ready/a", []string{"ready/a"}, fs.ErrNotExist, []string{"a"}},
		{"into a missing folder", "ready/a", "missing/a", []string{"ready/a"}, fs.ErrNotExist, []string{"a"}},
		{"onto itself", "ready/a", "ready/a", []string{"ready/a"}, nil, []string{"a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, d := range []string{"open", "ready"} {
				if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range tt.files {
				write(t, filepath.Join(dir, name), name)
			}
			from, to := filepath.Join(dir, tt.from), filepath.Join(dir, tt.to)
			err := Rename(from, to)
			wantNames(t, filepath.Join(dir, "ready"), tt.left...)
			if tt.want != nil {
				wantError(t, "rename", err, tt.want, from)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			wantFile(t, to, tt.from)
			if _, err := os.Stat(from); from != to && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the old name: got %v, want it gone", err)
			}
		})
	}
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	a, below := filepath.Join(dir, "a"), filepath.Join(dir, "folder", "b")
	write(t, a, "a")
	for range 2 { // the second is the retry after a crash
		if err := Remove(a); err != nil {
			t.Errorf("got %v, want no error", err)
		}
	}
	if err := Remove(below); err != nil {
		t.Errorf("in a missing folder: got %v, want no error", err)
	}
	if err := MkdirAll(filepath.Dir(below)); err != nil {
		t.Fatal(err)
	}
	write(t, below, "b")
	if err := Remove(filepath.Dir(below)); err == nil || !strings.Contains(err.Error(), filepath.Dir(below)) {
		t.Errorf("a folder that is not empty: got %v, want an error that names it", err)
	}
	wantFile(t, below, "b")
	if err := Remove(filepath.Join(below, "c")); err == nil {
		t.Error("below a file: got no error")
	}
}

func TestMkdirAll(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	write(t, file, "content")
	for _, tt := range []struct {
		name, dir string
		want      error
		says      string
	}{
		{"one", filepath.Join(dir, "a"), nil, ""},
		{"with its parents", filepath.Join(dir, "b", "c", "d"), nil, ""},
		{"again", filepath.Join(dir, "b", "c", "d"), nil, ""},
		{"below one that is there", filepath.Join(dir, "b", "c", "e"), nil, ""},
		{"with a slash at its end", filepath.Join(dir, "f") + string(filepath.Separator), nil, ""},
		{"the root", string(filepath.Separator), nil, ""},
		{"a file", file, fs.ErrExist, file},
		{"below a file", filepath.Join(file, "a", "b"), fs.ErrExist, file},
		{"no name", "", fs.ErrNotExist, "mkdir"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := MkdirAll(tt.dir)
			if tt.want != nil {
				wantError(t, tt.dir, err, tt.want, tt.says)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(tt.dir); err != nil || !info.IsDir() {
				t.Errorf("got %v, want a folder", err)
			}
		})
	}
	wantFile(t, file, "content")
}

func TestMkdirAllBelowTheWorkingFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{".", "a", "./b/c", "a/../d"} {
		if err := MkdirAll(dir); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
	wantNames(t, ".", "a", "b", "d")
}

func TestMkdirAllOfManyAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b", "c")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := MkdirAll(dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantNames(t, filepath.Dir(dir), "c")
}

func TestSyncDir(t *testing.T) {
	dir := t.TempDir()
	if err := SyncDir(dir); err != nil {
		t.Error(err)
	}
	missing := filepath.Join(dir, "missing")
	wantError(t, "a missing folder", SyncDir(missing), fs.ErrNotExist, missing)
}

func TestData(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a")
	f, err := Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"", "one", " two"} {
		if _, err := f.WriteString(s); err != nil {
			t.Fatal(err)
		}
		if err := Data(f); err != nil {
			t.Errorf("after %q: %v", s, err)
		}
	}
	closeFile(t, f)
	wantFile(t, name, "one two")
	if err := Data(f); err == nil {
		t.Error("a closed file: got no error")
	}
}

// TestDataTellsAFailure syncs what cannot be synced.
func TestDataTellsAFailure(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer closeFile(t, r)
	defer closeFile(t, w)
	if err := Data(w); err == nil {
		t.Error("a pipe: got no error")
	}
}
