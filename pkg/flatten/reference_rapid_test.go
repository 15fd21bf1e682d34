package flatten

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/scratchdata/scratchdata/pkg/schema"
	"pgregory.net/rapid"
)

// checkLine holds a line against the rules of canonical rows, without the reference.
func checkLine(line []byte, id string) error {
	if !json.Valid(line) || bytes.IndexByte(line, '\n') != len(line)-1 {
		return errors.New("not one line of JSON")
	}
	all := members(line)
	var got string
	if err := json.Unmarshal([]byte(all[0].raw), &got); all[0].name != schema.RowID || err != nil || got != id {
		return fmt.Errorf("the first member is %v, want the row id %q", all[0], id)
	}
	if last := all[len(all)-1]; last.name == schema.Rescued {
		all = all[:len(all)-1]
		if name := twice(members([]byte(last.raw))); name != "" {
			return fmt.Errorf("%q is rescued twice", name)
		}
	}
	for _, m := range all {
		if m.raw == "null" || m.raw[0] == '{' || m.raw[0] == '[' {
			return fmt.Errorf("the member %v is null or nested", m)
		}
	}
	if name := twice(all); name != "" {
		return fmt.Errorf("%q is there twice", name)
	}
	return nil
}

// twice returns a name that two members have.
func twice(all []member) string {
	names := map[string]bool{}
	for _, m := range all {
		if names[m.name] {
			return m.name
		}
		names[m.name] = true
	}
	return ""
}

// tight are limits that small documents pass.
func tight() Limits { return Limits{Depth: 5, Columns: 6, RowBytes: 8 << 20} }

// document draws a body: mostly valid, with keys that collide, of which more may be given.
func document(t *rapid.T, more ...string) string {
	space := func() string { return rapid.SampledFrom([]string{"", "", "", " ", "\n", "\r\n\t "}).Draw(t, "space") }
	keys := []string{"a", "b", "a_b", "b_0", "0", "", "a#2", `\u0061`, `q\"\u0022\\`, `é\n\u001F`, `\ud83d\ude00😀`,
		"__row_id", "__rescued", "__batch_file", "__row", "id", "a_longer_key_of_more_than_sixteen_bytes"}
	keys = append(keys, more...)
	scalars := []string{"1", "-0", "1.5", "1e400", "9223372036854775808", "123456789012345678901", "true", "false", "null",
		`""`, `"x"`, `"2026-01-31"`, `"2026-01-31T10:20:30Z"`, `"2026-02-31"`, `"\u0000\/é😀 and more than sixteen bytes"`,
		"01", "nul", `"\ud800"`, `"` + "\xff" + `"`}
	var value func(depth int) string
	object := func(depth int) string {
		var parts []string
		for range rapid.IntRange(0, 4).Draw(t, "members") {
			key := rapid.SampledFrom(keys).Draw(t, "key")
			parts = append(parts, space()+`"`+key+`"`+space()+":"+space()+value(depth+1)+space())
		}
		return "{" + strings.Join(parts, ",") + space() + "}"
	}
	value = func(depth int) string {
		switch rapid.IntRange(0, 5+2*depth).Draw(t, "what") {
		case 0, 1:
			return object(depth)
		case 2:
			var parts []string
			for range rapid.IntRange(0, 3).Draw(t, "elements") {
				parts = append(parts, space()+value(depth+1)+space())
			}
			return "[" + strings.Join(parts, ",") + space() + "]"
		}
		good := len(scalars) - 4
		if rapid.IntRange(0, 99).Draw(t, "bad") == 0 {
			good = len(scalars)
		}
		return rapid.SampledFrom(scalars[:good]).Draw(t, "scalar")
	}
	var rows []string
	for range rapid.IntRange(1, 4).Draw(t, "rows") {
		rows = append(rows, space()+object(1)+space())
	}
	if rapid.Bool().Draw(t, "array") {
		return space() + "[" + strings.Join(rows, ",") + "]" + space()
	}
	return strings.Join(rows, "")
}

func TestAgainstReference(t *testing.T) {
	warm := New(tight())
	rapid.Check(t, func(t *rapid.T) {
		body := []byte(document(t))
		if err := compare(warm, bytes.NewReader(body), body); err != nil {
			t.Fatal(err)
		}
		split := small(rapid.IntRange(4, 64).Draw(t, "buffer"), tight())
		if err := compare(split, iotest.OneByteReader(bytes.NewReader(body)), body); err != nil {
			t.Fatalf("split: %v", err)
		}
	})
}

func FuzzFlatten(f *testing.F) {
	f.Add([]byte(`{"order":7,"buyer":{"name":"Ann","tags":["a","b"]},"gift":[],"meta":{}}`))
	f.Add([]byte("\ufeff{\"a\":1}\n{\"a\":null, \"b\":[1.5e3,true]}\r\n"))
	f.Add([]byte(`[{"a":{"b":1},"a_b":2},{"__row_id":"x","__rescued":[1],"":-0}]`))
	f.Add([]byte(`{"\u0061\ud83d\ude00":"\u0000","t":"2026-01-31T10:20:30.123456+02:00","d":"2026-01-31"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<14 {
			return // the reference is slow
		}
		l := tight()
		warm := New(l)
		for _, r := range []io.Reader{bytes.NewReader(body), bytes.NewReader(body)} {
			if err := compare(warm, r, body); err != nil {
				t.Fatal(err)
			}
		}
		if err := compare(small(4, l), iotest.OneByteReader(bytes.NewReader(body)), body); err != nil {
			t.Fatalf("split: %v", err)
		}
	})
}
