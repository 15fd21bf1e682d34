package flatten

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"pgregory.net/rapid"
)

var allModes = []Mode{Horizontal, Vertical, Multitable, None}

// result is what is to be known of a request.
type result struct {
	rows  int
	out   string
	told  []string // what each was told
	table schema.Table
	seen  []schema.Seen
	parts []schema.Part
}

func flattenBody(f *Flattener, o Options, body io.Reader) (r result, err error) {
	var out bytes.Buffer
	r.rows, err = f.Flatten(body, o, rowid.NewSource(), &out, func(id []byte) { r.told = append(r.told, string(id)) })
	r.out, r.table = out.String(), f.Table()
	r.seen, r.parts = slices.Clone(f.Seen()), f.Parts()
	return r, err
}

func mustTable(name string) schema.Table {
	t, err := schema.ParseTable(name)
	if err != nil {
		panic(err)
	}
	return t
}

// flattenSlowly is flattenBody by the reference.
func flattenSlowly(l Limits, o Options, body []byte) (r result, err error) {
	table := o.Table
	var rows []json.RawMessage
	if o.Envelope {
		table, rows, err = splitEnvelope(body, l.Depth)
	} else {
		rows, err = split(body, l.Depth)
	}
	if err != nil {
		return r, err
	}
	m := newModes(l, o.Mode, table)
	err = m.body(rows)
	r = result{rows: len(m.told), out: m.out.String(), told: m.told, table: table, seen: m.root.list()}
	for _, t := range m.parts {
		r.parts = append(r.parts, schema.Part{Table: t.table, Rows: int64(t.rows), Seen: t.list()})
	}
	return r, err
}

// splitEnvelope returns the table that an envelope names, and its rows.
func splitEnvelope(body []byte, depth int) (table schema.Table, rows []json.RawMessage, err error) {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	body = bytes.Trim(body, " \t\r\n")
	if !json.Valid(body) || body[0] != '{' || loneSurrogate(body) {
		return table, nil, errReference
	}
	all := members(body)
	if len(all) != 2 || all[0].name == all[1].name {
		return table, nil, errReference
	}
	for _, mem := range all {
		switch {
		case mem.name == "table" && mem.raw[0] == '"':
			var name string
			_ = json.Unmarshal([]byte(mem.raw), &name)
			table, err = schema.ParseTable(name)
		case mem.name == "data" && nested(mem.raw):
			rows, err = split([]byte(mem.raw), depth)
		default:
			err = errReference
		}
		if err != nil {
			return table, nil, err
		}
	}
	return table, rows, nil
}

func (ref *reference) list() (all []schema.Seen) {
	for _, name := range ref.names {
		all = append(all, schema.Seen{Name: name, Kinds: ref.kinds[name]})
	}
	return all
}

// text is all of a result, in which ids have numbers in order of appearance. It lists the ids, too.
func (r result) text() (text string, ids []string) {
	var b strings.Builder
	b.WriteString(r.out)
	for _, id := range r.told {
		fmt.Fprintf(&b, "told %q\n", id)
	}
	fmt.Fprintf(&b, "%d rows, %s: %v\n", r.rows, r.table, r.seen)
	for _, p := range r.parts {
		fmt.Fprintf(&b, "%d rows, %s: %v\n", p.Rows, p.Table, p.Seen)
	}
	text = ulids.ReplaceAllStringFunc(b.String(), func(id string) string {
		i := slices.Index(ids, id)
		if i < 0 {
			i = len(ids)
			ids = append(ids, id)
		}
		return fmt.Sprintf("#%d", i)
	})
	return text, ids
}

