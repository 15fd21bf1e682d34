package flatten

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"pgregory.net/rapid"
)

// reference flattens the slow and simple way, from encoding/json's tokens.
type reference struct {
	limits Limits
	names  []string // the columns, in order
	kinds  map[string]schema.Kinds
}

var errReference = errors.New("not accepted")

// split returns the rows of a body, as the body spells them.
func split(body []byte, depth int) (rows []json.RawMessage, err error) {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	dec := json.NewDecoder(bytes.NewReader(body))
	for {
		var v json.RawMessage
		if err := dec.Decode(&v); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		rows = append(rows, v)
	}
	if len(rows) == 1 && rows[0][0] == '[' {
		if err := json.Unmarshal(rows[0], &rows); err != nil {
			return nil, err
		}
	} else if len(rows) == 0 {
		return nil, errReference
	}
	for _, row := range rows {
		if row[0] != '{' || !utf8.Valid(row) || loneSurrogate(row) || levels(row) > depth {
			return nil, errReference
		}
	}
	return rows, nil
}

// loneSurrogate reports whether a string in valid JSON has half a surrogate pair.
func loneSurrogate(b []byte) bool {
	var high bool // the last thing was the first half of a pair
	for i := 0; i < len(b); i++ {
		var r uint64
		if b[i] == '\\' {
			i++
			if b[i] == 'u' {
				r, _ = strconv.ParseUint(string(b[i+1:i+5]), 16, 16)
				i += 4
			}
		}
		low := 0xdc00 <= r && r <= 0xdfff
		if low != high {
			return true
		}
		high = 0xd800 <= r && r < 0xdc00
	}
	return false
}

// levels returns how deep valid JSON nests.
func levels(b []byte) int {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	depth, most := 0, 0
	for {
		t, err := dec.Token()
		if err != nil {
			return most
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
			most = max(most, depth)
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}

type member struct{ name, raw string }

// members lists those of an object, or the elements of an array.
func members(raw []byte) (all []member) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	_, _ = dec.Token()
	for i := 0; dec.More(); i++ {
		name := strconv.Itoa(i)
		if raw[0] == '{' {
			t, _ := dec.Token()
			if name = t.(string); name == "" {
				name = "_"
			}
		}
		var v json.RawMessage
		_ = dec.Decode(&v)
		all = append(all, member{name, string(v)})
	}
	return all
}

// refRow is a row in the making.
type refRow struct {
	id      string
	kept    []member
	rescued []member
}

func (r *refRow) rescue(name, raw string) {
	if raw == "null" {
		return
	}
	unique := name
	for n := 2; slices.ContainsFunc(r.rescued, func(m member) bool { return m.name == unique }); n++ {
		unique = fmt.Sprintf("%s#%d", name, n)
	}
	r.rescued = append(r.rescued, member{unique, raw})
}

// row returns the canonical line of one object; fresh is its id, if it has none of its own.
func (ref *reference) row(raw []byte, fresh string) string {
	var r refRow
	ref.nest(&r, "", raw)
	if r.id == "" {
		r.id = `"` + fresh + `"`
	} else if r.id[0] != '"' {
		r.id = `"` + r.id + `"`
	}
	var b strings.Builder
	b.WriteString(`{"__row_id":` + r.id)
	for _, m := range r.kept {
		ref.kinds[m.name] = ref.kinds[m.name].With(refKind(m.raw))
		if m.raw != "null" {
			b.WriteString("," + spell(m.name) + ":" + m.raw)
		}
	}
	for i, m := range r.rescued {
		b.WriteString([]string{`,"__rescued":{`, ","}[min(i, 1)] + spell(m.name) + ":" + m.raw)
	}
	if len(r.rescued) > 0 {
		b.WriteString("}")
	}
	return b.String() + "}\n"
}

func (ref *reference) nest(r *refRow, path string, raw []byte) {
	for _, m := range members(raw) {
		name := path + m.name
		nested := m.raw[0] == '{' || m.raw[0] == '['
		switch {
		case path == "" && nested && reserved([]byte(name)):
			var compact bytes.Buffer
			_ = json.Compact(&compact, []byte(m.raw))
			if name == schema.RowID && r.id != "" {
				r.rescue(name, r.id)
				r.id = ""
			}
			r.rescue(name, compact.String())
		case nested:
			ref.nest(r, name+"_", []byte(m.raw))
		case path == "" && name == schema.RowID:
			if r.id != "" {
				r.rescue(name, r.id)
			}
			if r.id = m.raw; r.id == "null" {
				r.id = ""
			}
		case reserved([]byte(name)):
			r.rescue(name, m.raw)
		default:
			ref.keep(r, name, m.raw)
		}
	}
}

func (ref *reference) keep(r *refRow, name, raw string) {
	if !slices.Contains(ref.names, name) {
		if len(ref.names) == ref.limits.Columns {
			r.rescue(name, raw)
			return
		}
		ref.names = append(ref.names, name)
	}
	if i := slices.IndexFunc(r.kept, func(m member) bool { return m.name == name }); i >= 0 {
		r.rescue(name, r.kept[i].raw)
		r.kept = slices.Delete(r.kept, i, i+1)
	}
	r.kept = append(r.kept, member{name, raw})
}

// spell writes a name as rows do.
func spell(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if c < ' ' || c == '"' || c == '\\' {
			text, _ := json.Marshal(string(rune(c)))
			b.Write(text[1 : len(text)-1])
		} else {
			b.WriteByte(c)
		}
	}
	return `"` + b.String() + `"`
}

