package schema

import (
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

func TestKindOfString(t *testing.T) {
	for _, tt := range []struct {
		raw  string
		want Kind
	}{
		{"", Text},
		{"2024", Text},
		{"2024-02-29", Date},
		{"2023-02-29", Text},
		{"2024-02-29 ", Text},
		{"2024-02-29T12:34", Timestamp},
		{"2024-02-29 12:34:56.123456+02:00", Timestamp},
		{"2024-02-29T12:34:60Z", Text},
		{"2024-02-29T12:34:56.1234567Z", Text},
		{`2024\u002d02-29`, Text},
		{"+1 555 123 4567", Text},
		{"1234567890", Text},
		{"0123456789abcdef", Text},
	} {
		if got := KindOfString([]byte(tt.raw)); got != tt.want {
			t.Errorf("KindOfString(%q) got %v, want %v", tt.raw, got, tt.want)
		}
	}
}

func TestKindOfNumber(t *testing.T) {
	power := func(n uint) string { return new(big.Int).Lsh(big.NewInt(1), n).String() }
	for _, tt := range []struct {
		number string
		want   Kind
	}{
		{"0", Int},
		{"-0", Float},
		{"-1", Int},
		{"42", Int},
		{"123456789012345678", Int},
		{"-123456789012345678", Int},
		{"1234567890123456789", Int},
		{"9223372036854775807", Int},
		{"-9223372036854775808", Int},
		{"9223372036854775808", Float}, // 2^63
		{"9223372036854775809", Text},
		{"-9223372036854775809", Text},
		{"-18446744073709551616", Float}, // -2^64
		{"18446744073709551615", Text},
		{"9999999999999999999", Text},
		{"100000000000000000000", Float}, // 1e20
		{"123456789012345678901234567890", Text},
		{power(100), Float},
		{power(1023), Float},
		{power(1024), Text},
		{new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 1024), new(big.Int).Lsh(big.NewInt(1), 971)).String(), Float}, // the largest float
		{new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 1024), new(big.Int).Lsh(big.NewInt(1), 970)).String(), Text},
		{strings.Repeat("9", 5000), Text},
		{"1.0", Float},
		{"-0.0", Float},
		{"0.1", Float},
		{"3.14159265358979323846264338327950288419716939937510", Float},
		{"9007199254740993.0", Float},
		{strings.Repeat("9", 308) + ".5", Float},
		{strings.Repeat("9", 309) + ".5", Text},
		{"1" + strings.Repeat("0", 400) + "e-400", Float},
		{"1e5", Float},
		{"1E+5", Float},
		{"1e-5", Float},
		{"1e99", Float},
		{"999999999999999999e99", Float},
		{"1e308", Float},
		{"1.7976931348623157e308", Float},
		{"1.7976931348623159e308", Text},
		{"1e309", Text},
		{"1e999", Text},
		{"-1e400", Text},
		{"1e-400", Float},
		{"1e-99999999999", Float},
		{"0e999", Float},
		{"1e99999999999999999999", Text},
	} {
		if got := KindOfNumber([]byte(tt.number)); got != tt.want {
			t.Errorf("KindOfNumber(%.60s) got %v, want %v", tt.number, got, tt.want)
		}
	}
}

// The rule itself, slowly.
func slowKindOfNumber(s string) Kind {
	if s == "-0" {
		return Float
	}
	f, err := strconv.ParseFloat(s, 64)
	if strings.ContainsAny(s, ".eE") {
		if err != nil {
			return Text
		}
		return Float
	}
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		return Int
	}
	n, _ := new(big.Int).SetString(s, 10)
	if err != nil {
		return Text
	}
	if back, accuracy := new(big.Float).SetFloat64(f).Int(nil); accuracy != big.Exact || back.Cmp(n) != 0 {
		return Text
	}
	return Float
}

func TestKindOfNumberFollowsTheRule(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		n := new(big.Int).Lsh(big.NewInt(r.Int64()>>r.IntN(63)), uint(r.IntN(80)))
		s := n.String()
		switch r.IntN(4) {
		case 0:
			s = "-" + s
		case 1:
			s += "." + strconv.Itoa(r.IntN(1000))
		case 2:
			s += "e" + strconv.Itoa(r.IntN(800)-400)
		}
		if got, want := KindOfNumber([]byte(s)), slowKindOfNumber(s); got != want {
			t.Fatalf("KindOfNumber(%s) got %v, want %v", s, got, want)
		}
	}
}

func TestKindsNeedNoMemory(t *testing.T) {
	texts := [][]byte{[]byte("2024-02-29T12:34:56.123456+02:00"), []byte("2024-02-29"), []byte("plain text that is long")}
	numbers := [][]byte{[]byte("42"), []byte("-1.5e-7"), []byte("12345678901234567890"), []byte("1.7976931348623157e308")}
	got := testing.AllocsPerRun(100, func() {
		for _, b := range texts {
			KindOfString(b)
		}
		for _, b := range numbers {
			KindOfNumber(b)
		}
	})
	if got != 0 {
		t.Errorf("got %v allocations, want none", got)
	}
}
