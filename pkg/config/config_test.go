package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/scratchdata/scratchdata/pkg/secret"
)

// load parses text with the environment environ.
func load(t *testing.T, text string, environ ...string) (Config, error) {
	t.Helper()
	return parse("", []byte(text), environ)
}

// mustLoad is load of something without a mistake.
func mustLoad(t *testing.T, text string, environ ...string) Config {
	t.Helper()
	cfg, err := load(t, text, environ...)
	if err != nil {
		t.Fatalf("got %v, want no mistake", err)
	}
	return cfg
}

// same compares two configurations without the places of their keys and the settings of drivers.
func same(t *testing.T, got, want Config) {
	t.Helper()
	got.places, got.variables, want.places, want.variables = nil, nil, nil, nil
	for i := range got.Destinations {
		got.Destinations[i].Settings = yaml.Node{}
	}
	for _, s := range []*Section{&got.BlobStore, &got.Queue, &got.Cache, &got.Vault, &got.Database} {
		s.Settings = yaml.Node{}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("configuration\n got %+v\nwant %+v", got, want)
	}
}

// settings decodes a driver's settings.
func settings(t *testing.T, n yaml.Node) map[string]any {
	t.Helper()
	m := make(map[string]any)
	if n.Kind == 0 {
		return m
	}
	text, err := yaml.Marshal(&n)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &m); err != nil {
		t.Fatalf("settings %s: %v", text, err)
	}
	return m
}

func TestNothingGivenIsTheDefault(t *testing.T) {
	for _, text := range []string{"", "# only a comment\n", "---\n", "{}\n", "api:\nuploads: ~\n"} {
		same(t, mustLoad(t, text), Default())
	}
}

func TestEveryValueIsRead(t *testing.T) {
	cfg := mustLoad(t, `
data_dir: /var/lib/scratch
drain_timeout: 1m30s
receipt_retention: 24h
logging: {level: debug, json_format: true}
prometheus: {enabled: false, port: 9100, username: prom, password: hush}
api: {enabled: true, host: 0.0.0.0, port: 9000, read_only: true, healthcheck_fail_file: /tmp/fail, cors_origins: [https://a.example, "http://b.example:81"]}
timeouts: {header: 1s, read: 2s, write: 3s, idle: 4s}
limits: {body_bytes: 1MiB, decoded_bytes: 2MiB, row_bytes: 1KiB, depth: 3, columns: 4, rows: 5, tables: 6}
query: {timeout: 5s, concurrent: 6, max_rows: 7, max_bytes: 8}
uploads: {enabled: false, max_file_size: 1MiB, max_file_age: 2s, max_rows: 1_000, free_space_required: 0, inline_size: 5, memory: 6, open_files: 7, idempotency_window: 3h, idempotency_keys: 8}
workers: {enabled: false, count: 3, lease: 4s, max_attempts: 5, copies: 9, free_space_required: 6}
blob_store: {type: memory}
queue: {type: memory}
cache: {type: c}
vault: {type: v}
database: {type: d}
destinations:
- {id: 7, name: seven, type: duckdb, api_keys: [a, 42], copy_from: [7, other], settings: {file: x.duckdb, threads: 2}, max_file_size: 3, max_file_age: 4s, max_rows: 5, query: {timeout: 6s, concurrent: 7, max_rows: 8, max_bytes: 9KiB}}
- {id: other, type: duckdb}
`)
	want := Config{
		DataDir: "/var/lib/scratch", DrainTimeout: 90 * time.Second, ReceiptRetention: 24 * time.Hour,
		Logging:    Logging{Level: "debug", JSONFormat: true},
		Prometheus: Prometheus{Port: 9100, Username: "prom", Password: "hush"},
		API: API{Enabled: true, Host: "0.0.0.0", Port: 9000, ReadOnly: true, HealthcheckFailFile: "/tmp/fail",
			CORSOrigins: []string{"https://a.example", "http://b.example:81"}},
		Timeouts: Timeouts{Header: time.Second, Read: 2 * time.Second, Write: 3 * time.Second, Idle: 4 * time.Second},
		Limits:   Limits{BodyBytes: 1 << 20, DecodedBytes: 2 << 20, RowBytes: 1 << 10, Depth: 3, Columns: 4, Rows: 5, Tables: 6},
		Query:    Query{Timeout: 5 * time.Second, Concurrent: 6, MaxRows: 7, MaxBytes: 8},
		Uploads:  Uploads{MaxFileSize: 1 << 20, MaxFileAge: 2 * time.Second, MaxRows: 1000, InlineSize: 5, Memory: 6, OpenFiles: 7, IdempotencyWindow: 3 * time.Hour, IdempotencyKeys: 8},
		Workers:  Workers{Count: 3, Lease: 4 * time.Second, MaxAttempts: 5, Copies: 9, FreeSpaceRequired: 6},

		BlobStore: Section{Type: "memory"}, Queue: Section{Type: "memory"}, Cache: Section{Type: "c"},
		Vault: Section{Type: "v"}, Database: Section{Type: "d"},
		Destinations: []Destination{
			{ID: "7", Name: "seven", Type: "duckdb", APIKeys: []secret.String{"a", "42"}, CopyFrom: []string{"7", "other"}, MaxFileSize: 3, MaxFileAge: 4 * time.Second, MaxRows: 5,
				Query: Query{Timeout: 6 * time.Second, Concurrent: 7, MaxRows: 8, MaxBytes: 9 << 10}},
			{ID: "other", Type: "duckdb"},
		},
	}
	got := settings(t, cfg.Destinations[0].Settings)
	if wantSettings := map[string]any{"file": "x.duckdb", "threads": 2}; !reflect.DeepEqual(got, wantSettings) {
		t.Errorf("settings: got %v, want %v", got, wantSettings)
	}
	same(t, cfg, want)
}