func refKind(raw string) schema.Kind {
	switch c := raw[0]; {
	case c == 'n':
		return schema.Null
	case c == 't' || c == 'f':
		return schema.Bool
	case c == '"':
		text := []byte(raw[1 : len(raw)-1])
		if _, ok := schema.ParseDate(text); ok {
			return schema.Date
		}
		if _, ok := schema.ParseTimestamp(text); ok {
			return schema.Timestamp
		}
		return schema.Text
	}
	if _, err := strconv.ParseInt(raw, 10, 64); err == nil && raw != "-0" {
		return schema.Int
	}
	v, err := strconv.ParseFloat(raw, 64)
	if err != nil {
		return schema.Text
	}
	if exact, whole := new(big.Int).SetString(raw, 10); whole && raw != "-0" {
		if f, _ := new(big.Float).SetFloat64(v).Int(nil); f.Cmp(exact) != 0 || math.IsInf(v, 0) {
			return schema.Text
		}
	}
	return schema.Float
}

// compare runs body through a Flattener, and tells how it differs from the reference.
func compare(f *Flattener, r io.Reader, body []byte) error {
	var out bytes.Buffer
	var ids []string
	n, err := f.Flatten(r, Options{}, rowid.NewSource(), &out, func(id []byte) { ids = append(ids, string(id)) })
	rows, refErr := split(body, f.limits.Depth)
	if (err == nil) != (refErr == nil) {
		return fmt.Errorf("got %v, the reference %v", err, refErr)
	}
	if err != nil {
		return nil
	}
	if n != len(rows) || len(ids) != n {
		return fmt.Errorf("got %d rows and %d ids, want %d", n, len(ids), len(rows))
	}
	ref := reference{limits: f.limits, kinds: map[string]schema.Kinds{}}
	lines := slices.Collect(bytes.Lines(out.Bytes()))
	for i, row := range rows {
		want := ref.row(row, ids[i])
		if i >= len(lines) || string(lines[i]) != want {
			return fmt.Errorf("row %d of\n%s\n got %s\nwant %s", i, body, lines[i:], want)
		}
		if err := checkLine(lines[i], ids[i]); err != nil {
			return fmt.Errorf("row %d, %s: %w", i, lines[i], err)
		}
	}
	var want []schema.Seen
	for _, name := range ref.names {
		want = append(want, schema.Seen{Name: name, Kinds: ref.kinds[name]})
	}
	if got := f.Seen(); !slices.Equal(got, want) {
		return fmt.Errorf("columns of\n%s\n got %v\nwant %v", body, got, want)
	}
	return nil
}

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

// document draws a body: mostly valid, with keys that collide.
func document(t *rapid.T) string {
	space := func() string { return rapid.SampledFrom([]string{"", "", "", " ", "\n", "\r\n\t "}).Draw(t, "space") }
	keys := []string{"a", "b", "a_b", "b_0", "0", "", "a#2", `\u0061`, `q\"\u0022\\`, `é\n\u001F`, `\ud83d\ude00😀`,
		"__row_id", "__rescued", "__batch_file", "__row", "id", "a_longer_key_of_more_than_sixteen_bytes"}
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
