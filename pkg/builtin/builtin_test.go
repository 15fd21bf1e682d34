package builtin

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	bloblocal "github.com/scratchdata/scratchdata/pkg/blobstore/local"
	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/control/sqlite"
	"github.com/scratchdata/scratchdata/pkg/destination/clickhouse"
	"github.com/scratchdata/scratchdata/pkg/destination/duckdb"
	queuelocal "github.com/scratchdata/scratchdata/pkg/queue/local"
)

// load reads text, which must have no mistake of its own.
func load(t *testing.T, text string, environ ...string) config.Config {
	t.Helper()
	name := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(name, environ)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestCheck(t *testing.T) {
	const dest = "destinations:\n- {id: 1, api_keys: [k], "
	for _, tt := range []struct {
		name    string
		text    string
		environ []string
		want    []string
	}{
		{"defaults", "", nil, nil},
		{"memory", "queue: {type: memory}\nblob_store: {type: memory}\n" + dest + "type: duckdb, settings: {in_memory: true}}", nil, nil},
		{"a database elsewhere", "database: {type: postgres, settings: {dsn: 'postgres://u:p@h/d'}}", []string{"SCRATCH_DATABASE_SETTINGS_SCHEMA=s"}, nil},
		{"a database nowhere", "database:\n  type: postgres\n  settings:\n    max_open_conns: 0\n", nil, []string{
			"line 3: database.settings.dsn: must not be empty: it is like postgres://user:password@host:5432/database",
			"line 4: database.settings.max_open_conns: 0 is less than 1",
		}},
		{"a server of files", "blob_store: {type: sftp, settings: {host: h, user: u, password: p, insecure_host_key: true}}", nil, nil},
		{"another server of files", "blob_store:\n  type: ftp\n  settings:\n    host: h\n    user: u\n    tls: maybe\n", nil, []string{
			`line 6: blob_store.settings.tls: "maybe" is none of explicit, implicit and none`,
		}},
		{"unknown types name the known", "queue: {type: kafka}\nblob_store:\n  type: s4\ncache: {type: redi}\nvault: {type: box}\ndatabase: {type: oracle}\n" + dest + "type: mysql}", nil, []string{
			`line 1: queue.type: "kafka" is not known: it is one of local, memory, postgres, rabbitmq, redis, sqs`,
			`line 3: blob_store.type: "s4" is not known: it is one of ftp, gcs, local, memory, s3, sftp`,
			`line 4: cache.type: "redi" is not known: it is one of memory`,
			`line 5: vault.type: "box" is not known: it is one of memory`,
			`line 6: database.type: "oracle" is not known: it is one of postgres, sqlite`,
			`line 8: destinations[0].type: "mysql" is not known: it is one of clickhouse, duckdb, ingest_only`,
		}},
		{"no type", dest + "name: n}", nil, []string{`line 2: destinations[0].type: "" is not known: it is one of clickhouse, duckdb, ingest_only`}},
		{"taking rows only", "workers: {enabled: false}\n" + dest + "type: ingest_only}", nil, nil},
		{"workers that cannot load", dest + "type: ingest_only}", nil,
			[]string{"line 2: destinations[0].type: ingest_only is for nodes whose workers are off: these could not load into it"}},
		{"unknown setting", dest + "type: duckdb,\n  settings: {\n    file: a,\n    colour: red}}", nil,
			[]string{"line 5: destinations[0].settings: field colour is not a known key"}},
		{"a setting's own rule", dest + "type: duckdb,\n  settings: {\n    file: a,\n    threads: -1,\n    memory_limit: much}}", nil, []string{
			"line 5: destinations[0].settings.threads: -1 is less than 0",
			`line 6: destinations[0].settings.memory_limit: "much" is not a size such as 192MiB`,
		}},
		{"settings that are none", dest + "type: duckdb, settings: [a]}", nil,
			[]string{"line 2: destinations[0].settings: settings must be a mapping"}},
		{"settings of what has none", "cache:\n  settings: {a: 1}\n", nil,
			[]string{"line 2: cache.settings: the type memory has no settings"}},
		{"from the environment", "", []string{"SCRATCH_QUEUE_TYPE=kafka", "SCRATCH_DESTINATIONS_0_SETTINGS_COLOUR=red", "SCRATCH_DATABASE_SETTINGS_FILE="}, []string{
			`SCRATCH_QUEUE_TYPE: queue.type: "kafka" is not known: it is one of local, memory, postgres, rabbitmq, redis, sqs`,
			"SCRATCH_DATABASE_SETTINGS_FILE: database.settings.file: ",
			"SCRATCH_DESTINATIONS_0_SETTINGS_COLOUR: destinations[0].settings: field colour is not a known key",
		}},
		{"a rule, from the environment", "", []string{"SCRATCH_DESTINATIONS_0_SETTINGS_THREADS=-2"},
			[]string{"SCRATCH_DESTINATIONS_0_SETTINGS_THREADS: destinations[0].settings.threads: -2 is less than 0"}},
		{"one file twice", dest + "type: duckdb}\n- {id: 2, type: duckdb, settings: {file: ./data/../data/data.duckdb}}\n", nil,
			[]string{"line 3: destinations[1].settings.file: "}},
		{"queues on servers", "queue: {type: rabbitmq, settings: {url: \"amqp://u:p@host\"}}\n", nil, nil},
		{"queues in databases", "queue: {type: postgres, settings: {dsn: \"postgres://u:p@host/db\"}}\n", nil, nil},
		{"a queue's own rules", "queue:\n  type: rabbitmq\n  settings:\n    type: stream\n", nil, []string{
			"line 3: queue.settings.url: must not be empty: amqp://user:password@host:5672/vhost",
			`line 4: queue.settings.type: "stream" is not quorum or classic`}},
		{"two files", dest + "type: duckdb}\n- {id: 2, type: duckdb, settings: {file: b}}\n- {id: 3, type: duckdb, settings: {in_memory: true}}\n", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := load(t, tt.text, tt.environ...)
			found := List(cfg.DataDir).Check(&cfg)
			if len(found) != len(tt.want) {
				t.Fatalf("got %d mistakes %v, want %d", len(found), found, len(tt.want))
			}
			slices.SortStableFunc(found, func(a, b config.Mistake) int { return a.Line - b.Line })
			for i, m := range found {
				if got, want := m.String(), tt.want[i]; got != want && (!strings.HasSuffix(want, " ") || !strings.HasPrefix(got, want)) {
					t.Errorf("mistake %d\n got %s\nwant %s", i, got, want)
				}
			}
		})
	}
}

