package ndjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// line makes a row of the members, which may be empty.
func line(members string) string {
	if members != "" {
		members = "," + members
	}
	return `{"__row_id":"01J00000000000000000000000"` + members + `}`
}

// seenText prints columns as name:kind|kind, in order.
func seenText(seen []schema.Seen) string {
	var list []string
	for _, s := range seen {
		list = append(list, s.Name+":"+s.Kinds.String())
	}
	return strings.Join(list, " ")
}

func TestScan(t *testing.T) {
	a, b := line(`"a":1`), line(`"b":"x","a":1.5`)
	for _, tt := range []struct {
		name, whole, torn string // torn comes after the last whole insert
		rows              int64
		seen              string
	}{
		{"nothing", "", "", 0, ""},
		{"one insert", a + " \n", "", 1, "a:int"},
		{"inserts of several rows", a + "\n" + b + " \n" + a + " \n", "", 3, "a:int|float b:text"},
		{"insert without its end", a + " \n", b + "\n" + b + "\n", 1, "a:int"},
		{"torn line", a + " \n", b[:len(b)-3], 1, "a:int"},
		{"torn mark", a + " \n", b + " ", 1, "a:int"},
		{"torn first line", "", a[:5], 0, ""},
		{"zeros", a + " \n", strings.Repeat("\x00", 5000), 1, "a:int"},
		{"zeros for all of it", "", strings.Repeat("\x00", 3*chunkSize), 0, ""},
		{"zeros, then rows", a + " \n", strings.Repeat("\x00", 512) + b + " \n", 1, "a:int"},
		{"garbage with line ends", a + " \n", "\xff\xfe\n\n\n" + b + " \n", 1, "a:int"},
		{"zeros in a row", a + " \n", strings.Replace(b, "x", "\x00", 1) + " \n" + a + " \n", 1, "a:int"},
		{"row of somebody else", a + " \n", `{"a":1}` + " \n", 1, "a:int"},
		{"a key twice", line(`"a":1,"a":"x"`) + " \n", "", 1, "a:int|text"},
		{"no members", line("") + " \n", "", 1, ""},
		{"rescued values", line(`"a":1,"__rescued":{"b":"x"}`) + " \n", "", 1, "a:int"},
		{"rescued values, then more", "", line(`"__rescued":{"b":"x"},"a":1`) + " \n", 0, ""},
		{"rescued values, no object", "", line(`"__rescued":[1]`) + " \n", 0, ""},
		{"all kinds", line(`"n":null,"b":true,"c":false,"i":-5,"f":1e5,"t":"2024-01-02T03:04:05Z","d":"2024-01-02","s":"x","o":{"a":[]},"l":[1],"z":-0,"big":123456789012345678901234567890`) + " \n",
			"", 1, "n:null b:bool c:bool i:int f:float t:timestamp d:date s:text o:nested l:nested z:float big:text"},
		{"keys with escapes", line(`"q\"\\\u0001é":1`) + " \n", "", 1, "q\"\\\x01é:int"},
		{"other order, some left out", line(`"a":1,"b":1,"c":1`) + " \n" + line(`"c":"x","a":true`) + " \n" + line(`"b":1.5,"c":2`) + " \n", "", 3,
			"a:bool|int b:int|float c:int|text"},
		{"own row id", `{"__row_id":"a\"b","a":1}` + " \n", "", 1, "a:int"},
		{"row id is a number", "", `{"__row_id":1,"a":1}` + " \n", 0, ""},
		{"two marks", "", a + "  \n", 0, ""},
		{"carriage return", "", a + "\r\n", 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := tt.whole + tt.torn
			got, err := Scan(iotest.HalfReader(strings.NewReader(file)))
			if err != nil {
				t.Fatal(err)
			}
			if got.Rows != tt.rows || got.Good != int64(len(tt.whole)) || got.Size != int64(len(file)) {
				t.Errorf("got %d rows in %d of %d bytes, want %d in %d of %d", got.Rows, got.Good, got.Size, tt.rows, len(tt.whole), len(file))
			}
			if s := seenText(got.Seen); s != tt.seen {
				t.Errorf("got columns %q, want %q", s, tt.seen)
			}
		})
	}
}

func TestScanFindsMalformedLines(t *testing.T) {
	good := line(`"x":1`) + " \n"
	for _, bad := range malformed {
		if bad == "" || bad == " " {
			continue
		}
		bad = `{"__row_id":"x"` + strings.Replace(bad, "{", ",", 1)
		got, err := Scan(strings.NewReader(good + bad + " \n" + good))
		if err != nil {
			t.Fatal(err)
		}
		if got.Good != int64(len(good)) || got.Rows != 1 || seenText(got.Seen) != "x:int" {
			t.Errorf("%.60q got %d rows in %d bytes with columns %q, want the one before it", bad, got.Rows, got.Good, seenText(got.Seen))
		}
	}
}

