package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/control/sqlite"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// run runs a command line and gives its exit code and what it printed.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Run(t.Context(), args, &out, &errs, "v9.9.9", noHangups)
	return code, out.String(), errs.String()
}

func noHangups() <-chan os.Signal { return nil }

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestCommandLine(t *testing.T) {
	t.Setenv("SCRATCH_DATA_DIR", t.TempDir())
	good := writeConfig(t, "api: {port: 1}\n")
	bad := writeConfig(t, "api: {prot: 1}\nqueue: {type: kafka}\n")
	for _, tt := range []struct {
		name string
		args []string
		code int
		out  []string // what stdout has
		errs []string // what stderr has
	}{
		{"version", []string{"version"}, 0, []string{"scratchdata v9.9.9 go1."}, nil},
		{"help", []string{"--help"}, 0, []string{"Usage: scratchdata", "check", "dead", "health", "torture", "bench", "version"}, nil},
		{"help of a command", []string{"dead", "--help"}, 0, []string{"ls", "show", "replay", "drop", "--config"}, nil},
		{"check of a good one", []string{"check", good}, 0, []string{good + " is well"}, nil},
		{"check of the defaults", []string{"check"}, 0, []string{"the default configuration is well"}, nil},
		{"check of a bad one", []string{"check", bad}, 2, nil, []string{"2 mistakes", "line 1: api.prot", "line 2: queue.type"}},
		{"check of none", []string{"check", good + ".none"}, 2, nil, []string{"no such file"}},
		{"serve a bad one", []string{bad}, 2, nil, []string{"2 mistakes", "line 1: api.prot"}},
		{"serve none", []string{good + ".none"}, 2, nil, []string{"no such file"}},
		{"torture of nodes that share nothing", []string{"torture", "--config", good}, 2, nil,
			[]string{"4 mistakes", "blob_store.type", "queue.type", "database.type", "destinations[0].type: duckdb is for one node"}},
		{"torture of nodes with a bad one", []string{"torture", "--config", bad}, 2, nil, []string{"2 mistakes", "line 1: api.prot"}},
		{"unknown flag", []string{"--colour"}, 2, nil, []string{"unknown flag --colour", "--help"}},
		{"too many arguments", []string{good, "other"}, 2, nil, []string{"unexpected argument other"}},
		{"dead without a command", []string{"dead"}, 2, nil, []string{"expected one of"}},
		{"show without an id", []string{"dead", "show"}, 2, nil, []string{"<id>"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := run(t, tt.args...)
			if code != tt.code {
				t.Errorf("exit code: got %d, want %d\n%s%s", code, tt.code, out, errs)
			}
			for _, want := range tt.out {
				if !strings.Contains(out, want) {
					t.Errorf("stdout: got %q, want %q in it", out, want)
				}
			}
			for _, want := range tt.errs {
				if !strings.Contains(errs, want) {
					t.Errorf("stderr: got %q, want %q in it", errs, want)
				}
			}
			if tt.code != 0 && out != "" {
				t.Errorf("stdout: got %q, want nothing", out)
			}
		})
	}
}

func TestVersionWithoutOneGiven(t *testing.T) {
	if got := versionText(""); got == "" {
		t.Error("got nothing, want what Go noted of the source")
	}
	if got := versionText("v1"); got != "v1" {
		t.Errorf("got %q, want v1", got)
	}
}

