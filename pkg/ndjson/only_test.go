package ndjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// tagged makes a row of another table.
func tagged(table, members string) string {
	return `{"__table":"` + table + `",` + line(members)[1:]
}

func TestOnly(t *testing.T) {
	own, a, b, long := line(`"a":1`), `"a":"x"`, `"b":2`, `"a":"`+strings.Repeat("é", 2*chunkSize)+`"`
	for _, tt := range []struct{ name, file, none, x, xy string }{
		{"nothing", "", "", "", ""},
		{"one without tag", own + " \n", own + " \n", "", ""},
		{"one with", tagged("x", a) + " \n", "", line(a) + " \n", ""},
		{"mixed", own + "\n" + own + "\n" + tagged("x", a) + "\n" + tagged("x", b) + " \n" + tagged("x.y", a) + "\n" + own + " \n",
			own + "\n" + own + "\n" + own + " \n", line(a) + "\n" + line(b) + " \n", line(a) + "\n"},
		{"names that begin alike", tagged("xx", a) + "\n" + tagged("x ", a) + "\n" + tagged("X", a) + "\n", "", "", ""},
		{"tag elsewhere", line(`"__table":"x"`) + "\n", line(`"__table":"x"`) + "\n", "", ""},
		{"long lines", tagged("x", long) + "\n" + line(long) + "\n" + tagged("x.y", long) + "\n" + own + "\n",
			line(long) + "\n" + own + "\n", line(long) + "\n", line(long) + "\n"},
		{"short lines", "\n{\n{\"__table\n", "\n{\n{\"__table\n", "", ""},
		{"torn", own + "\n" + tagged("x", a), own + "\n", line(a), ""},
		{"torn, without tag", tagged("x", a) + "\n" + own[:20], own[:20], line(a) + "\n", ""},
		{"torn in the name", `{"__table":"x`, "", `{"__table":"x`, `{"__table":"x`},
		{"torn after the name", `{"__table":"x"`, "", `{"__table":"x"`, ""},
		{"torn in the tag", own + "\n" + `{"__tab`, own + "\n" + `{"__tab`, `{"__tab`, `{"__tab`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for table, want := range map[string]string{"": tt.none, "x": tt.x, "x.y": tt.xy} {
				got := onlyOf(t, strings.NewReader(tt.file), table)
				if got != want {
					t.Errorf("%q got %.200q, want %.200q", table, got, want)
				}
				if again := onlyOf(t, iotest.HalfReader(strings.NewReader(tt.file)), table); again != want {
					t.Errorf("%q, halves got %.200q, want %.200q", table, again, want)
				}
				if len(tt.file) > chunkSize {
					continue
				}
				if again := onlyOf(t, iotest.OneByteReader(strings.NewReader(tt.file)), table); again != want {
					t.Errorf("%q, byte by byte got %.200q, want %.200q", table, again, want)
				}
			}
		})
	}
}