func TestFleeting(t *testing.T) {
	for settings, want := range map[string]bool{"": false, "settings: {file: a}": false, "settings: {in_memory: true}": true,
		"settings: {in_memory: maybe}": false} {
		cfg := load(t, "destinations: [{id: 1, type: duckdb, api_keys: [k], "+settings+"}]\n")
		if got := List("data").Fleeting(&cfg.Destinations[0]); got != want {
			t.Errorf("%s: got %t, want %t", settings, got, want)
		}
	}
	cfg := load(t, "destinations: [{id: 1, type: other, api_keys: [k], settings: {in_memory: true}}]\n")
	if List("data").Fleeting(&cfg.Destinations[0]) {
		t.Error("another driver's: got that it is fleeting")
	}
}

func TestUnknownTypeOpensNothing(t *testing.T) {
	_, err := List(t.TempDir()).Queues.Open(context.Background(), "kafka", nil, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "local, memory, postgres, rabbitmq, redis, sqs") {
		t.Errorf("got %v, want an error that lists the known types", err)
	}
}

// What is kept on this machine is below data_dir unless the settings say otherwise.
func TestLocalDriversKeepToTheDataFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d, ctx, log := List(dir), context.Background(), slog.New(slog.DiscardHandler)
	blobs, err1 := d.BlobStores.Open(ctx, "local", nil, log)
	q, err2 := d.Queues.Open(ctx, "local", nil, log)
	store, err3 := d.Databases.Open(ctx, "sqlite", nil, log)
	dest, err4 := d.Destinations.Open(ctx, "duckdb", nil, log)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"blobs", "queue.db", "control.db", "data.duckdb"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := errors.Join(dest.Close(), blobs.Close(), q.Close(), store.Close()); err != nil {
		t.Error(err)
	}
}

// config.yaml.example must hold every setting of every driver with its default.
func TestExampleHasEverySetting(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "config.yaml.example"))
	if err != nil {
		t.Fatal(err)
	}
	open := regexp.MustCompile(`(?m)^( *)#([a-z_]+:)`).ReplaceAllString(string(text), "$1$2")
	open = regexp.MustCompile(`(?m)^  # ( *(?:- )?[a-z_]+:.*)$`).ReplaceAllString(open, "  $1") // the second destination
	cfg := load(t, open)
	if found := List("./data").Check(&cfg); len(found) > 0 {
		t.Fatalf("mistakes: %v", found)
	}
	check := func(path string, settings yaml.Node, got, want any) {
		t.Helper()
		if err := settings.Decode(got); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if g, w := reflect.ValueOf(got).Elem().Interface(), want; !reflect.DeepEqual(g, w) {
			t.Errorf("%s\n got %+v\nwant %+v", path, g, w)
		}
		var keys map[string]any
		if err := settings.Decode(&keys); err != nil {
			t.Error(err)
		}
		for i := range reflect.TypeOf(want).NumField() {
			if key := reflect.TypeOf(want).Field(i).Tag.Get("yaml"); keys[key] == nil {
				t.Errorf("%s: the example has no %s", path, key)
			}
		}
	}
	check("destinations[0].settings", cfg.Destinations[0].Settings, &duckdb.Config{}, duckdb.DefaultConfig())
	check("destinations[1].settings", cfg.Destinations[1].Settings, &clickhouse.Config{}, clickhouse.DefaultConfig())
	check("blob_store.settings", cfg.BlobStore.Settings, &bloblocal.Config{}, bloblocal.DefaultConfig())
	check("queue.settings", cfg.Queue.Settings, &queuelocal.Config{}, queuelocal.DefaultConfig())
	check("database.settings", cfg.Database.Settings, &sqlite.Config{}, sqlite.DefaultConfig())
}