// Without a command the program serves, until its context ends.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	for name, value := range map[string]string{"DATA_DIR": dir, "API_PORT": "0", "PROMETHEUS_ENABLED": "false",
		"UPLOADS_FREE_SPACE_REQUIRED": "0", "WORKERS_FREE_SPACE_REQUIRED": "0"} {
		t.Setenv(config.Prefix+name, value)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	code := make(chan int, 1)
	var errs bytes.Buffer
	go func() {
		code <- Run(ctx, nil, in, &errs, "v1", noHangups)
		_ = in.Close()
	}()
	hello := make([]byte, 1<<10)
	n, err := out.Read(hello)
	if err != nil {
		t.Fatalf("the server did not start: %d: %s", <-code, errs.String())
	}
	if got := string(hello[:n]); !strings.Contains(got, "http://127.0.0.1:") || !strings.Contains(got, dir) {
		t.Errorf("got %q, want the address and the folder", got)
	}
	stop()
	if got := <-code; got != 0 {
		t.Errorf("exit code: got %d, want 0\n%s", got, errs.String())
	}
	for _, want := range []string{"msg=starting version=v1", "msg=stopping", "msg=stopped"} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("log: got %s, want %q in it", errs.String(), want)
		}
	}
}

// A hangup has the server read its file again, with the environment it began with.
func TestServeReloads(t *testing.T) {
	name := writeConfig(t, "destinations: [{id: 1, type: duckdb, api_keys: [first]}]\n")
	for key, value := range map[string]string{"DATA_DIR": t.TempDir(), "API_PORT": "0", "PROMETHEUS_ENABLED": "false"} {
		t.Setenv(config.Prefix+key, value)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	hangups := make(chan os.Signal)
	out, in := io.Pipe()
	code := make(chan int, 1)
	var errs bytes.Buffer // read when Run has returned
	go func() {
		code <- Run(ctx, []string{name}, in, &errs, "v1", func() <-chan os.Signal { return hangups })
		_ = in.Close()
	}()
	hello := make([]byte, 1<<10)
	if _, err := out.Read(hello); err != nil {
		t.Fatalf("the server did not start: %d: %s", <-code, errs.String())
	}
	for _, text := range []string{"destinations: [", "destinations: [{id: 1, type: duckdb, api_keys: [second, third]}]\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second is taken when the first is done
			hangups <- syscall.SIGHUP
		}
	}
	stop()
	if got := <-code; got != 0 {
		t.Errorf("exit code: got %d, want 0\n%s", got, errs.String())
	}
	for _, want := range []string{"not YAML", "nothing has changed", "destination=1 added=2 removed=1", "changes=1 failed=0"} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("log: got %s, want %q in it", errs.String(), want)
		}
	}
}

func TestHealth(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		code   int
		out    string
	}{
		{"well", http.StatusOK, `{"status":"ok"}`, 0, `{"status":"ok"}`},
		{"not well", http.StatusServiceUnavailable, `{"status":"failing","reasons":["disk low"]}`, 1, "disk low"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/healthcheck" {
					t.Errorf("asked for %s, want /healthcheck", r.URL.Path)
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}))
			defer srv.Close()
			u, err := url.Parse(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv("SCRATCH_API_PORT", u.Port())
			code, out, errs := run(t, "health")
			if code != tt.code || !strings.Contains(out, tt.out) {
				t.Errorf("got code %d, %q %q; want %d, %q", code, out, errs, tt.code, tt.out)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		t.Setenv("SCRATCH_API_PORT", freePort(t))
		if code, _, errs := run(t, "health"); code != exitFailed || !strings.Contains(errs, "does not answer") {
			t.Errorf("got %d %q, want %d and that it does not answer", code, errs, exitFailed)
		}
	})
}

func TestHealthURL(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*config.Config)
		want string
	}{
		{"default", func(*config.Config) {}, "http://127.0.0.1:8080/healthcheck"},
		{"every address", func(c *config.Config) { c.API.Host = "0.0.0.0" }, "http://127.0.0.1:8080/healthcheck"},
		{"every address, IPv6", func(c *config.Config) { c.API.Host = "::" }, "http://[::1]:8080/healthcheck"},
		{"a name", func(c *config.Config) { c.API.Host, c.API.Port = "db.local", 9 }, "http://db.local:9/healthcheck"},
		{"no API", func(c *config.Config) { c.API.Enabled = false }, "http://127.0.0.1:2112/metrics"},
		{"nothing to ask", func(c *config.Config) { c.API.Enabled, c.Prometheus.Enabled = false, false }, ""},
		{"a port that nobody knows", func(c *config.Config) { c.API.Port = 0 }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config.Default()
			tt.set(&cfg)
			got, err := healthURL(cfg)
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("got %q %v, want %q", got, err, tt.want)
			}
		})
	}
}

