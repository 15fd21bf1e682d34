package flatten

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/rowid"
)

// The kinds of cases are those of JSONTestSuite. A case with a caret must be refused at the byte where it stands, one
// without must be accepted. Names that begin with "ours:" are what the RFC leaves to the parser, as we decided it.

const caret = "‸"

// flattenText is the one place where the tests of this file call the Flattener.
func flattenText(f *Flattener, body io.Reader) (rows int, out []byte, err error) {
	var b bytes.Buffer
	rows, err = f.Flatten(body, Options{}, rowid.NewSource(), &b, nil)
	return rows, b.Bytes(), err
}

type jsonCase struct{ name, in string }

// places are where a value may stand. Below our own columns another parser reads it.
var places = []struct{ name, before, after, out string }{
	{"member", `{"v":`, `}`, `"v":`},
	{"member of many", `{"a":[],"v": `, ` ,"z":2}`, `"v":`},
	{"element", `[{"v":[`, `]}]`, `"v_0":`},
	{"rescued member", `{"__rescued":{"v":`, `}}`, `{"__rescued":{"v":`},
	{"rescued element", `{"__batch_file":[0,`, "\n]}", `"__batch_file":[0,`},
}

func TestNumbersOfRFC8259(t *testing.T) { newReading().values(t, numberCases()) }

func TestLiteralsOfRFC8259(t *testing.T) { newReading().values(t, literalCases()) }

func TestStringsOfRFC8259(t *testing.T) {
	r := newReading()
	cases := append(stringCases(), append(controlCases(), escapeCases()...)...)
	r.values(t, cases)
	for _, c := range cases {
		t.Run("key/"+c.name, func(t *testing.T) {
			r.document(t, `{"z":1,`+c.in+`:1}`, 1)
			r.document(t, `[{"__rescued":{`+c.in+` :1}}]`, 1)
		})
	}
}

func TestDocumentsOfRFC8259(t *testing.T) {
	r := newReading()
	for rows, cases := range goodDocuments() {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) { r.document(t, c.in, rows) })
		}
	}
	for _, c := range badDocuments() {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(c.in, caret) {
				t.Fatal("the case has no caret")
			}
			r.document(t, c.in, 0)
		})
	}
}

// reading reads documents in many ways.
type reading struct{ warm *Flattener }

func newReading() reading { return reading{New(DefaultLimits())} }

func (r reading) values(t *testing.T, cases []jsonCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, p := range places {
				out := r.document(t, p.before+c.in+p.after, 1)
				if want := p.out + c.in; c.in != "null" && out != "" && !strings.Contains(out, want) {
					t.Errorf("as a %s:\n got %.200s\nwant %.200s in it", p.name, out, want)
				}
			}
		})
	}
}

// document checks in how many rows a document ends, or that it is refused at its caret, however it comes. It returns the
// rows.
func (r reading) document(t *testing.T, in string, rows int) (out string) {
	t.Helper()
	body := strings.Replace(in, caret, "", 1)
	at := strings.Index(in, caret)
	out, problem := read(r.warm, strings.NewReader(body), at, rows)
	if problem == "" {
		_, problem = read(r.warm, iotest.OneByteReader(strings.NewReader(body)), at, rows)
	}
	where := ""
	for _, size := range []int{4, len(body) / 2, at - 1, at, at + 1} {
		if problem == "" && size >= 4 {
			_, problem = read(small(size, DefaultLimits()), iotest.OneByteReader(strings.NewReader(body)), at, rows)
			where = fmt.Sprintf(", with a buffer of %d", size)
		}
	}
	if problem != "" {
		t.Errorf("%.200q: %s%s", body, problem, where)
	}
	return out
}

// read tells what is wrong when a document does not end in as many rows, or is not refused at a byte, if that is not -1.
func read(f *Flattener, body io.Reader, at, rows int) (text, problem string) {
	n, out, err := flattenText(f, body)
	switch {
	case at >= 0:
		return "", notRefusedAt(err, at)
	case err != nil || n != rows || bytes.Count(out, []byte{'\n'}) != rows:
		return "", fmt.Sprintf("got %d rows and %v, want %d", n, err, rows)
	case !validLines(out):
		return "", fmt.Sprintf("got %.200q, which is not JSON", out)
	}
	return string(out), ""
}

var atByte = regexp.MustCompile(`at byte (\d+)`)

