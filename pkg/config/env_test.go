package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/secret"
)

func TestEnvironmentSetsEveryScalarKey(t *testing.T) {
	samples := map[string]string{
		"bool": "true", "int": "12", "int64": "12", "string": "text", "time.Duration": "77s", "registry.Size": "3MiB",
		"secret.String": "text", "[]string": "https://a.example, https://b.example", "[]secret.String": "k1,k2",
	}
	var try func(ty reflect.Type, path, name string)
	try = func(ty reflect.Type, path, name string) {
		if ty.Kind() == reflect.Struct && ty != nodeType {
			for i := range ty.NumField() {
				if key, _ := tagOf(ty.Field(i)); key != "" {
					try(ty.Field(i).Type, join(path, key), name+"_"+strings.ToUpper(key))
				}
			}
			return
		}
		if ty == nodeType {
			return
		}
		if ty.Kind() == reflect.Slice && ty.Elem().Kind() == reflect.Struct {
			try(ty.Elem(), path+"[0]", name+"_0")
			return
		}
		sample, ok := samples[ty.String()]
		if !ok {
			t.Errorf("%s: no sample of type %v", path, ty)
			return
		}
		for _, value := range []string{sample, "false"} { // of a bool one of the two differs from the default
			if ty.Kind() != reflect.Bool && value == "false" {
				continue
			}
			cfg, err := load(t, "", name+"="+value)
			if err != nil && strings.Contains(err.Error(), "no key") {
				t.Errorf("%s: got %v", name, err)
			}
			if got, want := cfg.places[path], (place{variable: name}); got != want {
				t.Errorf("%s: set the place of %s to %v, want %v", name, path, got, want)
			}
		}
		if ty.Kind() != reflect.Bool {
			cfg, _ := load(t, "", name+"="+sample)
			def := Default()
			cfg.places = nil
			if reflect.DeepEqual(cfg, def) {
				t.Errorf("%s=%s changed nothing", name, sample)
			}
		}
	}
	try(reflect.TypeFor[Config](), "", strings.TrimSuffix(Prefix, "_"))
}

func TestEnvironment(t *testing.T) {
	for _, tt := range []struct {
		name string
		file string
		env  []string
		want func(c *Config)
	}{
		{"the issue's names", "", []string{"SCRATCH_API_PORT=9000", "SCRATCH_API_HOST=0.0.0.0", "SCRATCH_DATA_DIR=/d", "SCRATCH_PROMETHEUS_ENABLED=false", "SCRATCH_LOGGING_LEVEL=debug"},
			func(c *Config) {
				c.API.Port, c.API.Host, c.DataDir, c.Prometheus.Enabled, c.Logging.Level = 9000, "0.0.0.0", "/d", false, "debug"
			}},
		{"over the file", "api: {port: 1}\nqueue: {type: a}", []string{"SCRATCH_API_PORT=2", "SCRATCH_QUEUE_TYPE=b"},
			func(c *Config) { c.API.Port, c.Queue.Type = 2, "b" }},
		{"sizes and durations", "", []string{"SCRATCH_UPLOADS_MAX_FILE_SIZE=2MiB", "SCRATCH_UPLOADS_MAX_FILE_AGE=3s"},
			func(c *Config) { c.Uploads.MaxFileSize, c.Uploads.MaxFileAge = 2<<20, 3*time.Second }},
		{"lists", "", []string{"SCRATCH_API_CORS_ORIGINS=https://a.example , *,"},
			func(c *Config) { c.API.CORSOrigins = []string{"https://a.example", "*"} }},
		{"keys of the default destination", "", []string{"SCRATCH_DESTINATIONS_0_API_KEYS=x,y"},
			func(c *Config) { c.Destinations[0].APIKeys = []secret.String{"x", "y"} }},
		{"the other spelling", "", []string{"SCRATCH_DATABASES_0_API_KEYS=x"},
			func(c *Config) { c.Destinations[0].APIKeys = []secret.String{"x"} }},
		{"a further destination", "", []string{"SCRATCH_DESTINATIONS_1_ID=two", "SCRATCH_DESTINATIONS_1_TYPE=duckdb"},
			func(c *Config) { c.Destinations = append(c.Destinations, Destination{ID: "two", Type: "duckdb"}) }},
		{"limits of a destination's queries", "", []string{"SCRATCH_DESTINATIONS_0_QUERY_TIMEOUT=7s", "SCRATCH_DESTINATIONS_0_QUERY_MAX_BYTES=1MiB"},
			func(c *Config) { c.Destinations[0].Query = Query{Timeout: 7 * time.Second, MaxBytes: 1 << 20} }},
		{"copies", "", []string{"SCRATCH_WORKERS_COPIES=5", "SCRATCH_DESTINATIONS_0_COPY_FROM=1"},
			func(c *Config) { c.Workers.Copies, c.Destinations[0].CopyFrom = 5, []string{"1"} }},
		{"a comma is all of an empty list's value", "", []string{"SCRATCH_API_CORS_ORIGINS="},
			func(c *Config) { c.API.CORSOrigins = []string{} }},
		{"what is not a key", "api: {host: '${SCRATCH_OWN}'}", []string{"SCRATCH_OWN=h", "SCRATCH_TEST_REQUIRE=all", "SCRATCH_KEY=k", "SCRATCH_SERVICE_HOST=1", "SCRATCH_PORT=tcp://1", "SCRATCH_PORT_80_TCP=1", "SCRATCHDATA_PORT=1", "PATH=/"},
			func(c *Config) { c.API.Host = "h" }},
		{"no variable within a variable", "", []string{"SCRATCH_API_HOST=${HOME}", "HOME=/h"},
			func(c *Config) { c.API.Host = "${HOME}" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := Default()
			tt.want(&want)
			same(t, mustLoad(t, tt.file, tt.env...), want)
		})
	}
}

