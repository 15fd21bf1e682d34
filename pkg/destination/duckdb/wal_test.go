package duckdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/rowid"
)

// TestCrashInACommit: a batch of several row groups is there with its note or not at all, wherever a crash has cut the engine's log.
func TestCrashInACommit(t *testing.T) {
	const rows, commit = 150_000, entryHead + smallest
	cfg := DefaultConfig()
	cfg.File, cfg.CheckpointThreshold = filepath.Join(t.TempDir(), "data.duckdb"), "10GB"
	d, ids := openWith(t, cfg), rowid.NewSource()
	d.sql(t, ledgerTable, "CHECKPOINT") // so that the log is not the file's first
	lines := make([]string, rows)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"n":%d}`, i)
	}
	large := destinationtest.Batch(ids, lines...)
	wantLoaded(t, d, destinationtest.Batch(ids, `{"n":-1}`), loaded(1))
	wantLoaded(t, d, large, loaded(rows))
	data, err := os.ReadFile(cfg.File)
	log, lerr := os.ReadFile(cfg.File + ".wal")
	if err := errors.Join(err, lerr); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ cut, zeros int }{{0, 0}, {1, 0}, {commit - 1, 0}, {commit, 0}, {commit, 4096}, {commit + 1, 0}, {10 * commit, 0}} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			left := append(log[:len(log)-tt.cut:len(log)-tt.cut], make([]byte, tt.zeros)...)
			cfg.File = filepath.Join(t.TempDir(), "data.duckdb")
			if err := errors.Join(os.WriteFile(cfg.File, data, 0o600), os.WriteFile(cfg.File+".wal", left, 0o600)); err != nil {
				t.Fatal(err)
			}
			d := openWith(t, cfg)
			there, want := 1, loaded(rows)
			if tt.cut == 0 {
				there, want = rows+1, destination.Loaded{Rows: rows, Already: true}
			}
			wantAnswer(t, d, "SELECT count(*) FROM t", fmt.Sprint(there))
			wantLoaded(t, d, large, want)
			wantAnswer(t, d, "SELECT count(*), count(DISTINCT n) FROM t", fmt.Sprintf("%d|%d", rows+1, rows+1))
		})
	}
}

// TestCutLog: what is no log of the form that is known stays as it is, and so does one that ends with a commit.
func TestCutLog(t *testing.T) {
	entry := func(body string) string {
		return string(rune(len(body))) + "\x00\x00\x00\x00\x00\x00\x00" + "checksum" + body
	}
	const top, some, end = "d\x00be\x00\x02\xff\xff", "d\x00\x1ae\x00\x01\xff\xff", "d\x00d\xff\xff"
	for _, tt := range []struct{ name, log, want string }{
		{"empty", "", ""},
		{"its head alone", top, top},
		{"another form", "no log at all", "no log at all"},
		{"a commit", top + entry(some) + entry(end), top + entry(some) + entry(end)},
		{"more after it", top + entry(end) + entry(some), top + entry(end)},
		{"a part of an entry", top + entry(end) + entry(some)[:20], top + entry(end)},
		{"no commit", top + entry(some), top},
		{"zeros after it", top + entry(end) + entry(some) + strings.Repeat("\x00", 100), top + entry(end)},
		{"zeros and more", top + entry(end) + strings.Repeat("\x00", 100) + entry(end), top + entry(end) + strings.Repeat("\x00", 100) + entry(end)},
		{"a checkpoint", top + entry("d\x00c\xff\xff") + entry(some), top + entry("d\x00c\xff\xff")},
		{"what is no entry", top + entry(end) + entry("xx\x00\xff\xff") + entry(some), top + entry(end) + entry("xx\x00\xff\xff") + entry(some)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "x.wal")
			if err := os.WriteFile(name, []byte(tt.log), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := cutLog(name); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(name); err != nil || string(got) != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
	if err := cutLog(filepath.Join(t.TempDir(), "none")); err != nil {
		t.Errorf("no log: got %v", err)
	}
}
