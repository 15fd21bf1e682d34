package flatten

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/rowid"
)

// An envelope's rows are those of its data for the table that it names, in each mode.
func TestEnvelope(t *testing.T) {
	for _, tt := range []struct{ name, in, table, data string }{
		{"table first", `{"table":"t","data":{"a":{"b":[1,2]}}}`, "t", `{"a":{"b":[1,2]}}`},
		{"data first", `{"data":{"a":{"b":[1,2]}},"table":"t"}`, "t", `{"a":{"b":[1,2]}}`},
		{"an array", `{"table":"t","data":[{"a":1},{"t":{"c":3}}]}`, "t", `[{"a":1},{"t":{"c":3}}]`},
		{"an array first", `{"data":[{"a":1},{"t":{"c":3}}],"table":"t"}`, "t", `[{"a":1},{"t":{"c":3}}]`},
		{"no rows", `{"table":"t","data":[]}`, "t", `[]`},
		{"no rows first", `{"data":[ ],"table":"t"}`, "t", `[]`},
		{"an empty object", `{"data":{},"table":"t"}`, "t", `{}`},
		{"a qualified name", `{"data":{"a":[{}]},"table":"q.t"}`, "q.t", `{"a":[{}]}`},
		{"a name with all that is allowed", `{"table":"My table-_9","data":{"a":[1]}}`, "My table-_9", `{"a":[1]}`},
		{"escapes in the keys", `{"t\u0061ble":"t","\u0064at\u0061":[{"a":{}}]}`, "t", `[{"a":{}}]`},
		{"escapes in the keys, data first", `{"\u0064at\u0061":[{"a":{}}],"t\u0061ble":"t"}`, "t", `[{"a":{}}]`},
		{"escapes in the name", `{"data":[{"a":{}}],"table":"\u0071\u002e\u0074"}`, "q.t", `[{"a":{}}]`},
		{"members of the same names in data", `{"data":{"table":"x","data":{"table":[]}},"table":"t"}`, "t", `{"table":"x","data":{"table":[]}}`},
		{"white space", " \n{\t\"table\" \r: \"t\" , \"data\" :\n[ {\"a\" : 1 } , {} ]\t} \n", "t", `[{"a":1},{}]`},
		{"white space, data first", " \n{ \"data\" :\n[ {\"a\" : [1] } , {} ]\t, \n\"table\" \r: \"t\" } \n", "t", `[{"a":[1]},{}]`},
		{"a byte order mark", "\ufeff{\"table\":\"t\",\"data\":{\"a\":1}}", "t", `{"a":1}`},
		{"brackets in texts", `{"data":{"a":["}]\"",{"b":"\\"}]},"table":"t"}`, "t", `{"a":["}]\"",{"b":"\\"}]}`},
	} {
		for _, mode := range allModes {
			want, err := flattenBody(New(DefaultLimits()), Options{Mode: mode, Table: mustTable(tt.table)}, strings.NewReader(tt.data))
			if err != nil {
				t.Fatal(err)
			}
			warm := New(DefaultLimits())
			for _, f := range []*Flattener{warm, warm, small(4, DefaultLimits()), small(17, DefaultLimits())} {
				got, err := flattenBody(f, Options{Mode: mode, Envelope: true}, iotest.OneByteReader(strings.NewReader(tt.in)))
				gotText, _ := got.text()
				if wantText, _ := want.text(); err != nil || gotText != wantText {
					t.Errorf("%s, %s: %v, got\n%s\nwant\n%s", tt.name, mode, err, gotText, wantText)
				}
			}
		}
	}
}