// notRefusedAt tells what is wrong with the error of a document that must be refused at a byte.
func notRefusedAt(err error, at int) string {
	if err == nil {
		return fmt.Sprintf("accepted, want it refused at byte %d", at)
	}
	deep := errors.Is(err, fault.Unprocessable) && fault.CodeOf(err) == "too_deep"
	if !errors.Is(err, fault.Invalid) && !deep {
		return fmt.Sprintf("got %v, want it invalid or too deep", err)
	}
	found := atByte.FindStringSubmatch(fault.TextOf(err))
	if found == nil || found[1] != fmt.Sprint(at) {
		return fmt.Sprintf("got %v, want byte %d", err, at)
	}
	return ""
}

func validLines(out []byte) bool {
	for line := range bytes.Lines(out) {
		if !json.Valid(line) {
			return false
		}
	}
	return true
}

// named makes cases that are named after what they hold.
func named(kind string, texts ...string) (cases []jsonCase) {
	for _, s := range texts {
		cases = append(cases, jsonCase{fmt.Sprintf("%s %.30q", kind, s), s})
	}
	return cases
}

func numberCases() []jsonCase {
	many := strings.Repeat("7", 5_000)
	cases := named("good", "0", "-0", "0.0", "-0.0", "0e0", "0E+0", "0e-1", "10", "-1", "1.000", "1e1", "1E1", "1e+1",
		"1E-1", "1e00", "1e+007", "1.5e10", "-1.5E+10", "0.1e001", "20.0e-5", "-9223372036854775808", "0.00000000000000000001")
	cases = append(cases, named("ours: too large or too exact for a float", "123456789012345678901234567890", "1e309", "-1e309",
		"1e-400", "-1E+9999999999999999999", "1e-9999999999999999999", "0.4e"+many, many, "-"+many, "0."+many, many+"."+many+"e"+many)...)
	cases = append(cases, named("two zeros or one ahead", "0‸1", "-0‸1", "0‸0", "0‸0.5", "-0‸0", "0‸1e1")...)
	cases = append(cases, named("sign", "‸+1", "‸++1", "-‸-1", "-‸+1", "‸+0", "-‸ 1", "1‸-1", "1‸+1", "1‸-", "-‸")...)
	cases = append(cases, named("point", "‸.5", "-‸.5", "1.‸", "-1.‸", "0.‸", "1.‸e5", "1.‸-5", "1.‸.5", "1.5‸.5", "‸.", "-‸.",
		"1 ‸.5", "1.‸ 5", "‸.e1")...)
	cases = append(cases, named("exponent", "1e‸", "1E‸", "1e+‸", "1E-‸", "0e‸", "0e+‸", "1.5e‸", "1e‸ 5", "1e‸.5", "1e5‸.5",
		"1e1‸e1", "1e‸e1", "1e+‸-1", "1e‸x", "‸e1", "-‸e1", "1e-‸ 1", "1e1‸-", "1e‸１")...)
	cases = append(cases, named("other notation", "0‸x1", "0‸X1F", "-0‸x1", "0‸b1", "0‸o7", "1‸_000", "1 ‸000", "1‸'000", "1‸f", "1‸L",
		"1‸n", "1‸a", "1‸%", "‸$1", "‸#1", "‸(1)", "1‸/2", "1‸*2", "0‸x", "‸１", "1‸１", "‸−1", "‸½", "1‸\x00", "1‸\xff", "‸\xff")...)
	return append(cases, named("no number", "‸NaN", "-‸NaN", "n‸an", "‸Infinity", "-‸Infinity", "‸+Infinity", "‸inf", "-‸inf",
		"‸INF", "‸∞", "1‸#IND")...)
}

func literalCases() []jsonCase {
	cases := named("good", "true", "false", "null")
	cases = append(cases, named("incomplete", "t‸", "tr‸", "tru‸", "f‸", "fa‸", "fals‸", "n‸", "nu‸", "nul‸", "tru‸ e", "n‸ ull")...)
	cases = append(cases, named("capitals", "‸TRUE", "‸True", "t‸RUE", "tru‸E", "‸FALSE", "‸False", "fals‸E", "‸NULL", "‸Null", "nul‸L")...)
	cases = append(cases, named("more", "true‸e", "true‸1", "false‸false", "null‸s", "null‸\x00", "true‸\xff", "tru‸th", "true‸\"")...)
	return append(cases, named("other word", "n‸il", "n‸one", "‸None", "‸undefined", "‸yes", "‸on", "‸x", "‸é", "‸ｔrue", "‸'true'",
		"‸\u00a0true", "true‸\u00a0", "‸\ufefftrue", "‸\ftrue", "true‸\v", "‸\\u0031", "‸`x`", "‸“x”", "‸'x'", "‸<x>", "‸/*x*/1", "1‸/*x*/", "1‸//", "1‸#x")...)
}

