package result_test

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/scratchdata/scratchdata/pkg/result"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

var jsonSeeds = []string{"", " ", "null", "true", "false", "nul", "truex", "0", "-0", "01", "-", "1.", ".5", "1.5e+10", "1e", "1E-7", "-1.25", "1e999", "+1", `""`, `"`, `"a`,
	`"\"\\\/\b\f\n\r\t\u00e4\uD83d"`, `"\x"`, `"\u12g4"`, `"\u123`, `"\`, "\"a\nb\"", "\"\x1f\"", "\"\xff\"", "\"é\"", "\xff", "[]", "{}", "[ ]", "{ }", "[", "]", "{", "}", "[}", "{]",
	"[1", "[1,2]", "[1 2]", "[1,]", "[,]", "[,1]", "[1,,]", `{"a":1}`, `{"a":1,}`, `{"a":1, }`, `{,}`, `{"a"}`, `{"a":}`, `{"a":,}`, `{a:1}`, `{1:1}`, `{"a":1 "b":2}`, `{"a":1,"b":[{"c":[]}]}`,
	"NaN", "nan", "-NaN", "Infinity", "-inf", "INF", "NaN1", "[NaN,1]", `{"NaN":-Infinity,"b":"NaN,]"}`, "{NaN:1}", "[1]x", "[1] ", "[1],", "[\n1,\r\n2]\n", "[1,\n]", "// c\n1", "[1,NaN,]",
	strings.Repeat("[", 100) + strings.Repeat("]", 100), strings.Repeat(`{"a":[`, 50) + "NaN" + strings.Repeat("]}", 50), strings.Repeat("[", 100) + strings.Repeat("]", 99)}

// FuzzRawJSON: JSON stays as it is, on one line; what is none becomes JSON, as encoding/json sees both.
func FuzzRawJSON(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkRawJSON(t, s) })
}

// TestRawJSONCutAnywhere has each seed without its end, without its beginning, and with another byte at each place.
func TestRawJSONCutAnywhere(t *testing.T) {
	for _, s := range jsonSeeds {
		for i := range len(s) {
			checkRawJSON(t, s[:i])
			checkRawJSON(t, s[i:])
			for _, c := range "\"\\,]}[{:0a N\n\xff" {
				checkRawJSON(t, s[:i]+string(c)+s[i+1:])
			}
		}
	}
}

func checkRawJSON(t *testing.T, s string) {
	t.Helper()
	if strings.Count(s, "[")+strings.Count(s, "{") > 9_000 {
		return // encoding/json reads no deeper
	}
	got := lines(t, &vector.Vector{Type: vector.Type{Kind: vector.JSON}, Texts: []string{s}}, 1)
	if len(got) != 1 || !json.Valid([]byte(got[0])) || !utf8.ValidString(got[0]) {
		t.Fatalf("%q became %q", s, got)
	}
	valid := json.Valid([]byte(s)) && utf8.ValidString(s)
	if want := strings.NewReplacer("\n", " ", "\r", " ").Replace(s); valid && got[0] != want {
		t.Errorf("%q became %q, want %q", s, got[0], want)
	}
}

// JSON stays JSON however deep it is.
func TestRawJSONIsAsDeepAsItIs(t *testing.T) {
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	if got := lines(t, &vector.Vector{Type: vector.Type{Kind: vector.JSON}, Texts: []string{deep}}, 1)[0]; got != deep {
		t.Errorf("got %.20s of %d bytes", got, len(got))
	}
}

// BenchmarkRawJSON writes a JSON text as databases have them, and one to be mended.
func BenchmarkRawJSON(b *testing.B) {
	for name, text := range map[string]string{"valid": `{"id":12345,"name":"Some Person","tags":["a","b","longer tag"],"at":{"lat":52.52,"lon":13.405},"ok":true,"none":null}`,
		"mended": `{"id":12345,"name":"Some Person","tags":["a","b","longer tag"],"at":{"lat":NaN,"lon":13.405},"ok":true,"none":null}`} {
		v := &vector.Vector{Type: vector.Type{Kind: vector.JSON}}
		for range 2048 {
			v.Texts = append(v.Texts, text)
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(2048 * len(text)))
			for b.Loop() {
				encode(b, result.Formats()[1], io.Discard, []vector.Field{{Name: "v", Type: v.Type}}, &vector.Batch{Rows: 2048, Cols: []*vector.Vector{v}})
			}
		})
	}
}