func TestEnvelopeMistakes(t *testing.T) {
	long := strings.Repeat("x", 128)
	for _, tt := range []struct{ name, in, code, text string }{
		{"nothing", ``, "invalid_json", "at byte 0"},
		{"white space", " \n ", "invalid_json", "at byte 3"},
		{"an array", `[{"table":"t","data":{}}]`, "bad_envelope", "at byte 0"},
		{"a string", `"table"`, "bad_envelope", "at byte 0"},
		{"null", ` null`, "bad_envelope", "at byte 1"},
		{"an empty object", `{}`, "bad_envelope", "must both be there, at byte 2"},
		{"no table", `{"data":{"a":{}}}`, "bad_envelope", "must both be there"},
		{"no data", `{"table":"t"}`, "bad_envelope", "must both be there"},
		{"the table twice", `{"table":"t","table":"t","data":{}}`, "bad_envelope", "the member table is there twice"},
		{"the table twice, about data", `{"table":"t","data":{},"table":"t"}`, "bad_envelope", "the member table is there twice"},
		{"the table twice, after data", `{"data":{},"table":"t","t\u0061ble":"t"}`, "bad_envelope", "the member table is there twice"},
		{"data twice", `{"data":{},"data":{},"table":"t"}`, "bad_envelope", "the member data is there twice"},
		{"data twice, about the table", `{"data":{},"table":"t","data":[]}`, "bad_envelope", "the member data is there twice"},
		{"an unknown member", `{"table":"t","data":{},"x":1}`, "bad_envelope", "only the members table and data are known"},
		{"an unknown member first", `{"x":[{"table":1}],"table":"t","data":{}}`, "bad_envelope", "only the members table and data"},
		{"an unknown member between", `{"data":{},"x":{},"table":"t"}`, "bad_envelope", "only the members table and data"},
		{"another case", `{"Table":"t","data":{}}`, "bad_envelope", "only the members"},
		{"an empty key", `{"":"t","data":{}}`, "bad_envelope", "only the members"},
		{"data is a string", `{"table":"t","data":"[]"}`, "bad_envelope", "data must be an object or an array of objects, at byte 20"},
		{"data is null", `{"table":"t","data":null}`, "bad_envelope", "data must be an object or an array"},
		{"data is a number", `{"data":5,"table":"t"}`, "bad_envelope", "data must be an object or an array"},
		{"a number in data", `{"table":"t","data":[{},5]}`, "not_an_object", "element 1, at byte 24, is a number"},
		{"an array in data", `{"data":[[]],"table":"t"}`, "not_an_object", "element 0, at byte 9, is an array"},
		{"objects without an array", `{"table":"t","data":{}{}}`, "invalid_json", "at byte 22"},
		{"the name is a number", `{"table":7,"data":{}}`, "invalid_json", "want the table's name in quotes"},
		{"the name is null", `{"data":{},"table":null}`, "invalid_json", "want the table's name in quotes"},
		{"the name is empty", `{"table":"","data":{}}`, "bad_table_name", "1 to 127 bytes"},
		{"the name is a path", `{"data":{},"table":"../x"}`, "bad_table_name", "../x"},
		{"the name has two dots", `{"table":"a.b.c","data":{}}`, "bad_table_name", "a.b.c"},
		{"the name is too long", `{"table":"` + long + `","data":{}}`, "bad_table_name", "has 128"},
		{"the name has a quote", `{"data":{},"table":"a\"b"}`, "bad_table_name", "is not a letter"},
		{"the name has a zero byte", `{"data":{},"table":"a\u0000"}`, "bad_table_name", "is not a letter"},
		{"the name is not UTF-8", "{\"data\":{},\"table\":\"a\xff\"}", "invalid_json", "at byte 21"},
		{"a key without quotes", `{table:"t","data":{}}`, "invalid_json", "want a key in quotes"},
		{"no colon", `{"table" "t"}`, "invalid_json", "want ':' after a key"},
		{"no comma", `{"table":"t" "data":{}}`, "invalid_json", "want ',' or '}' after a member"},
		{"no comma, data first", `{"data":{} "table":"t"}`, "invalid_json", "want ',' or '}' after a member"},
		{"a comma at the end", `{"table":"t","data":{},}`, "invalid_json", "at byte 23"},
		{"something after", `{"table":"t","data":{}} {}`, "invalid_json", "want nothing after the envelope"},
		{"a bracket after", `{"data":{},"table":"t"}]`, "invalid_json", "want nothing after the envelope"},
		{"a comma in data", `{"table":"t","data":[{},]}`, "invalid_json", "at byte 24"},
		{"a mark twice", "\ufeff\ufeff{\"table\":\"t\",\"data\":{}}", "bad_envelope", "at byte 3"},
	} {
		for _, mode := range allModes {
			for _, f := range []*Flattener{New(DefaultLimits()), small(4, DefaultLimits())} {
				_, err := flattenBody(f, Options{Mode: mode, Envelope: true}, strings.NewReader(tt.in))
				if !errors.Is(err, fault.Invalid) || fault.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("%s, %s: %s\n got %s: %v\nwant %s: %s", tt.name, mode, tt.in, fault.CodeOf(err), err, tt.code, tt.text)
				}
			}
		}
	}
}

