package result_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

func TestFormatOf(t *testing.T) {
	for _, tt := range []struct{ name, accept, want string }{
		{"", "", "json"},
		{"csv", "", "csv"},
		{"CSV", "application/json", "csv"},
		{"ndjson", "text/csv", "ndjson"},
		{"", "text/csv", "csv"},
		{"", "text/csv; charset=utf-8", "csv"},
		{"", "application/x-ndjson", "ndjson"},
		{"", "application/jsonl", "ndjson"},
		{"", "*/*", "json"},
		{"", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "json"},
		{"", "application/json;q=0.5, text/csv;q=0.9", "csv"},
		{"", "text/csv;q=0.5, application/x-ndjson;q=0.5", "csv"},
		{"", "text/csv;q=0, */*;q=0.1", "json"},
		{"", "image/png", "json"},
		{"", "text/csv;q=x,;;", "json"},
		{"arrow", "", "arrow"},
		{"Parquet", "text/csv", "parquet"},
		{"", "application/vnd.apache.arrow.stream", "arrow"},
		{"", "application/vnd.apache.parquet, */*;q=0.5", "parquet"},
		{"xml", "", ""},
		{"xml", "text/csv", ""},
	} {
		t.Run(tt.name+" "+tt.accept, func(t *testing.T) {
			got, err := result.FormatOf(tt.name, tt.accept)
			if tt.want == "" {
				if !errors.Is(err, fault.Invalid) || fault.CodeOf(err) != "unknown_format" || !strings.Contains(fault.TextOf(err), "json, ndjson, csv, arrow, parquet") {
					t.Errorf("got %v, want unknown_format with the known ones", err)
				}
				return
			}
			if err != nil || got.Name != tt.want {
				t.Errorf("got %q, error %v, want %q", got.Name, err, tt.want)
			}
		})
	}
}

func TestNoRows(t *testing.T) {
	fields := []vector.Field{{Name: "a", Type: vector.Type{Kind: vector.Int}}, {Name: "b,c", Type: vector.Type{Kind: vector.Text}}}
	want := map[string]string{"json": "[]\n", "ndjson": "", "csv": "a,\"b,c\"\r\n"}
	for _, f := range textFormats() {
		for _, batches := range [][]*vector.Batch{nil, {{Cols: []*vector.Vector{{}, {}}}}} {
			var out bytes.Buffer
			encode(t, f, &out, fields, batches...)
			if out.String() != want[f.Name] {
				t.Errorf("%s: got %q, want %q", f.Name, out.String(), want[f.Name])
			}
		}
	}
}