func TestEnvironmentMistakes(t *testing.T) {
	for _, tt := range []struct{ env, want string }{
		{"SCRATCH_API_PROT=1", "SCRATCH_API_PROT: no key has this name; did you mean SCRATCH_API_PORT?"},
		{"SCRATCH_DATADIR=/d", "SCRATCH_DATADIR: no key has this name; did you mean SCRATCH_DATA_DIR?"},
		{"SCRATCH_DESTINATIONS_0_APIKEYS=k", "SCRATCH_DESTINATIONS_0_APIKEYS: no key has this name; did you mean SCRATCH_DESTINATIONS_0_API_KEYS?"},
		{"SCRATCH_DESTINATIONS_X_API_KEYS=k", "SCRATCH_DESTINATIONS_X_API_KEYS: no key has this name; did you mean SCRATCH_DESTINATIONS_N_API_KEYS?"},
		{"SCRATCH_DESTINATIONS_1000_ID=k", "SCRATCH_DESTINATIONS_1000_ID: no key has this name; did you mean SCRATCH_DESTINATIONS_N_ID?"},
		{"SCRATCH_API=1", "SCRATCH_API: no key has this name; see config.yaml.example for the keys"},
		{"SCRATCH_COMPLETELY_DIFFERENT_THING=1", "SCRATCH_COMPLETELY_DIFFERENT_THING: no key has this name; see config.yaml.example for the keys"},
		{"SCRATCH_API_ENABLED=perhaps", `SCRATCH_API_ENABLED: api.enabled: "perhaps" is neither true nor false`},
		{"SCRATCH_DESTINATIONS_0_QUERY_CONCURENT=1", "SCRATCH_DESTINATIONS_0_QUERY_CONCURENT: no key has this name; did you mean SCRATCH_DESTINATIONS_0_QUERY_CONCURRENT?"},
		{"SCRATCH_DESTINATIONS_0_QUERY_MAX_ROWS=-1", "SCRATCH_DESTINATIONS_0_QUERY_MAX_ROWS: destinations[0].query.max_rows: -1 is less than 0"},
		{"SCRATCH_WORKERS_COPIES=0", "SCRATCH_WORKERS_COPIES: workers.copies: 0 is less than 1"},
		{"SCRATCH_DESTINATIONS_0_COPY_FROM=1,9", `SCRATCH_DESTINATIONS_0_COPY_FROM: destinations[0].copy_from[1]: no destination has the id "9"`},
		{"SCRATCH_UPLOADS_MAX_ROWS=0", "SCRATCH_UPLOADS_MAX_ROWS: uploads.max_rows: 0 is less than 1"},
	} {
		t.Run(tt.env, func(t *testing.T) {
			_, err := load(t, "", tt.env)
			wantMistakes(t, err, tt.want)
		})
	}
}

