package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// wantMistakes compares the mistakes, one a line.
func wantMistakes(t *testing.T, err error, want ...string) {
	t.Helper()
	var m *Mistakes
	if err == nil || !errors.As(err, &m) {
		t.Fatalf("got %v, want the mistakes\n%s", err, strings.Join(want, "\n"))
	}
	var got []string
	for _, one := range m.List {
		got = append(got, one.String())
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("mistakes\n got\n%s\nwant\n%s", g, w)
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := load(t, `data_dir: ""
apu: {}
api:
  prot: 80
  port: eighty
  host: [a]
  enabled: maybe
  cors_origins: example.com
uploads:
  max_file_age: 5
  max_file_size: 3 apples
  max_rows: 0
logging: verbose
workers: {count: 0, lease: 1ms, max_attempts: 99999999999999999999, copies: 0}
destinations:
  - {id: 1, type: duckdb, api_keys: [k1, k1]}
  - {id: 1, type: duckdb, api_keys: [k1, ""]}
  - {type: duckdb}
  - {id: "a/b", type: duckdb, colour: red}
`, "SCRATCH_API_PORT=high", "SCRATCH_QUERY_TIMEOUT=-1s", "SCRATCH_API_PROT=1", "HOME=/root")
	wantMistakes(t, err,
		`line 1: data_dir: must not be empty`,
		`line 2: apu: unknown key; did you mean api?`,
		`line 4: api.prot: unknown key; did you mean port?`,
		`line 5: api.port: "eighty" is not a whole number`,
		`line 6: api.host: must be one value, not a list`,
		`line 7: api.enabled: "maybe" is neither true nor false`,
		`line 8: api.cors_origins: must be a list, not a single value`,
		`line 10: uploads.max_file_age: "5" is not a duration such as 500ms, 30s or 5m`,
		`line 11: uploads.max_file_size: "3 apples" is not a size such as 64MiB`,
		`line 12: uploads.max_rows: 0 is less than 1`,
		`line 13: logging: must have keys of its own, not be a single value`,
		`line 14: workers.max_attempts: "99999999999999999999" is not a whole number`,
		`line 14: workers.count: 0 is less than 1`,
		`line 14: workers.lease: 1ms is less than 1s`,
		`line 14: workers.copies: 0 is less than 1`,
		`line 16: destinations[0].api_keys[1]: the same key as destinations[0].api_keys[0]: a key names one destination`,
		`line 17: destinations[1].id: "1" is the id of destinations[0] already`,
		`line 17: destinations[1].api_keys[0]: the same key as destinations[0].api_keys[0]: a key names one destination`,
		`line 17: destinations[1].api_keys[1]: a key must be printable ASCII without spaces, and not empty`,
		`line 18: destinations[2].id: missing: each destination needs one`,
		`line 19: destinations[3].colour: unknown key; known are id, name, type, api_keys, copy_from, settings, max_file_size, max_file_age, max_rows, query`,
		`line 19: destinations[3].id: "a/b" must be 1 to 64 letters, digits, '_' or '-'`,
		`SCRATCH_API_PORT: api.port: "high" is not a whole number`,
		`SCRATCH_API_PROT: no key has this name; did you mean SCRATCH_API_PORT?`,
		`SCRATCH_QUERY_TIMEOUT: query.timeout: -1s is less than 1ms`,
	)
}

func TestMistakes(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"not YAML", "api: {port: 1\n", "line 1: not YAML: did not find expected ',' or '}'"},
		{"tab", "api:\n\tport: 1\n", "line 2: not YAML: found character that cannot start any token"},
		{"a list", "- api\n", "line 1: the file must have keys of its own, not be a list"},
		{"only text", "hello\n", "line 1: the file must have keys of its own, not be a single value"},
		{"two documents", "api: {}\n---\nqueue: {}\n", "line 2: a second document: the file must have one"},
		{"a key twice", "api: {port: 1}\nlogging: {level: info}\napi: {port: 2}\n", "line 3: api: given twice, first on line 1"},
		{"a key and its alias", "destinations: [{id: 1, api_keys: [k]}]\ndatabases: []\n", "line 2: databases: given twice, first on line 1"},
		{"port", "api: {port: 65536}", "line 1: api.port: 65536 is not a port: 0 to 65535"},
		{"metrics port", "prometheus: {port: -1}", "line 1: prometheus.port: -1 is not a port: 0 to 65535"},
		{"host", "api: {host: ''}", "line 1: api.host: must not be empty; 0.0.0.0 listens on every address"},
		{"user without password", "prometheus:\n  username: u\n", "line 2: prometheus.username: username and password go together: set both or neither"},
		{"password without user", "prometheus:\n  password: u\n", "line 1: prometheus.username: username and password go together: set both or neither"},
		{"origin", "api:\n  cors_origins:\n  - '*'\n  - example.com\n", `line 4: api.cors_origins[1]: "example.com" is neither "*" nor an origin such as https://example.com`},
		{"rows for receipts", "uploads: {max_rows: 16777216}", "line 1: uploads.max_rows: 16777216 is more than 16777215"},
		{"rows too long", "limits: {row_bytes: 65MiB}", "line 1: limits.row_bytes: 65MiB is more than 64MiB"},
		{"no exploded rows", "limits: {rows: 0}", "line 1: limits.rows: 0 is less than 1"},
		{"too many exploded rows", "limits: {rows: 10000001}", "line 1: limits.rows: 10000001 is more than 10000000"},
		{"negative tables", "limits: {tables: -1}", "line 1: limits.tables: -1 is less than 0"},
		{"no window", "uploads: {idempotency_window: 0s}", "line 1: uploads.idempotency_window: 0s is less than 1s"},
		{"no keys", "uploads: {idempotency_keys: 0}", "line 1: uploads.idempotency_keys: 0 is less than 1"},
		{"no key at all", "destinations:\n- {id: 1, type: duckdb}\n", "line 1: destinations: none has an API key, so nobody could use the API"},
		{"key with a space", "destinations: [{id: 1, api_keys: ['a b']}]", "line 1: destinations[0].api_keys[0]: a key must be printable ASCII without spaces, and not empty\nline 1: destinations: none has an API key, so nobody could use the API"},
		{"override", "destinations: [{id: 1, api_keys: [k], max_rows: -1, max_file_age: 1ms}]", "line 1: destinations[0].max_file_age: 1ms is less than 10ms\nline 1: destinations[0].max_rows: -1 is less than 0"},
		{"limits of queries", "destinations: [{id: 1, api_keys: [k], query: {timeout: 1us, concurrent: -1,\nmax_rows: -2}}]",
			"line 1: destinations[0].query.timeout: 1µs is less than 1ms\nline 1: destinations[0].query.concurrent: -1 is less than 0\nline 2: destinations[0].query.max_rows: -2 is less than 0"},
		{"no time for queries", "destinations: [{id: 1, api_keys: [k], query: {timeout: -1s}}]", "line 1: destinations[0].query.timeout: -1s is less than 1ms"},
		{"no such limit", "destinations:\n- id: 1\n  api_keys: [k]\n  query:\n    max_row: 1\n", "line 5: destinations[0].query.max_row: unknown key; did you mean max_rows?"},
		{"no size", "destinations: [{id: 1, api_keys: [k], query: {max_bytes: -1}}]", `line 1: destinations[0].query.max_bytes: "-1" is not a size such as 64MiB`},
		{"copies from nowhere", "destinations:\n- id: 1\n  api_keys: [k]\n  copy_from:\n  - 1\n  - two\n  - '*'\n", `line 6: destinations[0].copy_from[1]: no destination has the id "two"`},
		{"copies from a later one", "destinations: [{id: 1, api_keys: [k], copy_from: [2, 3]}, {id: 2}]", `line 1: destinations[0].copy_from[1]: no destination has the id "3"`},
		{"copies from no list", "destinations: [{id: 1, api_keys: [k], copy_from: all}]", "line 1: destinations[0].copy_from: must be a list, not a single value"},
		{"not a variable", "api: {host: '${a-b}'}", "line 1: api.host: ${a-b} is not a variable such as ${NAME}; write $${ for the text ${"},
		{"unclosed variable", "api: {host: 'x${A'}", "line 1: api.host: ${A is not a variable such as ${NAME}; write $${ for the text ${"},
		{"unset variable", "\napi: {host: '${NO_SUCH}'}", "line 2: api.host: the environment variable NO_SUCH is not set"},
		{"unset variable in settings", "queue:\n  settings:\n    deep: {list: [1, '${NO_SUCH}']}\n", "line 3: queue.settings.deep.list[1]: the environment variable NO_SUCH is not set"},
		{"unset variable in a key", "destinations:\n- id: 1\n  api_keys:\n  - k\n  - ${NO_SUCH}\n", "line 5: destinations[0].api_keys[1]: the environment variable NO_SUCH is not set\nline 5: destinations[0].api_keys[1]: a key must be printable ASCII without spaces, and not empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.text)
			wantMistakes(t, err, strings.Split(tt.want, "\n")...)
		})
	}
}

func TestNoMessageHoldsASecret(t *testing.T) {
	const hush = "hunter2 hunter2"
	_, err := load(t, "prometheus: {password: '"+hush+"'}\ndestinations: [{id: 1, api_keys: ['"+hush+"', '"+hush+"']}]\n")
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want mistakes without the secret", err)
	}
	cfg, _ := load(t, "prometheus: {username: u, password: '"+hush+"'}\n")
	if s := fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg.Prometheus); strings.Contains(s, "hunter2") {
		t.Errorf("the configuration prints its secret: %s", s)
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"max_rows", "max_file_age", "enabled"}
	for _, tt := range []struct{ in, want string }{
		{"max_row", "did you mean max_rows?"},
		{"enable", "did you mean enabled?"},
		{"max_file_aeg", "did you mean max_file_age?"},
		{"colour", "known are max_rows, max_file_age, enabled"},
	} {
		if got := suggest(tt.in, known); got != tt.want {
			t.Errorf("suggest(%s): got %s, want %s", tt.in, got, tt.want)
		}
	}
}