func onlyOf(t *testing.T, r io.Reader, table string) string {
	t.Helper()
	b, err := io.ReadAll(Only(r, table))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOnlyKeepsReadersRules(t *testing.T) {
	file := line("") + "\n" + tagged("x", `"a":1`) + "\n" + line(`"b":2`) + "\n"
	for table, want := range map[string]string{"": line("") + "\n" + line(`"b":2`) + "\n", "x": line(`"a":1`) + "\n"} {
		if err := iotest.TestReader(Only(strings.NewReader(file), table), []byte(want)); err != nil {
			t.Error(err)
		}
	}
	broken := errors.New("broken")
	got, err := io.ReadAll(Only(io.MultiReader(strings.NewReader(file+line("")), iotest.ErrReader(broken)), "x"))
	if !errors.Is(err, broken) || string(got) != line(`"a":1`)+"\n" {
		t.Errorf("got %q, %v, want the row and %v", got, err, broken)
	}
}

// A chunk's end falls on each byte of a row in turn.
func TestOnlySplitAtAnyByte(t *testing.T) {
	row := tagged("x", `"a":1`) + " \n"
	for cut := range len(row) + 2 {
		first := line(`"p":"`) // it fills the chunk up to the cut
		first = first[:len(first)-1] + strings.Repeat("x", chunkSize-len(first)-2-cut) + "\"}\n"
		file := first + row + first + row
		if got, want := onlyOf(t, strings.NewReader(file), "x"), line(`"a":1`)+" \n"+line(`"a":1`)+" \n"; got != want {
			t.Fatalf("cut at %d got %q, want %q", cut, got, want)
		}
		if got := onlyOf(t, strings.NewReader(file), ""); got != first+first {
			t.Fatalf("cut at %d got other rows without a tag", cut)
		}
	}
}

func TestOnlyNeedsNoMemoryPerLine(t *testing.T) {
	file := parts(1 << 20)
	r := bytes.NewReader(file)
	p := make([]byte, chunkSize)
	for _, table := range []string{"", "x"} {
		got := testing.AllocsPerRun(3, func() {
			r.Reset(file)
			o := Only(r, table)
			for {
				if _, err := o.Read(p); err != nil {
					return
				}
			}
		})
		if got > 4 {
			t.Errorf("%q got %v allocations, want those of the reader alone", table, got)
		}
	}
}

// randomFile makes inserts of rows for random tables, the last one perhaps torn.
func randomFile(r *rand.Rand) []byte {
	var b bytes.Buffer
	values := []string{"1", "null", "true", "1.5", `"x"`, `"2024-02-29"`, `"2024-02-29T00:00:00Z"`, `{"a":[1]}`}
	for range r.IntN(60) {
		members := []string{}
		for range r.IntN(5) {
			members = append(members, fmt.Sprintf(`"k%d":%s`, r.IntN(6), values[r.IntN(len(values))]))
		}
		if r.IntN(4) == 0 {
			members = append(members, `"__rescued":{"a":1}`)
		}
		end := "\n"
		if r.IntN(3) == 0 {
			if end = " \n"; r.IntN(2) == 0 {
				members = append(members, `"__insert":"m+"`)
			}
		}
		row := line(strings.Join(members, ","))
		if table := []string{"", "", "x", "x.y", "a b"}[r.IntN(5)]; table != "" {
			row = tagged(table, strings.Join(members, ","))
		}
		b.WriteString(row + end)
	}
	return b.Bytes()[:b.Len()-r.IntN(min(3, b.Len()+1))]
}

// checkParts compares what Scan says of a file with what it says of each part alone.
func checkParts(t *testing.T, file []byte, scan func(io.Reader) (Scanned, error)) {
	t.Helper()
	all, err := scan(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	good := file[:all.Good]
	check := func(name string, rows int64, seen []schema.Seen) {
		t.Helper()
		text := onlyOf(t, bytes.NewReader(good), name)
		got, err := ScanReady(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if got.Rows != rows || !reflect.DeepEqual(got.Seen, seen) || got.Parts != nil || got.Good != int64(len(text)) {
			t.Errorf("%q of %.300q\n got %+v\nwant %d rows with %v", name, good, got, rows, seen)
		}
	}
	own := all.Rows
	for _, p := range all.Parts {
		own -= p.Rows
		check(p.Table.String(), p.Rows, p.Seen)
	}
	check("", own, all.Seen)
}

func TestScanEqualsOnlyThenScan(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		file := randomFile(r)
		checkParts(t, file, Scan)
		checkParts(t, file, ScanReady)
	}
}

// FuzzOnly filters any bytes by each of the tables that Scan finds.
func FuzzOnly(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 20 {
		f.Add(randomFile(r))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		checkParts(t, in, Scan)
		checkParts(t, in, ScanReady)
	})
}

// parts makes about size bytes of rows of 150 bytes, two of three for the table x.
func parts(size int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		row := line(fmt.Sprintf(`"id":1%06d,"name":"some name","text":"a text of some length","more":"and one more of these"`, i))
		if i%3 > 0 {
			row = `{"__table":"x",` + row[1:]
		}
		b.WriteString(row + "\n")
	}
	return b.Bytes()
}

func BenchmarkOnly(b *testing.B) {
	rows := parts(8 << 20)
	for _, table := range []string{"", "x", "y"} {
		b.Run("table="+table, func(b *testing.B) {
			b.SetBytes(int64(len(rows)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := io.Copy(discard{}, Only(bytes.NewReader(rows), table)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// discard is io.Discard without its own memory.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
