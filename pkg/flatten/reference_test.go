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
	"unicode/utf8"

	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// reference flattens the slow and simple way, from encoding/json's tokens.
type reference struct {
	limits Limits
	names  []string // the columns, in order
	bytes  int      // of their names, as rows spell them
	kinds  map[string]schema.Kinds
}

func newReference(l Limits) reference { return reference{limits: l, kinds: map[string]schema.Kinds{}} }

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
	fixed   []string // the names of what is ours in it
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
	return ref.line(r, "{", fresh)
}

// line writes a row, which begins with start and then its id.
func (ref *reference) line(r refRow, start, fresh string) string {
	if r.id == "" {
		r.id = `"` + fresh + `"`
	} else if r.id[0] != '"' {
		r.id = `"` + r.id + `"`
	}
	var b strings.Builder
	b.WriteString(start + `"__row_id":` + r.id)
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
		if nested(m.raw) && (path != "" || !reserved([]byte(m.name))) {
			ref.nest(r, path+m.name+"_", []byte(m.raw))
		} else {
			ref.add(r, entry{name: path + m.name, raw: m.raw, top: path == ""})
		}
	}
}

// entry is a value on its way into a row.
type entry struct {
	name, raw string
	top       bool // it is a member of the row's own object
	ours      bool // it stays, whatever the object has of that name
	empty     bool // it is the null of an empty array
}

func nested(raw string) bool { return raw[0] == '{' || raw[0] == '[' }

// add puts a value where it belongs: to the row's id, its columns or its rescued values.
func (ref *reference) add(r *refRow, e entry) {
	if nested(e.raw) {
		var compact bytes.Buffer
		_ = json.Compact(&compact, []byte(e.raw))
		e.raw = compact.String()
	}
	switch {
	case e.top && e.name == schema.RowID:
		if r.id != "" {
			r.rescue(e.name, r.id)
		}
		r.id = e.raw
		if nested(e.raw) {
			r.rescue(e.name, e.raw)
		}
		if nested(e.raw) || e.raw == "null" {
			r.id = ""
		}
	case reserved([]byte(e.name)) || slices.Contains(r.fixed, e.name) || !ref.has(e.name):
		r.rescue(e.name, e.raw)
	default:
		r.keep(e.name, e.raw)
		if e.ours {
			r.fixed = append(r.fixed, e.name)
		}
	}
}

// has reports whether there is a column of a name, or room for one more.
func (ref *reference) has(name string) bool {
	if slices.Contains(ref.names, name) {
		return true
	}
	size := ref.bytes + len(spell(name)) - len(`""`)
	if len(ref.names) == ref.limits.Columns || size > ref.limits.Columns*nameBytes {
		return false
	}
	ref.bytes = size
	ref.names = append(ref.names, name)
	return true
}

// keep puts a value into its column, and rescues the one that is there.
func (r *refRow) keep(name, raw string) {
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
	case nested(raw):
		return schema.Nested
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
	ref := newReference(f.limits)
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
