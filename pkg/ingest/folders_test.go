package ingest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// A destination id that could lead elsewhere is refused, also when the folder that it leads to is known already.
func TestDestinationCannotLeaveTheFolder(t *testing.T) {
	for _, id := range []string{"", ".", "..", "a/b", "/", "//", "/a", "a/", "./a", "a/.", "b/../a", "../a", "../../etc", `..\a`, `a\b`} {
		for _, inline := range []int64{0, 1 << 20} { // a file of its own, the shared one
			t.Run(id, func(t *testing.T) {
				outside := t.TempDir()
				dir := filepath.Join(outside, "data", "ingest")
				w := openDir(t, dir, func(c *Config) { c.Inline = inline })
				a, err := w.Insert(t.Context(), "a", parseTable(t, "events"), strings.NewReader(bodyOf(1000)), Options{RowIDs: true})
				if err != nil {
					t.Fatal(err)
				}
				in, err := w.Insert(t.Context(), id, parseTable(t, "events"), strings.NewReader(bodyOf(1000)), Options{})
				if fault.Of(err) != fault.Invalid || fault.CodeOf(err) != "bad_destination" || in.Rows != 0 {
					t.Errorf("destination %q got %+v, %v, want bad_destination", id, in, err)
				}
				wantIDs(t, w, a.RowIDs, open, ready)
				wantNone(t, w, incoming)
				wantEntries(t, outside, "data")
				wantEntries(t, dir, aside, incoming, open, ready)
			})
		}
	}
}

func wantEntries(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s has %q, want %q", dir, got, want)
	}
}

// A table's name, whatever a client asks for, is one folder below its destination's.
func TestTableCannotLeaveTheFolder(t *testing.T) {
	f := folders{root: "root"}
	for _, name := range []string{"", ".", "..", "...", "a..b", "../a", "a/b", "/a", `a\b`, "a/../../b", "a.b", "a.b.c", "a\x00b", "CON", " ", "é"} {
		table, err := schema.ParseTable(name)
		if err != nil {
			continue
		}
		dir := f.dir(open, target{"d", table})
		if got := filepath.Dir(dir); got != filepath.Join("root", open, "d") || filepath.Base(dir) != name {
			t.Errorf("table %q got the folder %s", name, dir)
		}
	}
}

// What the writer names, recovery reads back.
func TestPathsAreParsedBack(t *testing.T) {
	f := folders{root: "root"}
	for _, destination := range []string{"1", "my dest", "a.b", "..x", "x~y", "incoming"} {
		for _, table := range []string{"events", "a b", "s.events", "-", "_"} {
			to := target{destination, parseTable(t, table)}
			path := filepath.Join(f.dir(open, to), batchID+batchSuffix)
			got, ok := parsePath(filepath.Join("root", open), path)
			if want := (sealed{to, batchID, path}); !ok || got != want {
				t.Errorf("%s got %+v, %v, want %+v", path, got, ok, want)
			}
		}
	}
}

func TestSidecarOf(t *testing.T) {
	if got, want := sidecarOf("ready/d/t/"+batchID+".ndjson"), "ready/d/t/"+batchID+".json"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