// A file is cut at each byte: what is good are the whole inserts before it.
func TestScanCutAnywhere(t *testing.T) {
	var file bytes.Buffer
	ends, rows := []int{0}, []int64{0}
	var n int64
	for i := range 5 {
		for j := range i + 1 {
			mark := ""
			if j == i {
				mark = " "
			}
			file.WriteString(line(fmt.Sprintf(`"k%d":"é\n%d","n":%d.5`, i, j, j)) + mark + "\n")
			n++
		}
		ends, rows = append(ends, file.Len()), append(rows, n)
	}
	for cut := range file.Len() + 1 {
		whole := 0
		for whole+1 < len(ends) && ends[whole+1] <= cut {
			whole++
		}
		got, err := Scan(bytes.NewReader(file.Bytes()[:cut]))
		if err != nil {
			t.Fatal(err)
		}
		wantColumns := whole
		if whole > 0 {
			wantColumns++ // n
		}
		if got.Good != int64(ends[whole]) || got.Rows != rows[whole] || got.Size != int64(cut) || len(got.Seen) != wantColumns {
			t.Fatalf("cut at %d got %+v, want %d rows and %d columns in %d bytes", cut, got, rows[whole], wantColumns, ends[whole])
		}
	}
}

func TestScanReady(t *testing.T) {
	rows := line(`"a":1`) + "\n" + line(`"b":"x"`) + " \n" + line(`"c":true`) + "\n"
	for _, tt := range []struct {
		name, torn string
	}{{"whole", ""}, {"torn", line(`"d":1`)}, {"garbage", "\x00\x00\n"}, {"bad row", line(`"d":tru`) + "\n" + line("") + "\n"}} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ScanReady(strings.NewReader(rows + tt.torn))
			if err != nil {
				t.Fatal(err)
			}
			want := Scanned{Rows: 3, Good: int64(len(rows)), Size: int64(len(rows) + len(tt.torn)), Seen: []schema.Seen{
				{Name: "a", Kinds: schema.Kinds(0).With(schema.Int)},
				{Name: "b", Kinds: schema.Kinds(0).With(schema.Text)},
				{Name: "c", Kinds: schema.Kinds(0).With(schema.Bool)},
			}}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestScanManyChunks(t *testing.T) {
	rows, _ := wide(3 << 20)
	got, err := ScanReady(iotest.HalfReader(bytes.NewReader(rows)))
	if err != nil {
		t.Fatal(err)
	}
	if n := int64(bytes.Count(rows, []byte{'\n'})); got.Rows != n || got.Good != int64(len(rows)) || got.Size != got.Good {
		t.Errorf("got %d rows in %d of %d bytes, want %d in all of %d", got.Rows, got.Good, got.Size, n, len(rows))
	}
	want := "id:int ts:timestamp user_id:int user_name:text user_plan:text type:text value:float ok:bool tags_0:text tags_1:text n:int"
	if s := seenText(got.Seen); s != want {
		t.Errorf("got columns %q, want %q", s, want)
	}
	long := line(`"a":"`+strings.Repeat("x", 5*chunkSize)+`"`) + " \n"
	if got, err := Scan(strings.NewReader(long + long[:len(long)-2])); err != nil || got.Good != int64(len(long)) || got.Rows != 1 {
		t.Errorf("a long row got %+v, %v", got, err)
	}
}

func TestScanReaderFails(t *testing.T) {
	broken := errors.New("broken")
	for _, start := range []string{"", line("") + " \n", "x\n"} {
		_, err := Scan(io.MultiReader(strings.NewReader(start), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("after %q got %v, want %v", start, err, broken)
		}
	}
}

// FuzzScan scans any bytes: up to Good each line is valid JSON, and the Decoder takes it.
func FuzzScan(f *testing.F) {
	for _, bad := range malformed {
		f.Add([]byte(line(`"a":1`) + " \n" + `{"__row_id":"x"` + strings.Replace(bad, "{", ",", 1) + " \n"))
	}
	for _, v := range conversions {
		f.Add([]byte(line(`"a":`+v.value) + " \n" + line(`"b":`+v.value+`,"a":1`) + "\n"))
	}
	cols := columns(f, "__row_id text", "a int", "__rescued text")
	f.Fuzz(func(t *testing.T, in []byte) {
		open, err := Scan(bytes.NewReader(in))
		if err != nil {
			t.Fatal(err)
		}
		ready, err := ScanReady(bytes.NewReader(in))
		if err != nil {
			t.Fatal(err)
		}
		if open.Good > ready.Good || open.Rows > ready.Rows || ready.Good > int64(len(in)) || open.Size != int64(len(in)) {
			t.Fatalf("open %+v, ready %+v of %d bytes", open, ready, len(in))
		}
		good := in[:ready.Good]
		for row := range bytes.Lines(good) {
			if !json.Valid(row) {
				t.Errorf("line %q is not JSON", row)
			}
		}
		d := NewDecoder(bytes.NewReader(good), cols, Options{})
		rows, err := readAll(d, 100)
		if err != nil || int64(len(rows)) != ready.Rows {
			t.Errorf("the decoder got %d rows, %v, want %d", len(rows), err, ready.Rows)
		}
	})
}
