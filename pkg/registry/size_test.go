package registry

import (
	"math"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func TestSizeFromText(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Size
	}{
		{"0", 0}, {"1", 1}, {"1024", 1024}, {"007", 7},
		{"7b", 7}, {"7B", 7},
		{"512KB", 512_000}, {"3MB", 3_000_000}, {"2GB", 2_000_000_000}, {"1TB", 1_000_000_000_000},
		{"1KiB", 1 << 10}, {"64MiB", 64 << 20}, {"1GiB", 1 << 30}, {"4TiB", 4 << 40},
		{"1kib", 1 << 10}, {"1KIB", 1 << 10}, {"64 MiB", 64 << 20}, {" 64MiB\t", 64 << 20},
		{"1.5GB", 1_500_000_000}, {"0.5KiB", 512}, {".5MiB", 1 << 19}, {"1e3", 1000}, {"1_000", 1000}, {"1.5", 1},
		{"9007199254740993", 1<<53 + 1}, {"9007199254740993KB", 9_007_199_254_740_993_000}, // more than a float holds exactly
		{"9007199254740991b", 1<<53 - 1}, {"9223372036854775807", math.MaxInt64}, {"8388607TiB", 8388607 << 40},
	} {
		var got Size
		if err := got.UnmarshalText([]byte(tt.text)); err != nil || got != tt.want {
			t.Errorf("%q: got %d and %v, want %d", tt.text, int64(got), err, int64(tt.want))
		}
	}
}

func TestNotASize(t *testing.T) {
	for _, text := range []string{
		"", " ", "MiB", "much", "-1", "-1MiB", "1 2", "1XB", "1MiBs", "MiB1", "1MM", "1,5GB", "0x10", "NaN", "Inf", "-Inf",
		"infinity MiB", "9223372036854775808", "8388608TiB", "9007199254740992KiB", "1e300", "1e400", "ümläut", "12\x00",
	} {
		got := Size(7)
		err := got.UnmarshalText([]byte(text))
		if err == nil || !strings.Contains(err.Error(), "is not a size such as 64MiB") || got != 7 {
			t.Errorf("%q: got %d and %v, want an error and the size as it was", text, int64(got), err)
		}
	}
}

func TestSizeToTextAndBack(t *testing.T) {
	for _, tt := range []struct {
		size Size
		want string
	}{
		{0, "0"}, {1, "1"}, {1000, "1000"}, {1023, "1023"}, {1025, "1025"}, {1 << 53, "8192TiB"},
		{1 << 10, "1KiB"}, {1536, "1536"}, {3 << 10, "3KiB"}, {1 << 20, "1MiB"}, {1<<20 + 1<<10, "1025KiB"},
		{64 << 20, "64MiB"}, {1 << 30, "1GiB"}, {1536 << 20, "1536MiB"}, {1 << 40, "1TiB"}, {2048 << 40, "2048TiB"},
		{1<<53 + 1, "9007199254740993"}, {1<<63 - 1024, "9007199254740991KiB"}, {math.MaxInt64, "9223372036854775807"},
	} {
		got := tt.size.String()
		if got != tt.want {
			t.Errorf("%d: got %s, want %s", int64(tt.size), got, tt.want)
		}
		var back Size
		if err := back.UnmarshalText([]byte(got)); err != nil || back != tt.size {
			t.Errorf("%s back: got %d and %v, want %d", got, int64(back), err, int64(tt.size))
		}
	}
}

func TestSizeFromYAML(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Size
		err  string
	}{
		{"limit: 64MiB", 64 << 20, ""},
		{"limit: '64 MiB'", 64 << 20, ""},
		{"limit: 1024", 1024, ""},
		{"limit: 1.5", 1, ""},
		{"other: 1\nlimit: much", 7, `line 2: "much" is not a size such as 64MiB`},
		{"limit: [1]", 7, "line 1: a size such as 64MiB is wanted"},
		{"limit: {a: 1}", 7, "line 1: a size such as 64MiB is wanted"},
		{"limit: true", 7, `line 1: "true" is not a size such as 64MiB`},
		{"", 7, ""},
	} {
		got := struct{ Limit Size }{7}
		err := yaml.Unmarshal([]byte(tt.text), &got)
		if got.Limit != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: got %d and %v, want %d and %q", tt.text, int64(got.Limit), err, int64(tt.want), tt.err)
		}
	}
}

func FuzzSize(f *testing.F) {
	for _, text := range []string{"64MiB", "1.5GB", "7", "0.3kb", "9223372036854775807", "1e3", "-1", "x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s, back Size
		if err := s.UnmarshalText([]byte(text)); err != nil {
			return
		}
		if err := back.UnmarshalText([]byte(s.String())); err != nil || back != s || s < 0 {
			t.Errorf("%q is %d, printed %s, which is %d and %v", text, int64(s), s, int64(back), err)
		}
	})
}