func stringCases() []jsonCase {
	long := strings.Repeat("é", 3_000)
	cases := named("good", `""`, `" "`, `"x"`, `"a/b"`, `"'"`, `"/* [{,: // #"`, "\"\x7f\"", "\"\u0080\u009f\"", "\"\u2028\u2029\"",
		"\"\ufeff\"", "\"\ufffd\"", "\"\u200b\u202e\"", "\"e\u0301\"", "\""+long+"\"", "\"1234567é\"", "\"12345678é\"")
	cases = append(cases, named("edges of UTF-8", "\"\xc2\x80\"", "\"\xdf\xbf\"", "\"\xe0\xa0\x80\"", "\"\xed\x9f\xbf\"", "\"\xee\x80\x80\"",
		"\"\xf0\x90\x80\x80\"", "\"\xf4\x8f\xbf\xbf\"")...)
	cases = append(cases, named("ours: noncharacters", "\"\uffff\ufffe\ufdd0\"", "\"\U0001fffe\U0010ffff\"", `"\uffff\uFFFE\ufdd0"`, `"\udbff\udfff"`)...)
	cases = append(cases, named("pairs", `"\ud800\udc00"`, `"\uDBFF\uDFFF"`, `"\ud83D\uDe00"`, `"x\ud83d\ude00\ud83d\ude00y"`, `"\\ud800"`,
		`"\\\ud800\udc00"`, `"\\\\udc00"`, `"\ud7ff\ue000"`)...)
	cases = append(cases, named("ours: the first half alone", `"\ud800‸"`, `"\udbff‸"`, `"\ud800‸x"`, `"\ud800‸ \udc00"`, `"\ud800\‸n"`,
		`"\ud800\‸\udc00"`, `"\ud800\‸""`, `"\ud800\u‸0041"`, `"\ud800\u‸d800"`, `"\ud800\u‸d800\udc00"`, `"\ud800\u‸e000"`, `"x\ud800\udc00\ud800‸"`,
		`"12345678\ud800‸"`, `"\ud800‸`+"\xed\xb0\x80\"", `"\ud800‸é"`, `"\ud800‸`+"\n\"")...)
	cases = append(cases, named("ours: the second half alone", `"\u‸dc00"`, `"\u‸dfff"`, `"\u‸dc00\ud800"`, `"\u‸DC00x"`, `"\ud800\udc00\u‸dc00"`,
		`"x\n\u‸de00"`, `"\u‸dc00\udc00"`, `"é\u‸de00"`)...)
	cases = append(cases, named("half of a pair cut", `"\ud8‸"`, `"\ud800\u‸"`, `"\ud800\udc‸"`, `"\ud800\udc0‸x"`, `"\ud800\ud‸g00"`)...)
	return append(cases, utf8Cases()...)
}

