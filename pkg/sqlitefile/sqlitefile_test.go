package sqlitefile

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

func script(sql string) *fstest.MapFile { return &fstest.MapFile{Data: []byte("-- +goose Up\n" + sql)} }

func TestOpen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a folder", "q?x#1.db")
	one := fstest.MapFS{"00001_one.sql": script("create table t(n integer);")}
	two := fstest.MapFS{"00001_one.sql": one["00001_one.sql"], "00002_two.sql": script("alter table t add column m text;")}
	for _, tt := range []struct {
		name       string
		migrations fstest.MapFS
		columns    int
		err        string
	}{
		{"a new file", one, 1, ""},
		{"the same again", one, 1, ""},
		{"a newer program", two, 2, ""},
		{"an older program", one, 0, "use a newer program"},
		{"a migration that fails", fstest.MapFS{"00001_one.sql": script("x"), "00003_bad.sql": script("no sql;")}, 0, "near \"no\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db, err := Open(t.Context(), file, Full, tt.migrations)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), file) {
					t.Fatalf("got %v, want one that names the file and says %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var n, sync int
			var journal string
			if err := db.QueryRow("select count(*) from pragma_table_info('t')").Scan(&n); err != nil || n != tt.columns {
				t.Errorf("got %d columns and %v, want %d", n, err, tt.columns)
			}
			if err := db.QueryRow("pragma synchronous").Scan(&sync); err != nil || sync != 2 {
				t.Errorf("synchronous: got %d and %v, want 2 (FULL)", sync, err)
			}
			if err := db.QueryRow("pragma journal_mode").Scan(&journal); err != nil || journal != "wal" {
				t.Errorf("journal mode: got %s and %v, want wal", journal, err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