func TestEnvironmentOfSettings(t *testing.T) {
	cfg := mustLoad(t, "destinations:\n- {id: 1, type: duckdb, api_keys: [k], settings: {file: a, memory_limit: 1GB}}\n",
		"SCRATCH_DESTINATIONS_0_SETTINGS_FILE=/x/null", "SCRATCH_DESTINATIONS_0_SETTINGS_THREADS=3",
		"SCRATCH_DESTINATIONS_0_SETTINGS_IN_MEMORY=true", "SCRATCH_DESTINATIONS_0_SETTINGS_PASSWORD=null",
		"SCRATCH_QUEUE_SETTINGS_FILE=q.db")
	want := map[string]any{"file": "/x/null", "memory_limit": "1GB", "threads": 3, "in_memory": true, "password": "null"}
	if got := settings(t, cfg.Destinations[0].Settings); !reflect.DeepEqual(got, want) {
		t.Errorf("destination: got %v, want %v", got, want)
	}
	if got, want := settings(t, cfg.Queue.Settings), map[string]any{"file": "q.db"}; !reflect.DeepEqual(got, want) {
		t.Errorf("queue: got %v, want %v", got, want)
	}
}

func TestVariablesInValues(t *testing.T) {
	env := []string{"PORT=9000", "WORD=a: b # c", "NUMBER=12", "EMPTY=", "TRICK=x}\napi: {port: 1", "YES=true", "NOTHING=null"}
	cfg := mustLoad(t, `
api: {port: "${PORT}", host: "h-${WORD}-${EMPTY}t", healthcheck_fail_file: '$${PORT} $$ $5 ${TRICK}'}
uploads: {max_rows: "${NUMBER}${NUMBER}", enabled: "${YES}"}
queue:
  settings:
    a: "${WORD}"
    b: ["${TRICK}"]
    c: "${NUMBER}"
    d: ${NUMBER}
    e: ${YES}
    f: ${NOTHING}
    g: "x"
    h: ${EMPTY}
    i: ${WORD}
`, env...)
	want := Default()
	want.API.Port, want.API.Host = 9000, "h-a: b # c-t"
	want.API.HealthcheckFailFile = "${PORT} $$ $5 x}\napi: {port: 1"
	want.Uploads.MaxRows = 1212
	got := settings(t, cfg.Queue.Settings)
	wantSettings := map[string]any{"a": "a: b # c", "b": []any{"x}\napi: {port: 1"}, "c": "12", "d": 12, "e": true,
		"f": "null", "g": "x", "h": "", "i": "a: b # c"}
	if !reflect.DeepEqual(got, wantSettings) {
		t.Errorf("settings\n got %v\nwant %v", got, wantSettings)
	}
	same(t, cfg, want)
}

func TestVariables(t *testing.T) {
	names := Variables()
	for _, want := range []string{"SCRATCH_API_PORT", "SCRATCH_DATA_DIR", "SCRATCH_DESTINATIONS_N_API_KEYS",
		"SCRATCH_BLOB_STORE_SETTINGS_NAME", "SCRATCH_PROMETHEUS_PASSWORD"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing in %v", want, names)
		}
	}
	if distinct := slices.Compact(slices.Sorted(slices.Values(names))); len(distinct) != len(names) {
		t.Errorf("two keys have the same variable: %d names, %d of them distinct", len(names), len(distinct))
	}
}
