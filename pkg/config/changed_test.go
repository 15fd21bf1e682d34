package config

import (
	"slices"
	"strings"
	"testing"
)

func TestChanged(t *testing.T) {
	for _, tt := range []struct{ name, a, b, want string }{
		{"nothing", "", "", ""},
		{"a default that is written", "", "api: {port: 8080}\nqueue: {settings: {}}\n", ""},
		{"keys of sections", "", "data_dir: /d\napi: {port: 1, read_only: true}\nlimits: {depth: 3}\n", "data_dir api.port api.read_only limits.depth"},
		{"lists", "", "api: {cors_origins: ['https://a.example', '*']}\n", "api.cors_origins"},
		{"a secret", "prometheus: {username: u, password: a}\n", "prometheus: {username: u, password: b}\n", "prometheus.password"},
		{"settings", "queue: {settings: {file: a}}\n", "queue: {settings: {file: b}}\n", "queue.settings"},
		{"settings in another order and style", "queue: {settings: {file: a, deep: {x: [1]}}}\n", "queue:\n  settings:\n    deep: {\"x\": [1]}\n    file: 'a' # here\n", ""},
		{"settings that go", "queue: {settings: {file: a}}\n", "", "queue.settings"},
		{"destinations", "", "destinations: [{id: 7, api_keys: [k]}]\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := mustLoad(t, tt.a), mustLoad(t, tt.b)
			for _, got := range [][]string{a.Changed(&b), b.Changed(&a)} {
				if want := strings.Fields(tt.want); !slices.Equal(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
}

func TestGiven(t *testing.T) {
	cfg := mustLoad(t, "api: {port: 8080}\ndatabases: [{id: 1, api_keys: [k]}]\n", "SCRATCH_API_HOST=::1")
	for path, want := range map[string]bool{"api": true, "api.port": true, "api.host": true, "api.enabled": false, "destinations": true,
		"queue": false} {
		if got := cfg.Given(path); got != want {
			t.Errorf("%s: got %t, want %t", path, got, want)
		}
	}
}

func TestDestinationChanged(t *testing.T) {
	of := func(text string) *Destination {
		cfg := mustLoad(t, "destinations: [{id: 1, type: duckdb, api_keys: [k], "+text+"}]\n")
		return &cfg.Destinations[0]
	}
	for _, tt := range []struct{ name, a, b, want string }{
		{"nothing", "", "name: ''", ""},
		{"its own keys", "", "name: n, max_rows: 3, max_file_age: 3s", "name max_file_age max_rows"},
		{"settings", "settings: {file: a}", "settings: {file: b}", "settings"},
	} {
		if got, want := of(tt.a).Changed(of(tt.b)), strings.Fields(tt.want); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, want)
		}
	}
	cfg := mustLoad(t, "destinations: [{id: 2, type: duck, api_keys: [other]}]\n")
	if got, want := of("").Changed(&cfg.Destinations[0]), []string{"id", "type", "api_keys"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
