package flatten

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/rowid"
)

// small returns a Flattener whose first buffer has size bytes.
func small(size int, l Limits) *Flattener {
	f := New(l)
	f.in.size = size
	return f
}

// Wherever the buffer ends, the rows, the columns and the mistakes are the same.
func TestSplitAnywhere(t *testing.T) {
	for _, body := range []string{
		"\ufeff" + ` {"a":1,"b":{"c":[true,false,null]}}` + "\r\n" + `{"a":-1.5e-7,"text":"a\u00e9\ud83d\ude00é\\😀"}` + "\n\n" + `{"a":"2026-01-31"}`,
		`[{"a":1,"a":"x","a":12345678901234567890},  {"__row_id":"own","__rescued":{ "x" : [1,2] },"__row_id":null} ,{"v":null,"v":2}]  `,
		"{\"a\":1}\n{\"b\":[1,{\"c\":tru}]}",
		"{\"a\":1}\n\n   {\"b\":\"\xff\"}",
		`[{"a":1},{"a":"\ud83d\u0041"}]`,
		`[{"a":1},{"a":[[[[[[1]]]]]]}]`,
		"{} {} 7",
	} {
		limits := DefaultLimits()
		limits.Depth = 5
		rows, seen, err := flat(New(limits), strings.NewReader(body))
		for size := 4; size <= len(body)+1; size++ {
			readers := map[string]io.Reader{
				"whole":        strings.NewReader(body),
				"byte by byte": iotest.OneByteReader(strings.NewReader(body)),
				"early end":    iotest.DataErrReader(strings.NewReader(body)),
			}
			for name, r := range readers {
				gotRows, gotSeen, gotErr := flat(small(size, limits), r)
				if gotSeen != seen || (gotErr == nil) != (err == nil) || err != nil && gotErr.Error() != err.Error() {
					t.Errorf("%q, buffer of %d, %s:\n got %s, %v\nwant %s, %v", body, size, name, gotSeen, gotErr, seen, err)
				}
				if err == nil && gotRows != rows {
					t.Errorf("%q, buffer of %d, %s:\n got %s\nwant %s", body, size, name, gotRows, rows)
				}
			}
		}
	}
}

func TestLongBody(t *testing.T) {
	const rows = 20_000
	body := "[" + strings.Repeat(`{"id":1,"name":"Grace Hopper"},`+"\n", rows-1) + `{"last":true}]`
	f := New(DefaultLimits())
	var out wholeRows
	n, err := f.Flatten(strings.NewReader(body), Options{}, rowid.NewSource(), &out, nil)
	if err != nil || n != rows || out.rows != rows {
		t.Fatalf("got %d rows, %d written, %v; want %d", n, out.rows, err, rows)
	}
	if out.torn || out.writes > 2+len(body)*2/flushSize {
		t.Errorf("got %d writes, torn rows: %t; want few, each of whole rows", out.writes, out.torn)
	}
	if len(f.in.mem) > keepSize || len(f.out) > keepSize {
		t.Errorf("got buffers of %d and %d bytes", len(f.in.mem), len(f.out))
	}
}

// wholeRows looks at what is written.
type wholeRows struct {
	rows, writes int
	torn         bool
}

func (w *wholeRows) Write(b []byte) (int, error) {
	w.rows += bytes.Count(b, []byte{'\n'})
	w.writes++
	w.torn = w.torn || b[0] != '{' || b[len(b)-1] != '\n'
	return len(b), nil
}

func TestOneRowIsOneWrite(t *testing.T) {
	var out wholeRows
	_, err := New(DefaultLimits()).Flatten(strings.NewReader(`{"a":1}`), Options{}, rowid.NewSource(), &out, nil)
	if err != nil || out.writes != 1 {
		t.Errorf("got %d writes, %v; want one", out.writes, err)
	}
	out = wholeRows{}
	_, err = New(DefaultLimits()).Flatten(strings.NewReader(`[]`), Options{}, rowid.NewSource(), &out, nil)
	if err != nil || out.writes != 0 {
		t.Errorf("no rows: got %d writes, %v; want none", out.writes, err)
	}
}