func utf8Cases() []jsonCase {
	cases := named("ours: overlong", "\"‸\xc0\x80\"", "\"‸\xc0\xaf\"", "\"‸\xc1\xbf\"", "\"‸\xe0\x80\xaf\"", "\"‸\xe0\x9f\xbf\"",
		"\"‸\xf0\x80\x80\xaf\"", "\"‸\xf0\x8f\xbf\xbf\"", "\"‸\xf8\x88\x80\x80\x80\"", "\"‸\xfc\x84\x80\x80\x80\x80\"")
	cases = append(cases, named("ours: cut", "\"‸\xc3\"", "\"‸\xe2\x82\"", "\"‸\xf0\x9f\x98\"", "\"‸\xc3x\"", "\"‸\xe2\x82x\"", "\"‸\xf0\x9f\x98\xc3\xa9\"",
		"\"‸\xe2\xe2\x82\xac\"", "\"‸\xc3\\n\"", "\"‸\xf0\\u00e9\"")...)
	cases = append(cases, named("ours: halves of pairs in UTF-8", "\"‸\xed\xa0\x80\"", "\"‸\xed\xaf\xbf\"", "\"‸\xed\xb0\x80\"", "\"‸\xed\xbf\xbf\"",
		"\"‸\xed\xa0\xbd\xed\xb8\x80\"")...)
	cases = append(cases, named("ours: past the last", "\"‸\xf4\x90\x80\x80\"", "\"‸\xf5\x80\x80\x80\"", "\"‸\xf7\xbf\xbf\xbf\"")...)
	return append(cases, named("ours: no UTF-8", "\"‸\x80\"", "\"‸\xbf\"", "\"‸\xfe\"", "\"‸\xff\"", "\"caf‸\xe9\"", "\"é‸\xff\"", "\"\\n‸\xff\"",
		"\"1234567‸\xff\"", "\"12345678‸\xff\"", "\"‸\xff12345678\"", "\"😀😀‸\x80\"", "\"\\\\‸\xff\"", "\"\xef\xbb\xbf‸\xbf\"")...)
}

// controlCases are strings with each control character as it stands.
func controlCases() (cases []jsonCase) {
	for c := range 0x20 {
		raw := string(rune(c))
		cases = append(cases, named("control character", `"‸`+raw+`"`, `"é12345678‸`+raw+`x"`, `"\n‸`+raw)...)
	}
	return cases
}

