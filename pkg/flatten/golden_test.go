package flatten

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

var update = flag.Bool("update", false, "write the golden files anew")

var ulids = regexp.MustCompile(`0[0-9A-HJKMNP-TV-Z]{25}`)

// golden flattens body in mode and gives what the golden files hold: the rows, in which ids have numbers in order of
// appearance, and then each table's columns.
func golden(f *Flattener, mode Mode, body io.Reader, table string) (string, error) {
	t, err := schema.ParseTable(table)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	var ids []string
	n, err := f.Flatten(body, Options{Mode: mode, Table: t}, rowid.NewSource(), &out, func(id []byte) { ids = append(ids, string(id)) })
	if err != nil {
		return "", err
	}
	if lines := bytes.Count(out.Bytes(), []byte{'\n'}); n != len(ids) || n != lines {
		return "", fmt.Errorf("%d rows, %d ids, %d lines", n, len(ids), lines)
	}
	number := map[string]string{}
	text := ulids.ReplaceAllStringFunc(out.String(), func(id string) string {
		if number[id] == "" {
			number[id] = fmt.Sprintf("#%d", len(number)+1)
		}
		return number[id]
	})
	var b strings.Builder
	b.WriteString(text)
	tell := func(name string, seen []schema.Seen) {
		fmt.Fprintf(&b, "-- %s:", name)
		for _, s := range seen {
			fmt.Fprintf(&b, " %q:%s", s.Name, s.Kinds)
		}
		b.WriteByte('\n')
	}
	tell(table, f.Seen())
	for _, p := range f.Parts() {
		tell(p.Table.String(), p.Seen)
	}
	return b.String(), nil
}

// TestGolden compares each mode's rows for a corpus of documents with files. -update writes them; read the difference.
func TestGolden(t *testing.T) {
	docs, err := filepath.Glob("testdata/golden/*.json")
	if err != nil || len(docs) < 10 {
		t.Fatalf("%d documents, %v", len(docs), err)
	}
	for _, doc := range docs {
		body, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(doc), ".json")
		for _, mode := range []Mode{Horizontal, Vertical, Multitable, None} {
			t.Run(name+"/"+mode.String(), func(t *testing.T) {
				file := strings.TrimSuffix(doc, ".json") + "." + mode.String()
				f := New(DefaultLimits())
				got, err := golden(f, mode, bytes.NewReader(body), name)
				if err != nil {
					t.Fatal(err)
				}
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if got != string(want) {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
				sameAgain(t, f, mode, body, name, got)
			})
		}
	}
}

// sameAgain flattens once more: with what is remembered of every mode, from a body that comes a byte at a time, and
// without room to remember anything.
func sameAgain(t *testing.T, f *Flattener, mode Mode, body []byte, name, want string) {
	t.Helper()
	check := func(how string, f *Flattener, r io.Reader) {
		t.Helper()
		if got, err := golden(f, mode, r, name); err != nil || got != want {
			t.Errorf("%s: %v, got\n%s\nwant\n%s", how, err, got, want)
		}
	}
	for _, other := range []Mode{Horizontal, Vertical, Multitable, None} {
		if _, err := golden(f, other, bytes.NewReader(body), name); err != nil {
			t.Fatal(err)
		}
	}
	check("warm", f, bytes.NewReader(body))
	check("a byte at a time", New(DefaultLimits()), iotest.OneByteReader(bytes.NewReader(body)))
	small := New(DefaultLimits())
	small.in.size = 64
	check("a small buffer", small, bytes.NewReader(body))
	forgetful := DefaultLimits()
	forgetful.forgetful = true
	check("nothing remembered", New(forgetful), bytes.NewReader(body))
}