// sameOrder reports whether the fresh ids of two results rise alike; what the body has spelled is not fresh.
func sameOrder(got, want []string, body []byte) bool {
	var pairs [][2]string
	for i, id := range want {
		if !bytes.Contains(body, []byte(got[i])) {
			pairs = append(pairs, [2]string{id, got[i]})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return slices.IsSortedFunc(pairs, func(a, b [2]string) int { return strings.Compare(a[1], b[1]) })
}

// compareModes tells how a Flattener differs from the reference.
func compareModes(f *Flattener, o Options, r io.Reader, body []byte) error {
	want, refErr := flattenSlowly(f.limits, o, body)
	got, err := flattenBody(f, o, r)
	if (err == nil) != (refErr == nil) {
		return fmt.Errorf("%s of %s\n%s\n got %v\nthe reference %v", o.Mode, o.Table, body, err, refErr)
	}
	if err != nil {
		if k := fault.Of(err); k != fault.Invalid && k != fault.Unprocessable && k != fault.TooLarge {
			return fmt.Errorf("%s\n got %w, which is no mistake in the body", body, err)
		}
		return nil
	}
	gotText, gotIDs := got.text()
	wantText, wantIDs := want.text()
	if gotText != wantText {
		return fmt.Errorf("%s of %s\n%s\n got\n%s\nwant\n%s", o.Mode, o.Table, body, gotText, wantText)
	}
	if !sameOrder(gotIDs, wantIDs, body) {
		return fmt.Errorf("%s of %s\n%s\nthe ids %v do not rise like %v", o.Mode, o.Table, body, gotIDs, wantIDs)
	}
	for _, line := range slices.Collect(bytes.Lines([]byte(got.out))) {
		if !json.Valid(line) {
			return fmt.Errorf("%s is not JSON", line)
		}
	}
	return nil
}

// modeLimits are sets of limits: such that nothing is refused for them, such that small documents pass each of them, and
// such that nothing is remembered.
func modeLimits() map[string]Limits {
	roomy := Limits{Depth: 7, Columns: 60, RowBytes: 8 << 20, Rows: 40, Tables: 9}
	tight := Limits{Depth: 5, Columns: 4, RowBytes: 8 << 20, Rows: 4, Tables: 2}
	forgetful, both := roomy, tight
	forgetful.forgetful, both.forgetful = true, true
	return map[string]Limits{"roomy": roomy, "tight": tight, "forgetful": forgetful, "forgetful and tight": both}
}

// modeKeys are keys that mean something in one of the modes, or in one of modeTables.
var modeKeys = []string{"t", "t_id", "a_id", "b_id", "q.t", "b.", "__order_a", "__order_a_2", "___document_id", "__table"}

var modeTables = []string{"t", "q.t", "a", "q.a", "b"}

// request is one of those that a Flattener gets in turn.
type request struct {
	o     Options
	body  string
	bytes bool // it comes a byte at a time
}

func drawRequest(t *rapid.T) request {
	r := request{body: document(t, modeKeys...), bytes: rapid.Bool().Draw(t, "bytes")}
	r.o.Mode = rapid.SampledFrom(allModes).Draw(t, "mode")
	table := rapid.SampledFrom(modeTables).Draw(t, "table")
	if rapid.IntRange(0, 3).Draw(t, "envelope") == 0 {
		r.o.Envelope = true
		r.body = wrap(t, table, r.body)
	} else {
		r.o.Table = mustTable(table)
	}
	if rapid.IntRange(0, 9).Draw(t, "cut") == 0 {
		r.body = r.body[:rapid.IntRange(0, len(r.body)).Draw(t, "at")]
	}
	return r
}

// wrap makes an envelope, now and then a bad one.
func wrap(t *rapid.T, table, data string) string {
	parts := []string{`"table" :"` + table + `"`, ` "d\u0061ta": ` + data}
	switch rapid.IntRange(0, 9).Draw(t, "form") {
	case 0:
		parts = parts[1:]
	case 1:
		parts = parts[:1]
	case 2:
		parts = append(parts, parts[0])
	case 3, 4, 5:
		slices.Reverse(parts)
	}
	return "{" + strings.Join(parts, ",") + "}\n"
}

func (r request) reader() io.Reader {
	if r.bytes {
		return iotest.OneByteReader(strings.NewReader(r.body))
	}
	return strings.NewReader(r.body)
}

// One Flattener gets requests of all modes, for several tables, of which some fail. Each is as the reference has it, so
// that nothing of one shows in another.
func TestModesAgainstReference(t *testing.T) {
	for name, limits := range modeLimits() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				f := small(rapid.SampledFrom([]int{4, 7, 64, 4096}).Draw(t, "buffer"), limits)
				for range rapid.IntRange(1, 8).Draw(t, "requests") {
					r := drawRequest(t)
					if err := compareModes(f, r.o, r.reader(), []byte(r.body)); err != nil {
						t.Fatal(err)
					}
				}
			})
		})
	}
}

// everyMode compares body in each mode: cold, warm, and in small pieces.
func everyMode(t *testing.T, body []byte, envelope bool) {
	t.Helper()
	for name, limits := range modeLimits() {
		warm, pieces := New(limits), small(4, limits)
		for _, table := range []string{"t", "q.a"} {
			for _, mode := range allModes {
				o := Options{Mode: mode, Table: mustTable(table), Envelope: envelope}
				if envelope {
					o.Table = schema.Table{}
				}
				for _, state := range []string{"first", "again"} {
					if err := compareModes(warm, o, bytes.NewReader(body), body); err != nil {
						t.Fatalf("%s, %s: %v", name, state, err)
					}
				}
				if err := compareModes(pieces, o, iotest.OneByteReader(bytes.NewReader(body)), body); err != nil {
					t.Fatalf("%s, in pieces: %v", name, err)
				}
			}
		}
	}
}

// goldenBodies are the documents of the golden files.
func goldenBodies(t testing.TB) (bodies [][]byte) {
	files, err := filepath.Glob("testdata/golden/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d documents, %v", len(files), err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	return bodies
}

func FuzzModes(f *testing.F) {
	for _, body := range goldenBodies(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<12 {
			return // the reference is slow
		}
		everyMode(t, body, false)
	})
}

func FuzzEnvelope(f *testing.F) {
	for _, body := range goldenBodies(f) {
		if body[0] == '[' {
			f.Add(slices.Concat([]byte(`{"table":"orders","data":`), body, []byte("}")))
		}
		first, _, _ := bytes.Cut(body, []byte("\n{"))
		f.Add(slices.Concat([]byte(`{"data":`), first, []byte(`,"table":"q.orders"}`)))
	}
	f.Add([]byte("\ufeff{ \"t\\u0061ble\" : \"t\" , \"data\" : [ { \"a\" : [1, 2] } ] } "))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<12 {
			return
		}
		everyMode(t, body, true)
	})
}