// A row may be as long as the limit, whatever the buffer, and no longer.
func TestRowBytes(t *testing.T) {
	const limit = 1000
	limits := DefaultLimits()
	limits.RowBytes = limit
	for _, size := range []int{4, 64, limit / 2, limit, 10 * limit} {
		for _, over := range []int{0, 1, limit, 100 * limit} {
			row := `{"a":"` + strings.Repeat("x", limit+over-8) + `"}`
			f := small(size, limits)
			rows, _, err := flat(f, strings.NewReader(`{} `+row+`  {}`))
			if over == 0 && (err != nil || strings.Count(rows, "\n") != 3) {
				t.Errorf("buffer of %d, a row of %d bytes: %v", size, len(row), err)
			}
			if over > 0 && (fault.CodeOf(err) != "row_too_large" || !strings.Contains(err.Error(), "at byte 3 (line 1)")) {
				t.Errorf("buffer of %d, a row of %d bytes: got %v, want row_too_large at byte 3", size, len(row), err)
			}
			if most := max(limit+laterRead, size); len(f.in.mem)-pad > most {
				t.Errorf("buffer of %d, a row of %d bytes: the buffer grew to %d, want at most %d", size, len(row), len(f.in.mem), most)
			}
		}
	}
}

// White space is not part of a row and needs no memory.
func TestEndlessSpace(t *testing.T) {
	limits := DefaultLimits()
	limits.RowBytes = 100
	f := small(64, limits)
	space := strings.Repeat(" \n", 100_000)
	_, _, err := flat(f, strings.NewReader(space+"{}"+space+"x"))
	if want := "at byte 400002 (line 200001)"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want a mistake %s", err, want)
	}
	if len(f.in.mem) > laterRead+pad {
		t.Errorf("the buffer grew to %d", len(f.in.mem))
	}
}

// A flat row repeats the names on the way to its values. That too has an end, in the row and among its rescued values.
func TestRowGrowsTooLarge(t *testing.T) {
	limits := Limits{Depth: 64, Columns: 3000, RowBytes: 100_000}
	long := strings.Repeat("k", 1000)
	for name, body := range map[string]string{
		"columns":    `{"` + long + `":[` + strings.Repeat("1,", 500) + `1]}`,
		"rescued":    `{"` + strings.Repeat(long, 9) + `":[` + strings.Repeat("1,", 500) + `1]}`,
		"duplicates": `{"` + long + `":{` + strings.Repeat(`"a":1,`, 500) + `"a":1}}`,
	} {
		_, _, err := flat(New(limits), strings.NewReader("[{},"+body+"]"))
		if fault.CodeOf(err) != "row_too_large" || !strings.Contains(err.Error(), "at byte 4 ") {
			t.Errorf("%s: got %v, want row_too_large at byte 4", name, err)
		}
	}
	// Half as many fit.
	body := `{"` + long + `":[` + strings.Repeat("1,", 180) + `1]}`
	if _, _, err := flat(New(limits), strings.NewReader(body)); err != nil {
		t.Errorf("a row that fits: %v", err)
	}
}

func TestBrokenReader(t *testing.T) {
	broken := errors.New("broken pipe")
	for _, body := range []string{"", "{", `{"a":1}`, `[{"a":1}`, strings.Repeat(`{"a":1}`, 50_000)} {
		var out bytes.Buffer
		r := io.MultiReader(strings.NewReader(body), iotest.ErrReader(broken))
		if _, err := New(DefaultLimits()).Flatten(r, Options{}, rowid.NewSource(), &out, nil); !errors.Is(err, broken) {
			t.Errorf("%.20q: got %v, want %v", body, err, broken)
		}
	}
	if _, _, err := flat(New(DefaultLimits()), idle{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("idle reader: got %v, want %v", err, io.ErrNoProgress)
	}
}

// idle reads nothing, for ever.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestBrokenWriter(t *testing.T) {
	full := errors.New("disk full")
	for _, body := range []string{`{"a":1}`, strings.Repeat(`{"a":1}`, 50_000), "[" + strings.Repeat(`{"a":1},`, 50_000) + "{}]"} {
		f := New(DefaultLimits())
		if _, err := f.Flatten(strings.NewReader(body), Options{}, rowid.NewSource(), failing{full}, nil); !errors.Is(err, full) {
			t.Errorf("%.20q: got %v, want %v", body, err, full)
		}
		if rows, _, err := flat(f, strings.NewReader(`{"b":2}`)); err != nil || rows != `{"__row_id":"ID","b":2}`+"\n" {
			t.Errorf("%.20q: afterwards got %q, %v", body, rows, err)
		}
	}
}

type failing struct{ err error }

func (w failing) Write([]byte) (int, error) { return 0, w.err }
