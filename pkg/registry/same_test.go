package registry

import "testing"

func TestSame(t *testing.T) {
	for _, tt := range []struct {
		name, a, b string
		want       bool
	}{
		{"both nothing", "", "", true},
		{"nothing and no keys", "", "settings: {}\n", true},
		{"a default that is written", "", "settings: {count: 1, limit: 1MiB}\n", true},
		{"in another order and style", "settings: {count: 3, file: b}\n", "settings:\n  # of the database\n  file: \"b\"\n  count: 3\n", true},
		{"another size of the same bytes", "settings: {limit: 1024KiB}\n", "settings: {limit: 1MiB}\n", true},
		{"within a section", "settings: {tls: {on: true}}\n", "settings: {tls: {on: yes}}\n", true},
		{"another value", "settings: {count: 3}\n", "settings: {count: 4}\n", false},
		{"a key less", "settings: {count: 3, file: b}\n", "settings: {file: b}\n", false},
		{"another within a section", "settings: {tls: {on: true}}\n", "settings: {tls: {on: false}}\n", false},
		{"another in a list", "settings: {hosts: [{name: h}]}\n", "settings: {hosts: [{name: h}, {name: i}]}\n", false},
		{"the same mistake", "settings: {count: -1}\n", "settings: {count: -1}\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := section(t, tt.a), section(t, tt.b)
			if got, back := drivers().Same("file", a, b), drivers().Same("file", b, a); got != tt.want || back != tt.want {
				t.Errorf("got %t and %t, want %t", got, back, tt.want)
			}
		})
	}
	if drivers().Same("tape", section(t, ""), section(t, "")) {
		t.Error("an unknown driver: got that they are the same")
	}
}