func TestDatabasesIsDestinations(t *testing.T) {
	cfg := mustLoad(t, "databases: [{id: 5, type: duckdb, api_keys: [k]}]")
	if got, want := cfg.Destinations, []Destination{{ID: "5", Type: "duckdb", APIKeys: []secret.String{"k"}}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAliasesAndMerges(t *testing.T) {
	cfg := mustLoad(t, `
destinations:
- &first {id: 1, type: duckdb, api_keys: [k1], settings: &s {file: a, threads: 4}}
- {<<: *first, id: 2, api_keys: [k2], settings: {<<: *s, file: b}}
`)
	second := cfg.Destinations[1]
	if second.ID != "2" || second.Type != "duckdb" || len(second.APIKeys) != 1 || second.APIKeys[0] != "k2" {
		t.Errorf("got %+v, want id 2 of type duckdb with the key k2", second)
	}
	if got, want := settings(t, second.Settings), map[string]any{"file": "b", "threads": 4}; !reflect.DeepEqual(got, want) {
		t.Errorf("settings: got %v, want %v", got, want)
	}
}

func TestAliasThatContainsItselfEnds(t *testing.T) {
	for _, tt := range []struct {
		text string
		ok   bool
	}{
		{"api: &a {cors_origins: *a}", false},
		{"queue: {settings: &s {again: *s}}", false},
		{"queue: {settings: &s [*s, *s, *s]}", false},
		{"destinations: &d [*d]", false},
		{"queue: {settings: &s {<<: [*s, *s], again: 1}}", true}, // what is merged is there already
	} {
		if _, err := load(t, tt.text); (err == nil) != tt.ok {
			t.Errorf("load(%s): got %v, want ok %t", tt.text, err, tt.ok)
		}
	}
}

// uncomment makes settings of the commented keys: a key follows its '#' at once, prose after a space.
var uncomment = regexp.MustCompile(`(?m)^( *)#([a-z_]+:)`)

func readExample(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "config.yaml.example"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestExampleIsTheDefault(t *testing.T) {
	text := readExample(t)
	same(t, mustLoad(t, text), Default())
	open := uncomment.ReplaceAllString(text, "$1$2")
	if open == text {
		t.Error("the example has no commented key")
	}
	same(t, mustLoad(t, open), Default())
}

// schemaPaths lists every key of t, one that is in a list below the list's own.
func schemaPaths(t reflect.Type, path string) []string {
	switch {
	case t == nodeType:
		return []string{path}
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return schemaPaths(t.Elem(), path)
	case t.Kind() != reflect.Struct:
		return []string{path}
	}
	var paths []string
	for i := range t.NumField() {
		if key, _ := tagOf(t.Field(i)); key != "" {
			paths = append(paths, schemaPaths(t.Field(i).Type, join(path, key))...)
		}
	}
	return paths
}

func TestExampleHasEveryKey(t *testing.T) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(uncomment.ReplaceAllString(readExample(t), "$1$2")), &root); err != nil {
		t.Fatal(err)
	}
	in := make(map[string]bool)
	var walk func(n *yaml.Node, path string)
	walk = func(n *yaml.Node, path string) {
		in[path] = true
		for i, c := range n.Content {
			switch n.Kind {
			case yaml.MappingNode:
				if i%2 == 1 {
					walk(c, join(path, n.Content[i-1].Value))
				}
			default:
				walk(c, path)
			}
		}
	}
	walk(&root, "")
	// The drivers that are there today have no settings in memory.
	without := []string{"cache.settings", "vault.settings"}
	for _, path := range schemaPaths(reflect.TypeFor[Config](), "") {
		if !in[path] && !slices.Contains(without, path) {
			t.Errorf("config.yaml.example has no %s", path)
		}
	}
}

// setScalar knows these types; a key of any other would be read wrongly.
func TestEveryKeyIsOfAKnownType(t *testing.T) {
	var check func(ty reflect.Type, path string)
	check = func(ty reflect.Type, path string) {
		switch ty.Kind() {
		case reflect.Struct:
			for i := range ty.NumField() {
				if key, _ := tagOf(ty.Field(i)); key != "" && ty != nodeType {
					check(ty.Field(i).Type, join(path, key))
				}
			}
		case reflect.Slice:
			check(ty.Elem(), path)
		case reflect.String, reflect.Bool, reflect.Int, reflect.Int64:
		default:
			t.Errorf("%s has the type %v, which setScalar does not read", path, ty)
		}
	}
	check(reflect.TypeFor[Config](), "")
}

func TestLoadFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(name, []byte("api: {port: 1}\nlogging: {level: loud}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(name, nil)
	want := "the configuration " + name + " has a mistake:\n  line 2: logging.level: \"loud\" is not one of debug, info, warn, error"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if _, err := Load(name+".none", nil); !os.IsNotExist(err) && err == nil {
		t.Errorf("a file that is not there: got %v, want an error", err)
	}
}

// Who says nothing lets all copy into a destination; who says an empty list lets nobody.
func TestWhoMayCopy(t *testing.T) {
	const head = "destinations:\n- {id: other, api_keys: [o]}\n- {id: 1, api_keys: [k]"
	for _, tt := range []struct {
		name, file string
		env        []string
		want       []string // nil is all
	}{
		{"nothing", head + "}", nil, nil},
		{"null", head + ", copy_from: }", nil, nil},
		{"nobody", head + ", copy_from: []}", nil, []string{}},
		{"all", head + ", copy_from: ['*']}", nil, []string{"*"}},
		{"some", head + ", copy_from: [other, 1]}", nil, []string{"other", "1"}},
		{"nobody by a variable", head + "}", []string{"SCRATCH_DESTINATIONS_1_COPY_FROM="}, []string{}},
		{"some by a variable", head + ", copy_from: []}", []string{"SCRATCH_DESTINATIONS_1_COPY_FROM=other, *"}, []string{"other", "*"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustLoad(t, tt.file, tt.env...).Destinations[1].CopyFrom; !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %#v, want %#v", got, tt.want)
			}
		})
	}
	if got := mustLoad(t, "").Destinations[0].CopyFrom; !reflect.DeepEqual(got, []string{"*"}) {
		t.Errorf("the destination that is there when none is configured: got %#v", got)
	}
}