// An envelope that is cut off anywhere is refused, and leaves nothing behind.
func TestTruncatedEnvelope(t *testing.T) {
	for _, body := range []string{
		`{"table":"q.t","data":[{"a":{"b":[1,{"c":"\ud83d\ude00"}]}},{"x":-1.5e3}]}`,
		"\ufeff" + ` { "data" : [{"a":{"b":[1,{"c":"\ud83d\ude00é"}]}} , {"x":true}] , "t\u0061ble" : "q.t" }`,
		`{"data":{"__rescued":{"a":[null]},"a":[[],[1]]},"table":"t"}`,
	} {
		for _, mode := range allModes {
			o := Options{Mode: mode, Envelope: true}
			want, err := flattenBody(New(DefaultLimits()), o, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			warm := New(DefaultLimits())
			for i := range len(body) {
				for _, f := range []*Flattener{warm, small(4, DefaultLimits())} {
					if _, err := flattenBody(f, o, strings.NewReader(body[:i])); !errors.Is(err, fault.Invalid) {
						t.Errorf("%s, %q: got %v, want a mistake", mode, body[:i], err)
					}
				}
			}
			got, err := flattenBody(warm, o, strings.NewReader(body))
			gotText, _ := got.text()
			if wantText, _ := want.text(); err != nil || gotText != wantText {
				t.Errorf("%s, afterwards: %v, got\n%s\nwant\n%s", mode, err, gotText, wantText)
			}
		}
	}
}

// Rows stream whichever member comes first, but for other tables' rows, which need the name.
func TestLongEnvelope(t *testing.T) {
	l := DefaultLimits()
	l.RowBytes = 1000
	rows := "[" + strings.Repeat(`{"a":[1],"b":"some text"},`, 30_000) + `{}]`
	first, last := `{"table":"t","data":`+rows+`}`, `{"data":`+rows+`,"table":"t"}`
	for _, mode := range allModes {
		want := 30_001
		if mode == Multitable {
			want = 60_001
		}
		for name, body := range map[string]string{"table first": first, "data first": last} {
			f := New(l)
			n, err := f.Flatten(strings.NewReader(body), Options{Mode: mode, Envelope: true}, rowid.NewSource(), io.Discard, nil)
			if most := l.RowBytes + laterRead; len(f.in.mem)-pad > most {
				t.Errorf("%s, %s: the buffer has %d bytes, want at most %d", mode, name, len(f.in.mem), most)
			}
			if mode == Multitable && name == "data first" {
				if !errors.Is(err, fault.Invalid) || fault.CodeOf(err) != "bad_envelope" || !strings.Contains(err.Error(), "table must come before data") {
					t.Errorf("%s, %s: got %v, want bad_envelope", mode, name, err)
				}
			} else if err != nil || n != want || f.Table() != mustTable("t") {
				t.Errorf("%s, %s: got %d rows of %s, %v; want %d", mode, name, n, f.Table(), err, want)
			}
		}
	}
}

// In Multitable data may come first while it is no longer than a row, however small the buffer is.
func TestLookingForTable(t *testing.T) {
	l := DefaultLimits()
	l.RowBytes = 100_000
	data := "[" + strings.Repeat(`{"a":[1]},`, 9_000) + `{}]`
	for _, size := range []int{4, 1000, firstRead} {
		f := small(size, l)
		body := `{"data":` + data + `,"table":"t"}`
		n, err := f.Flatten(strings.NewReader(body), Options{Mode: Multitable, Envelope: true}, rowid.NewSource(), io.Discard, nil)
		if err != nil || n != 18_001 || f.Table() != mustTable("t") {
			t.Errorf("buffer of %d: got %d rows of %s, %v", size, n, f.Table(), err)
		}
	}
}

func TestBrokenEnvelopeReader(t *testing.T) {
	broken := errors.New("broken pipe")
	body := `{"data":[{"a":[1]},{"b":2}],"table":"t"}`
	for _, mode := range allModes {
		for i := range len(body) {
			r := io.MultiReader(strings.NewReader(body[:i]), iotest.ErrReader(broken))
			if _, err := flattenBody(small(4, DefaultLimits()), Options{Mode: mode, Envelope: true}, r); !errors.Is(err, broken) {
				t.Errorf("%s, after %q: got %v, want %v", mode, body[:i], err, broken)
			}
		}
	}
}
