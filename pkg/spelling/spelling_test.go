package spelling

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	known := []string{"max_rows", "max_file_age", "enabled", "größe", "id", strings.Repeat("n", maxName+1)}
	for _, tt := range []struct{ name, want string }{
		{"max_row", "max_rows"},
		{"enable", "enabled"},
		{"max_file_aeg", "max_file_age"},
		{"MaxRows", "max_rows"},
		{"ENABLED", "enabled"},
		{"grosse", "größe"},
		{"ids", "id"},
		{"id", "id"},
		{"i", "id"},
		{"colour", ""},
		{"", ""},
		{strings.Repeat("n", maxName), strings.Repeat("n", maxName+1)},
		{strings.Repeat("n", maxName+1), ""},
	} {
		if got, ok := Nearest(tt.name, known); got != tt.want || ok != (tt.want != "") {
			t.Errorf("Nearest(%q): got %q, %t, want %q", tt.name, got, ok, tt.want)
		}
	}
	if got, ok := Nearest("a", nil); ok {
		t.Errorf("nothing is known: got %q", got)
	}
	if got, _ := Nearest("ab", []string{"ac", "ad"}); got != "ac" {
		t.Errorf("two as near: got %q, want the first", got)
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"port", "port", 0}, {"prot", "port", 2}, {"kitten", "sitting", 3}, {"größe", "grosse", 3},
	} {
		if got := distance([]rune(tt.a), []rune(tt.b)); got != tt.want {
			t.Errorf("distance(%q, %q): got %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
