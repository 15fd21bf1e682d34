package flatten

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// flat flattens body and returns the rows with their fresh ids as "ID", and the columns as name:kinds.
func flat(f *Flattener, body io.Reader) (rows, seen string, err error) {
	var out bytes.Buffer
	var ids [][]byte
	n, err := f.Flatten(body, Options{}, rowid.NewSource(), &out, func(id []byte) { ids = append(ids, slices.Clone(id)) })
	if err == nil && (n != len(ids) || n != bytes.Count(out.Bytes(), []byte{'\n'})) {
		err = fmt.Errorf("%d rows, %d ids, %d lines", n, len(ids), bytes.Count(out.Bytes(), []byte{'\n'}))
	}
	var b strings.Builder
	for i, line := range slices.Collect(bytes.Lines(out.Bytes())) {
		if err == nil && len(ids[i]) == rowid.Len {
			line = bytes.Replace(line, ids[i], []byte("ID"), 1)
		}
		b.Write(line)
	}
	var cols []string
	for _, s := range f.Seen() {
		cols = append(cols, s.Name+":"+s.Kinds.String())
	}
	return b.String(), strings.Join(cols, " "), err
}

func TestFlatten(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 64)
	for _, tt := range []struct{ name, in, rows, seen string }{
		{"the SPEC's example",
			`{"order":7,"buyer":{"name":"Ann","tags":["a","b"]},"items":[{"sku":"x","qty":2},{"sku":"y","qty":1,"notes":["n1"]}],"gift":[],"meta":{}}`,
			`{"__row_id":"ID","order":7,"buyer_name":"Ann","buyer_tags_0":"a","buyer_tags_1":"b","items_0_sku":"x","items_0_qty":2,"items_1_sku":"y","items_1_qty":1,"items_1_notes_0":"n1"}` + "\n",
			"order:int buyer_name:text buyer_tags_0:text buyer_tags_1:text items_0_sku:text items_0_qty:int items_1_sku:text items_1_qty:int items_1_notes_0:text"},
		{"no rows", ` [ ] `, "", ""},
		{"an empty object", `{}`, `{"__row_id":"ID"}` + "\n", ""},
		{"an array of rows", `[{"a":1}, {"b":2}]`, `{"__row_id":"ID","a":1}` + "\n" + `{"__row_id":"ID","b":2}` + "\n", "a:int b:int"},
		{"a row a line", "{\"a\":1}\n{\"a\":2}\r\n\n{\"a\":3}", `{"__row_id":"ID","a":1}` + "\n" + `{"__row_id":"ID","a":2}` + "\n" + `{"__row_id":"ID","a":3}` + "\n", "a:int"},
		{"rows with nothing between", `{"a":1}{"a":true}`, `{"__row_id":"ID","a":1}` + "\n" + `{"__row_id":"ID","a":true}` + "\n", "a:bool|int"},
		{"a byte order mark", "\ufeff {\"a\":1}", `{"__row_id":"ID","a":1}` + "\n", "a:int"},
		{"white space everywhere", "\t{ \"a\" : 1 ,\n\"b\"\r:[ 2 , { \"c\" : null } ] } ", `{"__row_id":"ID","a":1,"b_0":2}` + "\n", "a:int b_0:int b_1_c:null"},
		{"arrays of arrays", `{"m":[[1,2],[3],[],[[4]]]}`, `{"__row_id":"ID","m_0_0":1,"m_0_1":2,"m_1_0":3,"m_3_0_0":4}` + "\n", "m_0_0:int m_0_1:int m_1_0:int m_3_0_0:int"},
		{"null is left out", `{"a":null,"b":1}{"a":2}`, `{"__row_id":"ID","b":1}` + "\n" + `{"__row_id":"ID","a":2}` + "\n", "a:null|int b:int"},
		{"kinds", `{"b":false,"i":-5,"f":1.50,"t":"x","d":"2026-01-31","s":"2026-01-31T10:00:00Z","e":""}`,
			`{"__row_id":"ID","b":false,"i":-5,"f":1.50,"t":"x","d":"2026-01-31","s":"2026-01-31T10:00:00Z","e":""}` + "\n",
			"b:bool i:int f:float t:text d:date s:timestamp e:text"},
		{"numbers keep their text", `{"a":9007199254740993,"b":123456789012345678901234567890,"c":1e400,"d":-0,"e":1E+2}`,
			`{"__row_id":"ID","a":9007199254740993,"b":123456789012345678901234567890,"c":1e400,"d":-0,"e":1E+2}` + "\n",
			"a:int b:text c:text d:float e:float"},
		{"texts keep their spelling", `{"a":"\u00e9\/\"é😀\ud83d\ude00\u0000"}`, `{"__row_id":"ID","a":"\u00e9\/\"é😀\ud83d\ude00\u0000"}` + "\n", "a:text"},
		{"keys have one spelling", `{"\u0061\/":1,"q\u0022\\":2,"\u00e9\ud83d\ude00":3,"t\tn\u000ab\u0001\u007f":4,"a.b":5}`,
			`{"__row_id":"ID","a/":1,"q\"\\":2,"é😀":3,"t\tn\nb\u0001` + "\x7f" + `":4,"a.b":5}` + "\n",
			"a/:int q\"\\:int é😀:int t\tn\nb\x01\x7f:int a.b:int"},
		{"empty keys", `{"":1,"a":{"":2}}{"":{"":3}}`, `{"__row_id":"ID","_":1,"a__":2}` + "\n" + `{"__row_id":"ID","___":3}` + "\n", "_:int a__:int ___:int"},
		{"a key twice", `{"a":1,"b":2,"a":"x"}`, `{"__row_id":"ID","b":2,"a":"x","__rescued":{"a":1}}` + "\n", "a:text b:int"},
		{"a key thrice", `{"a":1,"a":2,"a":3}`, `{"__row_id":"ID","a":3,"__rescued":{"a":1,"a#2":2}}` + "\n", "a:int"},
		{"a key in two spellings", `{"a":1,"\u0061":2}`, `{"__row_id":"ID","a":2,"__rescued":{"a":1}}` + "\n", "a:int"},
		{"two paths, one column", `{"a":{"b":1},"a_b":2}`, `{"__row_id":"ID","a_b":2,"__rescued":{"a_b":1}}` + "\n", "a_b:int"},
		{"two paths, the other order", `{"a_b":2,"c":0,"a":{"b":1}}`, `{"__row_id":"ID","c":0,"a_b":1,"__rescued":{"a_b":2}}` + "\n", "a_b:int c:int"},
		{"an object and an array", `{"a":{"0":1}}{"a":[true]}`, `{"__row_id":"ID","a_0":1}` + "\n" + `{"__row_id":"ID","a_0":true}` + "\n", "a_0:bool|int"},
		{"null wins too", `{"a":1,"a":null}`, `{"__row_id":"ID","__rescued":{"a":1}}` + "\n", "a:null"},
		{"null loses in silence", `{"a":null,"a":1}`, `{"__row_id":"ID","a":1}` + "\n", "a:int"},
		{"an own id", `{"x":1,"__row_id":"mine"}`, `{"__row_id":"mine","x":1}` + "\n", "x:int"},
		{"an own id that is no text", `{"__row_id":12}{"__row_id":true}{"__row_id":1.50}`, `{"__row_id":"12"}` + "\n" + `{"__row_id":"true"}` + "\n" + `{"__row_id":"1.50"}` + "\n", ""},
		{"an own id with escapes", `{"__row_id":"a\"\u0062"}`, `{"__row_id":"a\"\u0062"}` + "\n", ""},
		{"an own id that is null", `{"__row_id":null}`, `{"__row_id":"ID"}` + "\n", ""},
		{"an own id that is nested", `{"__row_id":{ "a" : [ 1 , {} ] }}`, `{"__row_id":"ID","__rescued":{"__row_id":{"a":[1,{}]}}}` + "\n", ""},
		{"two own ids", `{"__row_id":"a","__row_id":"b"}{"__row_id":"c","__row_id":[]}`, `{"__row_id":"b","__rescued":{"__row_id":"a"}}` + "\n" + `{"__row_id":"ID","__rescued":{"__row_id":"c","__row_id#2":[]}}` + "\n", ""},
		{"our columns", `{"__rescued":"r","__batch_file":"f","a":1}`, `{"__row_id":"ID","a":1,"__rescued":{"__rescued":"r","__batch_file":"f"}}` + "\n", "a:int"},
		{"our columns, nested", `{"__rescued":{"a":"\u0031"},"__batch_file":[ ],"a":1}`, `{"__row_id":"ID","a":1,"__rescued":{"__rescued":{"a":"\u0031"},"__batch_file":[]}}` + "\n", "a:int"},
		{"our columns by another way", `{"__row":{"id":1},"__batch":{"file":null}}`, `{"__row_id":"ID","__rescued":{"__row_id":1}}` + "\n", ""},
		{"our names deeper are not ours", `{"a":{"__row_id":1,"__rescued":{"b":2}}}`, `{"__row_id":"ID","a___row_id":1,"a___rescued_b":2}` + "\n", "a___row_id:int a___rescued_b:int"},
		{"as deep as allowed", deep, `{"__row_id":"ID","a` + strings.Repeat("_a", 63) + `":1}` + "\n", "a" + strings.Repeat("_a", 63) + ":int"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := New(DefaultLimits())
			for _, state := range []string{"cold", "warm"} {
				rows, seen, err := flat(f, strings.NewReader(tt.in))
				if err != nil {
					t.Fatalf("%s: %s: %v", state, tt.in, err)
				}
				if rows != tt.rows {
					t.Errorf("%s: %s\n got %s\nwant %s", state, tt.in, rows, tt.rows)
				}
				if seen != tt.seen {
					t.Errorf("%s: %s\n got %s\nwant %s", state, tt.in, seen, tt.seen)
				}
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	for _, tt := range []struct{ name, in, code, text string }{
		{"nothing", "", "invalid_json", "at byte 0 (line 1): want an object or an array of objects, the body ends"},
		{"white space", " \n", "invalid_json", "at byte 2 (line 2)"},
		{"a mark alone", "\ufeff", "invalid_json", "at byte 3"},
		{"a mark twice", "\ufeff\ufeff{}", "invalid_json", "at byte 3"},
		{"half a mark", "\xef\xbb{}", "invalid_json", "at byte 0"},
		{"a number", "5", "not_an_object", "element 0, at byte 0 (line 1), is a number"},
		{"a text", `"x"`, "not_an_object", "is a string"},
		{"null", "null", "not_an_object", "is true, false or null"},
		{"a number on a line", "{}\n{}\n 7", "not_an_object", "element 2, at byte 7 (line 3), is a number"},
		{"a number in an array", `[{}, 5]`, "not_an_object", "element 1, at byte 5, is a number"},
		{"an array in an array", `[[1,2]]`, "not_an_object", "element 0, at byte 1, is an array"},
		{"an array after an object", `{}[]`, "not_an_object", "element 1, at byte 2 (line 1), is an array"},
		{"a comma between objects", `{},{}`, "invalid_json", `at byte 2 (line 1): want an object, found ","`},
		{"no comma in an array", `[{}{}]`, "invalid_json", "at byte 3: want ',' or ']' after an element"},
		{"a comma at an array's end", `[{},]`, "invalid_json", `at byte 4: want an object, found "]"`},
		{"a comma at an array's start", `[,{}]`, "invalid_json", "at byte 1: want an object"},
		{"an array that does not end", `[{} `, "invalid_json", "at byte 4: want ',' or ']', the body ends"},
		{"an array that begins only", `[`, "invalid_json", "at byte 1"},
		{"something after an array", "[{}] {}", "invalid_json", `at byte 5: want nothing after the array, found "{"`},
		{"a comma at an object's end", "{}\n{\"a\":1,}", "invalid_json", `at byte 10 (line 2): want a key in quotes, found "}"`},
		{"a comma in an inner array", `{"a":[1,]}`, "invalid_json", "at byte 8 (line 1): want a value"},
		{"no colon", `{"a" 1}`, "invalid_json", "at byte 5 (line 1): want ':' after a key"},
		{"no value", `{"a":}`, "invalid_json", "at byte 5 (line 1): want a value"},
		{"no comma", `{"a":1 "b":2}`, "invalid_json", "want ',' or '}' after a member"},
		{"the wrong bracket", `{"a":[1}}`, "invalid_json", "want ',' or ']' after an element"},
		{"a key without quotes", `{a:1}`, "invalid_json", "want a key in quotes"},
		{"single quotes", `{'a':1}`, "invalid_json", "want a key in quotes"},
		{"a comment", `{"a":1/*x*/}`, "invalid_json", "at byte 6"},
		{"NaN", `{"a":NaN}`, "invalid_json", "at byte 5 (line 1): want a value"},
		{"nul", `{"a":nul}`, "invalid_json", "at byte 8 (line 1): want true, false or null"},
		{"TRUE", `{"a":TRUE}`, "invalid_json", "want a value"},
		{"a leading zero", `{"a":01}`, "invalid_json", "at byte 6"},
		{"a plus", `{"a":+1}`, "invalid_json", "at byte 5"},
		{"a minus alone", `{"a":-}`, "invalid_json", "at byte 6 (line 1): want a digit"},
		{"no digit before the point", `{"a":.5}`, "invalid_json", "at byte 5"},
		{"no digit after the point", `{"a":5.}`, "invalid_json", "at byte 7"},
		{"no digit in the exponent", `{"a":5e}`, "invalid_json", "at byte 7"},
		{"no digit in the signed exponent", `{"a":5e+}`, "invalid_json", "at byte 8"},
		{"hexadecimal", `{"a":0x1}`, "invalid_json", "at byte 6"},
		{"a tab in a text", "{\"a\":\"\t\"}", "invalid_json", `at byte 6 (line 1): a control character must be escaped in a string, found "\t"`},
		{"a line feed in a key", "{\"a\n\":1}", "invalid_json", "at byte 3 (line 1)"},
		{"a zero byte in a text", "{\"a\":\"\x00\"}", "invalid_json", "at byte 6"},
		{"a zero byte", "{\x00}", "invalid_json", "at byte 1"},
		{"an unknown escape", `{"a":"\x"}`, "invalid_json", "at byte 7 (line 1): no such escape"},
		{"half an escape", `{"a":"\u12g4"}`, "invalid_json", "at byte 10 (line 1): want a hexadecimal digit"},
		{"a high surrogate alone", `{"a":"\ud83d"}`, "invalid_json", "the first half of a surrogate pair has no second"},
		{"a high surrogate and a letter", `{"a":"\ud83d\n"}`, "invalid_json", "the first half of a surrogate pair has no second"},
		{"two high surrogates", `{"a":"\ud83d\ud83d"}`, "invalid_json", "the first half of a surrogate pair has no second"},
		{"a low surrogate alone", `{"\ude00":1}`, "invalid_json", "the second half of a surrogate pair has no first"},
		{"not UTF-8", "{\"a\":\"é\xff\"}", "invalid_json", `at byte 8 (line 1): the string is not valid UTF-8, found "\xff"`},
		{"a surrogate in UTF-8", "{\"a\":\"\xed\xa0\x80\"}", "invalid_json", "not valid UTF-8"},
		{"UTF-8 too long", "{\"a\":\"\xc0\xaf\"}", "invalid_json", "not valid UTF-8"},
		{"a key that is not UTF-8", "{\"\xff\":1}", "invalid_json", "at byte 2"},
		{"an unbreakable space", "{\u00a0}", "invalid_json", "at byte 1"},
		{"one level too deep", strings.Repeat(`{"a":`, 64) + "[]" + strings.Repeat("}", 64), "too_deep", "more than 64 levels deep, at byte 320 (line 1)"},
		{"one level too deep among the rescued", `{"__rescued":` + strings.Repeat(`[`, 64) + strings.Repeat("]", 64) + "}", "too_deep", "at byte 76 (line 1)"},
		{"a mistake in the rescued", `{"__rescued":{"a":[1,]}}`, "invalid_json", "at byte 21 (line 1)"},
		{"a comma in the rescued", `{"__rescued":{"a":1,}}`, "invalid_json", "at byte 20 (line 1): want a key in quotes"},
		{"no colon in the rescued", `{"__rescued":{"a",1}}`, "invalid_json", "at byte 17 (line 1): want ':' after a key"},
		{"no comma in the rescued", `{"__rescued":[1 2]}`, "invalid_json", "at byte 16 (line 1): want ',' or the end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := flat(New(DefaultLimits()), strings.NewReader(tt.in))
			if fault.CodeOf(err) != tt.code || !strings.Contains(fault.TextOf(err), tt.text) {
				t.Errorf("%s\n got %s: %v\nwant %s: %s", tt.in, fault.CodeOf(err), err, tt.code, tt.text)
			}
		})
	}
}

func TestKindsOfMistakes(t *testing.T) {
	limits := Limits{Depth: 2, Columns: 10, RowBytes: 64}
	for _, tt := range []struct {
		in   string
		want fault.Kind
	}{
		{`{`, fault.Invalid},
		{`1`, fault.Invalid},
		{`{"a":{"b":[]}}`, fault.Unprocessable},
		{`{"a":"` + strings.Repeat("x", 60) + `"}`, fault.TooLarge},
	} {
		if _, _, err := flat(New(limits), strings.NewReader(tt.in)); !errors.Is(err, tt.want) {
			t.Errorf("%s\n got %v\nwant %v", tt.in, err, tt.want)
		}
	}
}

// A body that is cut off at any byte is refused.
func TestTruncated(t *testing.T) {
	for _, body := range []string{
		`{"a":-1.5e+3,"b":[true,false,null,"\ud83d\ude00é"],"c":{"d":{}}}`,
		`[{"__rescued":{"a":["\u0041",-0.1E5]}},{"x":"😀"}]`,
	} {
		f := New(DefaultLimits())
		for i := range len(body) {
			_, _, err := flat(f, strings.NewReader(body[:i]))
			if fault.CodeOf(err) != "invalid_json" || !strings.Contains(err.Error(), "the body ends") {
				t.Errorf("%s: got %v, want that the body ends", body[:i], err)
			}
		}
		if _, _, err := flat(f, strings.NewReader(body)); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestNumberKinds(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want schema.Kind
	}{
		{"0", schema.Int},
		{"-0", schema.Float},
		{"-0.0", schema.Float},
		{"-1", schema.Int},
		{"999999999999999999", schema.Int},
		{"1000000000000000000", schema.Int},
		{"9223372036854775807", schema.Int},
		{"-9223372036854775808", schema.Int},
		{"9223372036854775808", schema.Float},
		{"9223372036854775809", schema.Text},
		{"-9223372036854775809", schema.Text},
		{"-9223372036854775810", schema.Text},
		{"18446744073709551616", schema.Float},
		{"18446744073709551615", schema.Text},
		{"18446744073709555712", schema.Float},
		{"18446744073709553664", schema.Text}, // ends in 11 zero bits, which is one too few
		{"1" + strings.Repeat("0", 22), schema.Float},
		{"1" + strings.Repeat("0", 23), schema.Text},
		{"123456789012345678901234567890", schema.Text},
		{fmt.Sprintf("%.0f", math.MaxFloat64), schema.Float},
		{fmt.Sprintf("-%.0f", math.MaxFloat64), schema.Float},
		{"2" + strings.Repeat("0", 308), schema.Text},
		{"1" + strings.Repeat("0", 309), schema.Text},
		{"1.5", schema.Float},
		{"0.1000000000000000055511151231257827", schema.Float},
		{"1" + strings.Repeat("0", 320) + ".5", schema.Text},
		{"0." + strings.Repeat("1", 400), schema.Float},
		{"1e5", schema.Float},
		{"1E308", schema.Float},
		{"1e309", schema.Text},
		{"-1e400", schema.Text},
		{"1e-400", schema.Float},
	} {
		f := New(DefaultLimits())
		if _, err := f.Flatten(strings.NewReader(`{"n":`+tt.in+`}`), Options{}, rowid.NewSource(), io.Discard, nil); err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if want := schema.Kinds(0).With(tt.want); f.Seen()[0].Kinds != want {
			t.Errorf("%s: got %v, want %v", tt.in, f.Seen()[0].Kinds, want)
		}
	}
}

// The scan looks at eight bytes at a time, so each byte is tried at each place, plain and as the end of a run.
func TestEveryByteEverywhere(t *testing.T) {
	f := New(DefaultLimits())
	for at := range 17 {
		for c := range 256 {
			text := []byte(strings.Repeat("x", 17))
			text[at] = byte(c)
			body := `{"k":"` + string(text) + `"}`
			_, _, err := flat(f, strings.NewReader(body))
			// A quote is followed by text, a backslash by an x; all else is plain, a control character or not UTF-8.
			ok := c >= ' ' && c < 0x80 && c != '"' && c != '\\'
			if (err == nil) != ok {
				t.Errorf("byte %#02x at %d: got %v, want ok=%t", c, at, err, ok)
			}
		}
	}
}