// bury makes a dead batch in dir's records and gives its id.
func bury(t *testing.T, dir, reason string) string {
	t.Helper()
	cfg := sqlite.DefaultConfig()
	cfg.File = filepath.Join(dir, "control.db")
	store, err := sqlite.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close() //nolint:errcheck // of a test
	table, err := schema.ParseTable("orders")
	if err != nil {
		t.Fatal(err)
	}
	const id = "01K0000000000000000000000Z"
	message, err := json.Marshal(map[string]any{"v": 1, "batch": id, "destination": "1", "table": "orders", "key": "1/orders/" + id + ".ndjson", "rows": 3})
	if err != nil {
		t.Fatal(err)
	}
	b := control.Batch{ID: id, Destination: "1", Table: table, State: control.StateShipped, Rows: 3, Bytes: 99, Message: message, Created: time.Now()}
	if _, err := store.Batches().Attempt(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := store.Batches().Settle(t.Context(), id, control.Outcome{State: control.StateDead, Reason: reason}); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestDead(t *testing.T) {
	dir := t.TempDir()
	name := writeConfig(t, "data_dir: "+dir+"\n")
	dead := func(want int, args ...string) string {
		t.Helper()
		code, out, errs := run(t, append([]string{"dead", "--config", name}, args...)...)
		if code != want {
			t.Fatalf("dead %v: got code %d %s %s, want %d", args, code, out, errs, want)
		}
		return out + errs
	}
	if got := dead(0, "ls"); got != "no dead batches\n" {
		t.Errorf("ls: got %q", got)
	}
	id := bury(t, dir, "the column \"a\" is gone\nsecond line")
	if got := dead(0, "ls"); !strings.Contains(got, id) || !strings.Contains(got, "orders") || !strings.Contains(got, "is gone") || strings.Contains(got, "second") {
		t.Errorf("ls: got %q, want the batch and the first line of its reason", got)
	}
	if got := dead(0, "ls", "--destination", "other"); got != "no dead batches\n" {
		t.Errorf("ls of another destination: got %q", got)
	}
	if got := dead(0, "show", id); !strings.Contains(got, "second line") || !strings.Contains(got, "3") {
		t.Errorf("show: got %q, want all of the reason", got)
	}
	dead(exitFailed, "show", "01K00000000000000000000000")
	dead(exitFailed, "replay", "01K00000000000000000000000")
	dead(0, "replay", id)
	dead(0, "drop", id)
	if got := dead(0, "ls"); got != "no dead batches\n" {
		t.Errorf("ls after drop: got %q", got)
	}
	dead(exitFailed, "drop", id)
}

func TestDeadInMemory(t *testing.T) {
	name := writeConfig(t, "data_dir: "+t.TempDir()+"\nqueue: {type: memory}\n")
	code, _, errs := run(t, "dead", "ls", "--config", name)
	if code != exitFailed || !strings.Contains(errs, "queue") || !strings.Contains(errs, "/api/dead") {
		t.Errorf("got %d %q, want a hint at the API", code, errs)
	}
}

func TestDeadWhereNoServerEverWas(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	code, _, errs := run(t, "dead", "ls", "--config", writeConfig(t, "data_dir: "+dir+"\n"))
	if code != exitUsage || !strings.Contains(errs, dir) {
		t.Errorf("got %d %q, want that there is no such folder", code, errs)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder was made")
	}
}

func TestOneLine(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"short", "short"},
		{"two\nlines", "two …"},
		{strings.Repeat("ä", 50), strings.Repeat("ä", 40) + " …"},
	} {
		if got := oneLine(tt.in); got != tt.want {
			t.Errorf("oneLine(%q): got %q, want %q", tt.in, got, tt.want)
		}
	}
}