func TestColumnNames(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"a b c", `{"a":0,"b":1,"c":2}`},
		{"a a", `{"a":0,"a_1":1}`},
		{"a a a", `{"a":0,"a_1":1,"a_2":2}`},
		{"a a a_1", `{"a":0,"a_2":1,"a_1":2}`},
		{"a_1 a a", `{"a_1":0,"a":1,"a_2":2}`},
		{"a a a_1 a_1", `{"a":0,"a_2":1,"a_1":2,"a_1_1":3}`},
		{"a A", `{"a":0,"A":1}`},
		{`x"y é`, `{"x\"y":0,"é":1}`},
	} {
		t.Run(tt.in, func(t *testing.T) {
			var fields []vector.Field
			b := &vector.Batch{Rows: 1}
			for i, name := range strings.Fields(tt.in) {
				typ := vector.Type{Kind: vector.Int, Bits: 64}
				fields = append(fields, vector.Field{Name: name, Type: typ})
				b.Cols = append(b.Cols, &vector.Vector{Type: typ, Ints: []int64{int64(i)}})
			}
			var out bytes.Buffer
			encode(t, result.Formats()[1], &out, fields, b)
			if got := strings.TrimSpace(out.String()); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// steps notes the sizes of the writes it gets.
type steps struct {
	sizes []int
	fail  error
	short bool
}

func (s *steps) Write(p []byte) (int, error) {
	s.sizes = append(s.sizes, len(p))
	if s.short {
		return len(p) - 1, nil
	}
	return len(p), s.fail
}

func TestFirstRowsGoAtOnceLaterOnesInBulk(t *testing.T) {
	fields, batches := wide(10 * 2048)
	small := *batches[0]
	small.Rows = 1
	for _, f := range textFormats() {
		w := &steps{}
		out := f.New(w)
		if err := out.Begin(fields); err != nil || len(w.sizes) != 0 {
			t.Fatalf("%s: Begin: error %v and %d writes, want none", f.Name, err, len(w.sizes))
		}
		if err := out.Write(&small); err != nil || len(w.sizes) != 1 {
			t.Fatalf("%s: first Write: error %v and %d writes, want 1", f.Name, err, len(w.sizes))
		}
		if err := out.Write(&small); err != nil || len(w.sizes) != 1 {
			t.Fatalf("%s: second Write: error %v and %d writes in all, want 1", f.Name, err, len(w.sizes))
		}
		for _, b := range batches {
			if err := out.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		if err := out.End(); err != nil {
			t.Fatal(err)
		}
		for _, n := range w.sizes[1 : len(w.sizes)-1] {
			if n < 64<<10 || n > 256<<10 {
				t.Errorf("%s: a write of %d bytes, want 64 to 256 KiB", f.Name, n)
			}
		}
	}
}

func TestWriterErrors(t *testing.T) {
	gone := errors.New("gone")
	fields, batches := wide(1)
	for _, tt := range []struct {
		name string
		w    *steps
		want error
	}{
		{"failed", &steps{fail: gone}, gone},
		{"short", &steps{short: true}, io.ErrShortWrite},
	} {
		for _, f := range result.Formats() {
			out := f.New(tt.w)
			if err := out.Begin(fields); err != nil {
				t.Fatal(err)
			}
			err := out.Write(batches[0])
			if err == nil && f.Name == "parquet" { // which writes when a row group is full
				err = out.End()
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("%s %s: got %v, want %v", f.Name, tt.name, err, tt.want)
			}
		}
	}
}

func TestWrongColumns(t *testing.T) {
	for _, f := range result.Formats() {
		if err := f.New(io.Discard).Begin(nil); err == nil {
			t.Errorf("%s: Begin took no columns", f.Name)
		}
		for _, k := range []vector.Kind{200, vector.List, vector.Struct, vector.Map} {
			bad := vector.Type{Kind: 200}
			typ := vector.Type{Kind: k, Elem: &vector.Type{Kind: vector.Struct, Fields: []vector.Field{{Type: vector.Type{Kind: vector.Text}}, {Type: bad}}},
				Fields: []vector.Field{{Type: bad}}}
			if err := f.New(io.Discard).Begin([]vector.Field{{Name: "x", Type: typ}}); err == nil || !strings.Contains(err.Error(), `"x"`) {
				t.Errorf("%s: Begin with kind %d: got %v, want an error that names the column", f.Name, k, err)
			}
		}
		out := f.New(io.Discard)
		if err := out.Begin([]vector.Field{{Name: "x"}}); err != nil {
			t.Fatal(err)
		}
		if err := out.Write(&vector.Batch{Rows: 1, Cols: []*vector.Vector{{}, {}}}); err == nil {
			t.Errorf("%s: Write took a batch with a column too many", f.Name)
		}
	}
}

func TestNoAllocationPerRow(t *testing.T) {
	fields, batches := wide(2048)
	for _, f := range textFormats() {
		out := f.New(io.Discard)
		if err := out.Begin(fields); err != nil {
			t.Fatal(err)
		}
		write := func() {
			if err := out.Write(batches[0]); err != nil {
				t.Fatal(err)
			}
		}
		write() // the first batches make the buffer
		write()
		if got := testing.AllocsPerRun(20, write); got != 0 {
			t.Errorf("%s: got %v allocations for 2,048 rows, want 0", f.Name, got)
		}
	}
}

// textFormats are those that write rows as text.
func textFormats() []result.Format { return result.Formats()[:3] }

// lines encodes one column as NDJSON and gives the bare values.
func lines(t *testing.T, v *vector.Vector, rows int) []string {
	t.Helper()
	var out bytes.Buffer
	encode(t, result.Formats()[1], &out, []vector.Field{{Name: "v", Type: v.Type}}, &vector.Batch{Rows: rows, Cols: []*vector.Vector{v}})
	got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	for i, l := range got {
		got[i] = strings.TrimSuffix(strings.TrimPrefix(l, `{"v":`), "}")
	}
	return got
}

func TestFloatsAreAsEncodingJSONWritesThem(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	v := &vector.Vector{Type: vector.Type{Kind: vector.Float, Bits: 64}}
	narrow := &vector.Vector{Type: vector.Type{Kind: vector.Float, Bits: 32}}
	for range 100_000 {
		f := math.Float64frombits(r.Uint64())
		if math.IsNaN(f) || math.IsInf(f, 0) {
			f = 0
		}
		short := float64(r.Int64N(1e12)-5e11) / math.Pow10(r.IntN(9))
		v.Floats = append(v.Floats, f, short, math.Nextafter(short, 0), math.Round(short))
		if g := math.Float32frombits(r.Uint32()); g == g && !math.IsInf(float64(g), 0) {
			narrow.Floats = append(narrow.Floats, float64(g), float64(float32(short)))
		}
	}
	for i, got := range lines(t, v, len(v.Floats)) {
		if want, err := json.Marshal(v.Floats[i]); err != nil || got != string(want) {
			t.Fatalf("got %s, want %s (error %v)", got, want, err)
		}
	}
	for i, got := range lines(t, narrow, len(narrow.Floats)) {
		if want, err := json.Marshal(float32(narrow.Floats[i])); err != nil || got != string(want) {
			t.Fatalf("float32: got %s, want %s (error %v)", got, want, err)
		}
	}
}

func TestTimestampsAreAsPackageTimeWritesThem(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	v := &vector.Vector{Type: moment(vector.Timestamp, time.Microsecond, true)}
	for range 50_000 {
		v.Ints = append(v.Ints, r.Int64N(253402300800000000+62135596800000000)-62135596800000000)
	}
	for i, got := range lines(t, v, len(v.Ints)) {
		if want := time.UnixMicro(v.Ints[i]).UTC().Format(`"` + time.RFC3339Nano + `"`); got != want {
			t.Fatalf("%d: got %s, want %s", v.Ints[i], got, want)
		}
	}
}

func TestDatesAreThoseOfPackageTime(t *testing.T) {
	v := &vector.Vector{Type: vector.Type{Kind: vector.Date}}
	for d := int64(-5_900_000); d < 5_900_000; d += 97 { // all years of ±16,000, at all sorts of days
		v.Ints = append(v.Ints, d)
	}
	for i, got := range lines(t, v, len(v.Ints)) {
		at := time.Unix(v.Ints[i]*24*60*60, 0).UTC()
		want := at.Format(`"2006-01-02"`)
		if y := at.Year(); y < 1 || y > 9999 {
			sign := '+'
			if y < 0 {
				sign, y = '-', -y
			}
			want = fmt.Sprintf(`"%c%06d-%02d-%02d"`, sign, y, at.Month(), at.Day())
		}
		if got != want {
			t.Fatalf("day %d: got %s, want %s", v.Ints[i], got, want)
		}
	}
}

func TestWideIntegersAreThoseOfPackageBig(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	signed := &vector.Vector{Type: vector.Type{Kind: vector.Int128, Bits: 128}}
	unsigned := &vector.Vector{Type: vector.Type{Kind: vector.Int128, Bits: 128, Unsigned: true}}
	for range 20_000 {
		w := vector.Wide{Lo: r.Uint64() >> r.IntN(64), Hi: int64(r.Uint64()) >> r.IntN(64)}
		signed.Wides = append(signed.Wides, w)
	}
	unsigned.Wides = signed.Wides
	gotSigned, gotUnsigned := lines(t, signed, len(signed.Wides)), lines(t, unsigned, len(signed.Wides))
	for i, w := range signed.Wides {
		lo := new(big.Int).SetUint64(w.Lo)
		want := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(w.Hi), 64), lo)
		if gotSigned[i] != want.String() {
			t.Fatalf("%v: got %s, want %s", w, gotSigned[i], want)
		}
		want = new(big.Int).Add(new(big.Int).Lsh(new(big.Int).SetUint64(uint64(w.Hi)), 64), lo)
		if gotUnsigned[i] != want.String() {
			t.Fatalf("%v unsigned: got %s, want %s", w, gotUnsigned[i], want)
		}
	}
}

func oneText(t *testing.T, f result.Format, s string) string {
	t.Helper()
	var out bytes.Buffer
	typ := vector.Type{Kind: vector.Text}
	encode(t, f, &out, []vector.Field{{Name: "v", Type: typ}}, &vector.Batch{Rows: 1, Cols: []*vector.Vector{{Type: typ, Texts: []string{s}}}})
	return out.String()
}

var textSeeds = []string{"", "plain", `"`, `\`, "\n", "\r\n", "\x00", "\x1f", "\x7f", "é", "€", "😀", "\xff", "a\xc3", "\xed\xa0\x80", "\u2028",
	"1234567", "12345678", "123456789", "1234567\"", "12345678\\", "long text with a quote \" near the end of it\"", "é234567\x01", "日本語の文字列、\"引用\"",
	strings.Repeat("x", 100) + "\x02" + strings.Repeat("ü", 50) + "\xfe", ",", "a,b", " "}

// FuzzJSONString: what is written is JSON on one line and reads back as the text, bytes that are not UTF-8 as U+FFFD.
func FuzzJSONString(f *testing.F) {
	for _, s := range textSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := oneText(t, result.Formats()[1], s)
		var row struct{ V string }
		if err := json.Unmarshal([]byte(got), &row); err != nil {
			t.Fatalf("%q became %q: %v", s, got, err)
		}
		if want := string([]rune(s)); row.V != want {
			t.Errorf("%q read back\n got %q\nwant %q", s, row.V, want)
		}
		if strings.IndexByte(got, '\n') != len(got)-1 {
			t.Errorf("%q became more than a line: %q", s, got)
		}
	})
}

// FuzzCSVText: what is written reads back as the text. The reader makes CR LF inside quotes an LF, so both do.
func FuzzCSVText(f *testing.F) {
	for _, s := range textSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := oneText(t, result.Formats()[2], s)
		rows, err := csv.NewReader(strings.NewReader(got)).ReadAll()
		if err != nil || len(rows) != 2 || len(rows[1]) != 1 {
			t.Fatalf("%q became %q, which reads as %q, error %v", s, got, rows, err)
		}
		if want := strings.ReplaceAll(s, "\r\n", "\n"); strings.ReplaceAll(rows[1][0], "\r\n", "\n") != want {
			t.Errorf("%q read back as %q", s, rows[1][0])
		}
	})
}
