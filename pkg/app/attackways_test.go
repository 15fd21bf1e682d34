package app

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/sqlitedb"
)

// object is a JSON object.
type object map[string]any

// sqlWays are the ways by which SQL comes in. A new way is a line here.
var sqlWays = []struct {
	name string
	send func(b *besieged, sql string) answer
}{
	{"GET q", func(b *besieged, sql string) answer {
		return b.ask("GET", "/api/data/query?q="+url.QueryEscape(sql), "")
	}},
	{"GET query", func(b *besieged, sql string) answer {
		return b.ask("GET", "/api/data/query?format=csv&query="+url.QueryEscape(sql), "")
	}},
	{"POST", func(b *besieged, sql string) answer { return b.ask("POST", "/api/data/query?format=arrow", sql) }},
	{"POST JSON", func(b *besieged, sql string) answer { return b.send("POST", "/api/data/query", object{"query": sql}) }},
	{"POST JSON with a parameter", func(b *besieged, sql string) answer {
		return b.send("POST", "/api/data/query?format=parquet", object{"query": sql, "params": object{"p": "x"}})
	}},
	{"share", func(b *besieged, sql string) answer {
		return b.send("POST", "/api/data/query/share", object{"query": sql, "duration": 60})
	}},
	{"share with a parameter", func(b *besieged, sql string) answer {
		return b.send("POST", "/api/data/query/share", object{"query": sql, "params": object{"p": "x"}})
	}},
	{"copy", func(b *besieged, sql string) answer {
		return b.send("POST", "/api/data/copy", object{"query": sql, "destination_id": 1, "destination_table": "stolen"})
	}},
	{"PUT named query", func(b *besieged, sql string) answer {
		return b.send("PUT", "/api/queries/attack", object{"query": sql})
	}},
	{"POST named query", func(b *besieged, sql string) answer {
		return b.send("POST", "/api/queries", object{"name": "attack", "query": sql, "public": true, "params": []object{{"name": "p"}}})
	}},
}

func readAll(t *testing.T, resp *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("an answer breaks off: %v", err)
	}
	return string(text)
}

// controlSchema reads the schema of the control store, which the server has open.
func controlSchema(t *testing.T, dir string) string {
	t.Helper()
	db, err := sqlitedb.Reader(filepath.Join(dir, "control.db"), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // of a reader
	rows, err := db.QueryContext(t.Context(), "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // its error is in Err
	var lines []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil || len(lines) < 5 {
		t.Fatalf("the control store's schema has %d parts: %v", len(lines), err)
	}
	return strings.Join(lines, "\n")
}

// folderText is everything that is in a folder.
func folderText(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			fmt.Fprintln(&all, path)
			return err
		}
		text, err := os.ReadFile(path)
		fmt.Fprintf(&all, "%s %q\n", path, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// fileNames are the names of what is in a folder, without those that databases make beside their files and remove again.
func fileNames(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if !slices.Contains([]string{".wal", ".tmp", ".db-wal", ".db-shm"}, filepath.Ext(name)) && !strings.HasSuffix(name, "-wal") && !strings.HasSuffix(name, "-shm") {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}
