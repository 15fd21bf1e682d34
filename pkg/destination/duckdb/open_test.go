package duckdb

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
)

// holdFile names the database file that this program opens, instead of running tests, and holds until its input ends.
const holdFile = "DUCKDB_TEST_HOLD_FILE"

func TestMain(m *testing.M) {
	file := os.Getenv(holdFile)
	if file == "" {
		os.Exit(m.Run())
	}
	d, err := try(file)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("open")
	_, err = io.Copy(io.Discard, os.Stdin)
	if err := errors.Join(err, d.Close()); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// hold has another process open file until the test ends.
func hold(t *testing.T, file string) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), holdFile+"="+file)
	release, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(said).ReadString('\n'); line != "open\n" {
		t.Fatalf("the other process: got %q, %v, want open", line, err)
	}
	t.Cleanup(func() {
		if err := errors.Join(release.Close(), child.Wait()); err != nil {
			t.Errorf("the other process: %v", err)
		}
	})
}

// try opens file with the settings of a destination that says nothing else.
func try(file string) (*Destination, error) {
	cfg := DefaultConfig()
	cfg.File = file
	d, err := Open(context.Background(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return d.(*Destination), nil
}

// wantRefused opens file, and wants each of texts in the error and the folder as it was, but for the lock.
func wantRefused(t *testing.T, file string, texts ...string) {
	t.Helper()
	before := folder(t, filepath.Dir(file))
	d, err := try(file)
	if err == nil {
		_ = d.Close()
		t.Fatal("got no error")
	}
	for _, text := range append(texts, file) {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %q in it", err, text)
		}
	}
	if after := folder(t, filepath.Dir(file)); !maps.Equal(before, after) {
		t.Errorf("the folder has changed: before %q, after %q", slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)))
	}
}

