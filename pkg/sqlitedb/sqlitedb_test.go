package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

func files(migrations ...string) fstest.MapFS {
	m := make(fstest.MapFS)
	for i, text := range migrations {
		m["0000"+string(rune('1'+i))+"_step.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + text)}
	}
	return m
}

const (
	stepOne = "create table words (word text primary key) strict;"
	stepTwo = "alter table words add column n integer;"
)

func open(t *testing.T, file string, migrations ...string) *sql.DB {
	t.Helper()
	db, err := Writer(t.Context(), file, SyncFull, files(migrations...), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeDB(t, db) })
	return db
}

func closeDB(t *testing.T, db *sql.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func value[T any](t *testing.T, db *sql.DB, query string) (v T) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func TestWriterMigratesOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "missing", "folder", "a.db")
	db := open(t, file, stepOne)
	if _, err := db.ExecContext(t.Context(), "insert into words values ('kept')"); err != nil {
		t.Fatal(err)
	}
	closeDB(t, db)
	for range 2 {
		db = open(t, file, stepOne, stepTwo)
		if got := value[string](t, db, "select word from words where n is null"); got != "kept" {
			t.Errorf("got %q, want %q", got, "kept")
		}
		closeDB(t, db)
	}
}

func TestWriterRefusesANewerFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.db")
	closeDB(t, open(t, file, stepOne, stepTwo))
	_, err := Writer(t.Context(), file, SyncFull, files(stepOne), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "version 2") ||
		!strings.Contains(err.Error(), "newer version of this program") {
		t.Errorf("got %v, want an error that says the file, its version and what to do", err)
	}
}

func TestWriterSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	noDB, noDir := filepath.Join(dir, "no.db"), filepath.Join(dir, "no.db", "below.db")
	if err := os.WriteFile(noDB, []byte(strings.Repeat("this is not a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, file string }{
		{"not a database", noDB}, {"not in a folder", noDir}, {"a folder", dir},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Writer(t.Context(), tt.file, SyncFull, files(stepOne), slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), "open "+tt.file) {
				t.Errorf("got %v, want an error that names the file", err)
			}
		})
	}
}

func TestManyOpenANewFileAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.db")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			db, err := Writer(t.Context(), file, SyncFull, files(stepOne, stepTwo), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			_, err = db.ExecContext(t.Context(), "insert into words (word) values (hex(randomblob(8)))")
			if err := errors.Join(err, db.Close()); err != nil {
				t.Errorf("insert: %v", err)
			}
		})
	}
	wg.Wait()
	if got := value[int](t, open(t, file, stepOne, stepTwo), "select count(*) from words"); got != 4 {
		t.Errorf("got %d words, want 4", got)
	}
}

func TestNamesOfFiles(t *testing.T) {
	for _, name := range []string{"plain.db", "with space.db", "100%.db", "a?b=c&d.db", "x#y.db", "ümläut.db", "a:b.db"} {
		file := filepath.Join(t.TempDir(), name)
		open(t, file, stepOne)
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Chdir(t.TempDir())
	open(t, "here.db", stepOne)
	if _, err := os.Stat("here.db"); err != nil {
		t.Error(err)
	}
}

func TestSettingsOfConnections(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.db")
	w := open(t, file, stepOne)
	r, err := Reader(file, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeDB(t, r) })
	for _, tt := range []struct {
		name string
		db   *sql.DB
		want string
	}{
		{"journal_mode", w, "wal"}, {"synchronous", w, "2"}, {"busy_timeout", w, "10000"}, {"query_only", w, "0"},
		{"journal_mode", r, "wal"}, {"busy_timeout", r, "10000"}, {"query_only", r, "1"},
	} {
		if got := value[string](t, tt.db, "pragma "+tt.name); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	if got := [2]int{w.Stats().MaxOpenConnections, r.Stats().MaxOpenConnections}; got != [2]int{1, 2} {
		t.Errorf("most connections of the writer and the reader: got %v, want [1 2]", got)
	}
	if _, err := r.ExecContext(t.Context(), "insert into words values ('x')"); err == nil {
		t.Error("a reader that writes: got no error")
	}
	normal, err := Writer(t.Context(), file, SyncNormal, files(stepOne), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeDB(t, normal) })
	if got := value[string](t, normal, "pragma synchronous"); got != "1" {
		t.Errorf("synchronous of SyncNormal: got %s, want 1", got)
	}
}

func TestBrokenMigration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.db")
	closeDB(t, open(t, file, stepOne))
	_, err := Writer(t.Context(), file, SyncFull, files(stepOne, stepTwo+"\nalter table missing add column n integer;"), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "open "+file+": ") || !strings.Contains(err.Error(), "no such table: missing") {
		t.Errorf("got %v, want an error that says the file and what is wrong", err)
	}
	// What the step had done before is undone, so the next version of the program can take it.
	db := open(t, file, stepOne, stepTwo)
	if got := value[int](t, db, "select count(*) from words where n is null"); got != 0 {
		t.Errorf("got %d words, want 0", got)
	}
}

func TestWriterOfAnEndedContext(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	file := filepath.Join(t.TempDir(), "a.db")
	if _, err := Writer(ended, file, SyncFull, files(stepOne), slog.New(slog.DiscardHandler)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context canceled", err)
	}
	open(t, file, stepOne) // it can be opened later
}

// TestWritersWaitForEachOther has two pools, as two processes have. A transaction takes the lock when it begins, so one
// that reads before it writes is not refused.
func TestWritersWaitForEachOther(t *testing.T) {
	const each = 50
	file := filepath.Join(t.TempDir(), "a.db")
	one, other := open(t, file, stepOne, stepTwo), open(t, file, stepOne, stepTwo)
	if _, err := one.ExecContext(t.Context(), "insert into words values ('count', 0)"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, db := range []*sql.DB{one, other} {
		wg.Go(func() {
			for range each {
				err := InTx(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
					var n int
					if err := tx.QueryRowContext(ctx, "select n from words").Scan(&n); err != nil {
						return err
					}
					_, err := tx.ExecContext(ctx, "update words set n = ?", n+1)
					return err
				})
				if err != nil {
					t.Errorf("count: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if got := value[int](t, one, "select n from words"); got != 2*each {
		t.Errorf("got %d, want %d", got, 2*each)
	}
}

func TestInTx(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "a.db"), stepOne)
	insert := func(word string) func(context.Context, *sql.Tx) error {
		return func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "insert into words values (?)", word)
			return err
		}
	}
	if err := InTx(t.Context(), db, insert("a")); err != nil {
		t.Errorf("commit: %v", err)
	}
	broken := errors.New("broken")
	err := InTx(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
		return errors.Join(insert("b")(ctx, tx), broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want the work's own error", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := InTx(ended, db, insert("c")); !errors.Is(err, context.Canceled) {
		t.Errorf("ctx ended before: got %v, want context canceled", err)
	}
	during, cancel := context.WithCancel(t.Context())
	err = InTx(during, db, func(ctx context.Context, tx *sql.Tx) error {
		cancel()
		return insert("d")(ctx, tx)
	})
	if err != nil {
		t.Errorf("ctx ended during the work: got %v, want it done", err)
	}
	if got := value[string](t, db, "select group_concat(word order by word) from words"); got != "a,d" {
		t.Errorf("got words %s, want a,d", got)
	}
}