// escapeCases are strings with each byte behind a backslash, and in each digit's place.
func escapeCases() (cases []jsonCase) {
	for c := range 256 {
		b := string([]byte{byte(c)})
		switch {
		case strings.Contains(`"\/bfnrt`, b):
			cases = append(cases, named("good", `"\`+b+`"`, `"x\`+b+`\`+b+`x"`)...)
		case b != "u":
			cases = append(cases, named("no escape", `"\‸`+b+`1234"`)...)
		}
	}
	cases = append(cases, named("good", `"\u0000"`, `"\u0022\u005c"`, `"\u00e9"`, `"\uabcd\uABCD\uaBcD"`, `"\u09af\u09AF"`, `"\\u12"`, `"\u12345"`, `"\\"`)...)
	for i := range 4 {
		for _, b := range []string{"g", "G", "/", ":", "@", "`", "-", "+", " ", "x", "é", "\xff", "\x00", "\n", "{", "\\", `"`} {
			cases = append(cases, named("no digit", `"\u`+"00aF"[:i]+`‸`+b+`000"`)...)
		}
	}
	return append(cases, named("cut", `"\u‸{41}"`, `"\u‸"`, `"\u0‸"`, `"\u00‸"`, `"\u004‸"`, `"\\\u00‸"`)...)
}

// goodDocuments are accepted, by the number of their rows.
func goodDocuments() map[int][]jsonCase {
	const limit = 64
	return map[int][]jsonCase{
		0: named("good", `[]`, " [\t\n\r] ", "\ufeff[]"),
		1: append(named("good", `{}`, `[{}]`, "\t\n\r {\t\n\r \"a\"\t\n\r :\t\n\r 1\t\n\r }\t\n\r ", "\ufeff{}", "\ufeff\r\n[{}]\r\n",
			`{"a":[]}`, `{"a":{}}`, `{"a":[[],{},[{}]]}`, `{"a":{"b":{"c":[{"d":[]}]}}}`, `{"\ufeff":"\ufeff"}`,
			`{"a":1,"a":2}`, `{"a":1,"a":1}`, `{"a":{},"a":[],"a":null}`, `{"a":1,"\u0061":2}`, `{"":0}`, `{"":0,"":1,"_":2}`, `{"":{"":{"":0}}}`,
			`{"\u0000":1}`, `{"a\u0000b":{"\u0000":"\u0000"}}`, `{"__rescued":{"a":1,"a":2,"":3}}`, `{"`+strings.Repeat("k", 10_000)+`":1}`,
			`{"`+strings.Repeat("k", 10_000)+`":1,"`+strings.Repeat("k", 10_000)+`":2}`),
			jsonCase{"arrays at the limit", `{"v":` + strings.Repeat("[", limit-1) + strings.Repeat("]", limit-1) + "}"},
			jsonCase{"arrays at the limit in an array", `[{"v":` + strings.Repeat("[", limit-1) + "0" + strings.Repeat("]", limit-1) + "}]"},
			jsonCase{"rescued arrays at the limit", `{"__rescued":` + strings.Repeat("[", limit-1) + strings.Repeat("]", limit-1) + "}"},
			jsonCase{"rescued objects at the limit", strings.Repeat(`{"__rescued":`, limit) + "1" + strings.Repeat("}", limit)}),
		3: named("good", "{}{}{}", "{}\n{}\r\n\n\r\n{}", "\ufeff{}\n{}\n{}\n", `[{"a":1},{"a":1},{"a":1}]`, "[\n{} ,\t{}\r,{}\n]\n", "{} {}\t{} "),
	}
}

func badDocuments() []jsonCase {
	cases := named("nothing", "‸", " ‸", "\n\r\t ‸", "\ufeff‸", "\ufeff \n‸")
	cases = append(cases, spaceCases()...)
	cases = append(cases, markCases()...)
	cases = append(cases, punctuationCases()...)
	cases = append(cases, structureCases()...)
	return append(cases, deepCases()...)
}

func spaceCases() (cases []jsonCase) {
	for _, s := range []string{"\f", "\v", "\x00", "\b", "\x1f", "\x7f", "\u0085", "\u00a0", "\u1680", "\u2003", "\u200b", "\u2028", "\u3000", "\u2060", "\\n", "\xa0", "\xff"} {
		cases = append(cases, named("no white space", "‸"+s+"{}", "{}‸"+s, "{‸"+s+"}", `{"a"‸`+s+`:1}`, `{"a":‸`+s+`1}`, `{"a":1‸`+s+`}`, `{"a":1,‸`+s+`"b":2}`,
			"[‸"+s+"{}]", "[{}‸"+s+"]", "[{},‸"+s+"{}]", "[]‸"+s, "{}\n‸"+s+"{}", `{"a":[‸`+s+`]}`, `{"__rescued":{‸`+s+`}}`, `{"__rescued":[1‸`+s+`]}`)...)
	}
	return cases
}

func markCases() []jsonCase {
	cases := named("a mark elsewhere", " ‸\ufeff{}", "{}‸\ufeff", "{‸\ufeff}", "[‸\ufeff{}]", "[{}‸\ufeff]", "[]‸\ufeff", "{}\n‸\ufeff{}\n", "{}‸\ufeff{}",
		"\ufeff‸\ufeff[]", "\ufeff{}‸\ufeff", "{\"a\":‸\ufeff1}", "{‸\ufeff\"a\":1}")
	cases = append(cases, named("part of a mark", "‸\xef", "‸\xef\xbb", "‸\xef{}", "‸\xef\xbb[]", "‸\xbb\xbf{}", "‸\xef\xbf\xbb{}", "‸\xbf{}")...)
	return append(cases, named("ours: no other Unicode", "‸\xfe\xff\x00{\x00}", "‸\xff\xfe{\x00}\x00", "‸\x00{\x00}", "{‸\x00}\x00", "‸\xff\xfe\x00\x00{\x00\x00\x00",
		"‸\x00\x00\xfe\xff\x00\x00\x00{", "{‸\x00\x00\x00}\x00\x00\x00", "‸+/v8-{}", "‸\xdd\x73\x66\x73{}")...)
}

func punctuationCases() []jsonCase {
	cases := named("colon", `{"a"‸}`, `{"a"‸,"b":1}`, `{"a" ‸1}`, `{"a"‸"b"}`, `{"a":‸:1}`, `{"a":1‸:2}`, `{‸:1}`, `{"a"‸=1}`, `{"a":‸}`, `{"a":‸,"b":1}`,
		`{"a":"b"‸:"c"}`, `{"v":["a"‸:1]}`, `{"v":[‸:]}`, `{"a"‸{}}`, `{"a"‸[]}`, `{"a"‸;1}`, `[{"a"‸}]`, `[{}‸:{}]`, `{"a"‸：1}`)
	cases = append(cases, named("comma", `{"a":1,‸}`, `{"a":1,‸,"b":2}`, `{‸,}`, `{‸,"a":1}`, `{"a":1 ‸"b":2}`, `{"a":1‸"b":2}`, `{"a":1‸;"b":2}`,
		`{"a":1‸，"b":2}`, `{"a":1,‸5}`, `{"v":[1,‸]}`, `{"v":[1,‸,2]}`, `{"v":[‸,]}`, `{"v":[‸,1]}`, `{"v":[1 ‸2]}`, `{"v":[1‸;2]}`, `{"v":[""‸""]}`, `{"v":[[]‸[]]}`,
		`{"v":[{}‸{}]}`, `{"v":[1, ‸]}`)...)
	cases = append(cases, named("comma in an array of rows", `[{},‸]`, `[{}, ‸]`, `[‸,]`, `[‸,{}]`, `[{},‸,{}]`, `[{}‸;{}]`, `[{} ‸{}]`, `[{}‸{}]`)...)
	cases = append(cases, named("comma in rows", `‸,`, `‸,{}`, `{}‸,`, `{}‸,{}`, `{}‸;{}`, "{}\n‸,\n{}", `[]‸,`, `[]‸,[]`)...)
	cases = append(cases, named("comma of the rescued", `{"__rescued":{"a":1,‸,"b":2}}`, `{"__rescued":{‸,}}`, `{"__rescued":[‸,]}`, `{"__rescued":[1,‸]}`, `{"__rescued":[1,‸,2]}`,
		`{"__rescued":{"a":1‸"b":2}}`, `{"__rescued":{"a":‸}}`, `{"__rescued":{"a":‸:1}}`, `{"__rescued":{"a"‸}}`, `{"__rescued":[1‸:2]}`)...)
	cases = append(cases, named("quotes", `{‸'a':1}`, `{"a":‸'b'}`, `{‸a:1}`, `{‸a":1}`, `{‸1:1}`, `{‸null:1}`, `{‸true:1}`, `{‸{}:1}`, `{‸[]:1}`, "{‸`a`:1}", `{‸“a”:1}`, `{"a":‸b}`,
		`{"a":"b"‸"c"}`, `{"a":"b"‸c}`, `{"a"‸'b':1}`, `{‸\"a\":1}`, `{"a":‸\u0031}`, `{"a":"b"‸+"c"}`, `{"a":1,‸b:2}`, `{"__rescued":{‸a:1}}`, `{"__rescued":{‸'a':1}}`,
		`{"__rescued":[‸'a']}`, `{"a":1,‸'b':2}`, `{"a":1,‸1:2}`, `{"a‸`+"\n"+`":1}`, `{‸a"b":1}`)...)
	return append(cases, named("comment", "‸//x\n{}", "‸/**/{}", "{‸/**/}", `{"a"‸/**/:1}`, `{"a":‸/**/1}`, `{"a":1‸/**/}`, `{"a":1,‸/**/"b":2}`, "{}‸//", "{}‸/**/", "{}‸#x",
		"‸#x\n{}", "{}\n‸--x", "[‸/**/{}]", "[{},‸//\n{}]", "[]‸//", "‸<!-- -->{}", "{}‸/", `{"a":1‸//}`, `{"__rescued":{‸/**/}}`)...)
}

func structureCases() []jsonCase {
	cases := named("the wrong bracket", `{‸]`, `[‸}`, `{"v":[1‸}`, `{"v":[1‸}}`, `{"v":{"a":1‸]}`, `{"v":[[1]‸}}`, `{"v":{}‸]`, `{"v":[‸}}`, `{"v":{‸]}`, `[{}‸}`, `[{‸]`, `[{"a":1‸]`,
		`{"v":[{"a":1‸]}`, `{"v":[1‸)}`, `{"v":‸(1)}`, `{"v":[1]‸]}`, `{"__rescued":[1‸}}`, `{"__rescued":{"a":1‸]}`, `{"__rescued":[‸}}`, `{"__rescued":{‸]}`,
		`{"__rescued":[[]‸}}`, `{"__rescued":{}‸]`, `‸]`, `‸}`, `‸)`, `‸(`, `‸<{}>`, `‸:`, `‸"`)
	cases = append(cases, named("more after the end", `{}‸x`, `{}‸]`, `{}‸}`, `{"a":1}‸}`, `{}‸:`, `{}‸"`, `{"a":"b"}‸"`, `{}‸"x"`, `{}‸1`, `{}‸-`, `{} ‸true`, `{}‸null`, `{}‸[]`, "{}\n‸[{}]",
		`{}‸é`, `{}‸\`, `[]‸]`, `[]‸x`, `[] ‸{}`, `[]‸[]`, `[{}]‸[{}]`, `[{}]‸}`, `[{}]‸0`, `[]‸"`, `[{}‸x]`, "{}‸\x1e{}")...)
	cases = append(cases, named("scalar", `‸0`, `‸-1`, `‸-`, `‸1.5e3`, `‸""`, `‸"x"`, `‸"{}"`, `‸true`, `‸false`, `‸null`, `‸nul`, `‸01`, `[‸1]`, `[‸""]`, `[‸null]`, `[‸[]]`, `[‸[{}]]`,
		`[{},‸null]`, `[{}, ‸"x"]`, "{}\n‸5\n{}", `‸NaN`, `‸hello`, `‸<html>`, `‸*`, `‸é`, `‸a=1&b=2`, `[‸x]`, `‸\u007b}`)...)
	return append(cases, named("cut", `{‸`, `[‸`, `[{‸`, `[{}‸`, `[{},‸`, `{}{‸`, "{}\n{‸", "{}\n‸[", `{"‸`, `{"a‸`, `{"a"‸`, `{"a":‸`, `{"a":1,‸`, `{"a":1‸`, "{\"\xff‸", "{\"a\":\"\xc3‸")...)
}

func deepCases() []jsonCase {
	const limit, far = 64, 100_000
	levels := func(open string, n int) string { return strings.Repeat(open, n) }
	return []jsonCase{
		{"arrays over the limit", `{"v":` + levels("[", limit-1) + caret + "[" + levels("]", limit) + "}"},
		{"objects over the limit", levels(`{"v":`, limit) + caret + "{}" + levels("}", limit)},
		{"both over the limit", levels(`{"v":[`, limit/2) + caret + "{}" + levels("]}", limit/2)},
		{"in an array of rows", `[{},{"v":` + levels("[", limit-1) + caret + "[" + levels("]", limit) + "}]"},
		{"arrays far over the limit", `{"v":` + levels("[", limit-1) + caret + levels("[", far) + levels("]", far+limit-1) + "}"},
		{"arrays far over the limit without end", `{"v":` + levels("[", limit-1) + caret + levels("[", far)},
		{"objects far over the limit", levels(`{"v":`, limit) + caret + levels(`{"v":`, far) + "1" + levels("}", far+limit)},
		{"objects far over the limit without end", levels(`{"":`, limit) + caret + levels(`{"":`, far)},
		{"rescued arrays far over the limit", `{"__rescued":` + levels("[", limit-1) + caret + levels("[", far) + levels("]", far+limit-1) + "}"},
		{"rescued objects far over the limit", levels(`{"__rescued":`, limit) + caret + levels(`{"__rescued":`, far)},
		{"rescued both far over the limit", levels(`{"__batch_file":[`, limit/2) + caret + levels(`{"":[`, far)},
		{"arrays alone", "[" + caret + levels("[", far)},
		{"arrays alone with their ends", "[" + caret + levels("[", far) + levels("]", far+1)},
		{"ends alone", caret + levels("]", far)},
	}
}

// Whatever is open at the end of the body, at whatever depth, the body is refused at its end.
func TestUnclosedAtEveryDepth(t *testing.T) {
	ends := []string{``, ` `, `"`, `"x`, `"x\`, `"\u12`, `"\ud83d`, `"\ud83d\`, `"\ud83d\ude`, "\"\xc3", `"x"`, `1`, `-`, `1.`, `1e`, `1e+`, `t`, `nul`, `true`,
		`[`, `[1`, `[1,`, `[[]`, `{`, `{"`, `{"b`, `{"b\`, `{"b"`, `{"b":`, `{"b":1`, `{"b":1,`, `{}`}
	f := New(DefaultLimits())
	for _, open := range []string{`{"a":`, `{"a":[`, `{"a":{},"b":[[],`, `{"__rescued":[{"x":`} {
		for depth := 1; strings.Count(strings.Repeat(open, depth), "{")+strings.Count(strings.Repeat(open, depth), "[") < 63; depth++ {
			for _, end := range ends {
				body := strings.Repeat(open, depth) + end
				for _, f := range []*Flattener{f, small(len(body)/2, DefaultLimits())} {
					_, _, err := flattenText(f, iotest.OneByteReader(strings.NewReader(body)))
					if problem := notRefusedAt(err, len(body)); problem != "" {
						t.Errorf("%q: %s", body, problem)
					}
				}
			}
		}
	}
}