// folder reads all files of dir but locks. A path that leads through a file has none.
func folder(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !strings.Contains(err.Error(), "not a directory") {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".lock") {
			continue
		}
		if e.IsDir() {
			files[e.Name()] = "a folder"
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

// goodFile is the content of a database with a table t.
func goodFile(t *testing.T) []byte {
	t.Helper()
	d := open(t)
	d.sql(t, "CREATE TABLE t AS SELECT i, 'text ' || i AS s FROM range(20000) r(i)")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(d.cfg.File)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpenRefusesOtherFiles(t *testing.T) {
	good := goodFile(t)
	damaged := func(at int) []byte {
		b := bytes.Clone(good)
		for i := range 16 {
			b[at+i] ^= 0xA5
		}
		return b
	}
	const other, short, broken = "something else: move it away", "cut short: bring back a copy", "damaged: bring back a copy"
	for _, tt := range []struct {
		name    string
		content []byte
		why     string
	}{
		{"no bytes", []byte{}, other},
		{"short text", []byte("hello\n"), other},
		{"long text", bytes.Repeat([]byte("hello\n"), 10_000), other},
		{"zeros", make([]byte, 20_000), other},
		{"SQLite", append([]byte("SQLite format 3\x00"), make([]byte, 4080)...), other},
		{"Parquet", append([]byte("PAR1"), make([]byte, 4092)...), other},
		{"10 bytes of a database", good[:10], other},
		{"first header cut", good[:100], short},
		{"second header cut", good[:5000], short},
		{"headers alone", good[:12_288], short},
		{"half a database", good[:len(good)/2], short},
		{"last byte lost", good[:len(good)-1], short},
		{"magic damaged", damaged(8), other},
		{"main header damaged", damaged(100), broken},
		{"first header damaged", damaged(4096 + 16), broken},
		{"second header damaged", damaged(8192 + 8), broken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x.duckdb")
			if err := os.WriteFile(file, tt.content, 0o644); err != nil {
				t.Fatal(err)
			}
			wantRefused(t, file, tt.why, "set file to another path", "left as it is")
			if err := os.WriteFile(file, good, 0o644); err != nil {
				t.Fatal(err)
			}
			d, err := try(file) // nothing of the failure is left
			if err != nil {
				t.Fatal(err)
			}
			wantAnswer(t, d, "SELECT count(*) FROM t", "20000")
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOpenRefusesOtherPaths(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, filepath.Join(dir, "folder"), "it is a folder: set file to the path of a file")
	wantRefused(t, filepath.Join(dir, "file", "x.duckdb"), "make the folder of DuckDB file")
}

func TestOpenTwice(t *testing.T) {
	d := open(t)
	d.sql(t, "CREATE TABLE t AS SELECT 1 AS n")
	link := filepath.Join(t.TempDir(), "link.duckdb")
	if err := os.Symlink(d.cfg.File, link); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, d.cfg.File, "this process has the database open already: give each destination a file of its own")
	for _, file := range []string{d.cfg.File, link} {
		if _, err := try(file); !errors.Is(err, destination.ErrInUse) {
			t.Errorf("%s: got %v, want ErrInUse", file, err)
		}
	}
	wantAnswer(t, d, "SELECT n FROM t", "1")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{d.cfg.File, link} {
		again, err := try(file)
		if err != nil {
			t.Fatal(err)
		}
		wantAnswer(t, again, "SELECT n FROM t", "1")
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenHeldByAnotherProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.duckdb")
	d, err := try(file) // this process had it before
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if signed, err := os.ReadFile(file + ".lock"); err != nil || len(signed) != 0 {
		t.Errorf("the lock after Close: got %q, %v, want it empty", signed, err)
	}
	hold(t, file)
	wantRefused(t, file, "another process", "stop that process")
	if _, err := try(file); errors.Is(err, destination.ErrInUse) {
		t.Errorf("got %v, want an error that is not ErrInUse: to close what this process has open would not help", err)
	}
	// Who opens it with another program makes no lock of ours.
	if err := os.Remove(file + ".lock"); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, file, "another process has it open: stop that process")
}

func TestOpenInMemory(t *testing.T) {
	dir := t.TempDir()
	cfg := DefaultConfig()
	cfg.File, cfg.InMemory = filepath.Join(dir, "x.duckdb"), true
	a, b := openWith(t, cfg), openWith(t, cfg)
	a.sql(t, "CREATE TABLE t AS SELECT 1 AS n")
	wantAnswer(t, a, "SELECT n FROM t", "1")
	if tables, err := b.Tables(t.Context()); err != nil || len(tables) > 0 {
		t.Errorf("another one: got the tables %v, %v, want none", tables, err)
	}
	if files := folder(t, dir); len(files) > 0 {
		t.Errorf("got the files %q, want none", slices.Sorted(maps.Keys(files)))
	}
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   []string // begin of each line
	}{
		{"default", func(*Config) {}, nil},
		{"in memory without a file", func(c *Config) { c.File, c.InMemory = "", true }, nil},
		{"sizes", func(c *Config) { c.MemoryLimit, c.CheckpointThreshold = "1.5gb", "16 MiB" }, nil},
		{"no file", func(c *Config) { c.File = "" }, []string{"file: "}},
		{"a file of rows", func(c *Config) { c.File = "data/x.CSV.gz" }, []string{"file: "}},
		{"no unit", func(c *Config) { c.MemoryLimit = "100" }, []string{"memory_limit: "}},
		{"nothing", func(c *Config) { c.MemoryLimit = "0MB" }, []string{"memory_limit: "}},
		{"percent", func(c *Config) { c.MemoryLimit = "80%" }, []string{"memory_limit: "}},
		{"two sizes", func(c *Config) { c.CheckpointThreshold = "1MB\n1MB" }, []string{"checkpoint_threshold: "}},
		{"threads", func(c *Config) { c.Threads = -1 }, []string{"threads: -1"}},
		{"all", func(c *Config) { *c = Config{Threads: -1} }, []string{"file: ", "memory_limit: ", "threads: ", "checkpoint_threshold: "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := DefaultConfig()
			tt.change(&cfg)
			err := cfg.Validate()
			var got []string
			if err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if err == nil {
				return // to open it would make the file
			}
			if _, oerr := Open(t.Context(), cfg, nil); oerr == nil || oerr.Error() != err.Error() {
				t.Errorf("Open: got %v, want %v", oerr, err)
			}
		})
	}
}
