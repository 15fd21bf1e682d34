package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// config is the settings of the driver that the tests open.
type config struct {
	File  string            `yaml:"file"`
	Count int               `yaml:"count"`
	Wait  time.Duration     `yaml:"wait"`
	Limit Size              `yaml:"limit"`
	Tags  map[string]string `yaml:"tags"`
	TLS   struct {
		On    bool   `yaml:"on"`
		File  string `yaml:"file"`
		Limit Size   `yaml:"limit"`
	} `yaml:"tls"`
	Hosts []struct {
		Name string `yaml:"name"`
		Port int    `yaml:"port"`
	} `yaml:"hosts"`
}

func defaults() config { return config{File: "a.db", Count: 1, Limit: 1 << 20} }

func (c config) Validate() error {
	var errs []error
	if c.Count < 0 {
		errs = append(errs, fmt.Errorf("count: %d is less than 0", c.Count))
	}
	if c.File == "" {
		errs = append(errs, errors.New("file: must not be empty"))
	}
	return errors.Join(errs...)
}

// port is what the tests' drivers give: their settings as text.
type port string

func open(_ context.Context, c config, log *slog.Logger) (port, error) {
	log.Info("opened")
	if c.File == "broken" {
		return "half open", errBroken
	}
	return port(fmt.Sprintf("%+v", c)), nil
}

var errBroken = errors.New("open broken: it is broken")

func drivers() Drivers[port] {
	return Drivers[port]{"file": Typed(defaults, open), "disk": Typed(defaults, open), "a": Typed(defaults, open)}
}

// section reads the key settings of a file.
func section(t *testing.T, text string) *yaml.Node {
	t.Helper()
	var file struct {
		Settings yaml.Node `yaml:"settings"`
	}
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	return &file.Settings
}

func TestOpen(t *testing.T) {
	with := func(change func(*config)) port {
		c := defaults()
		change(&c)
		return port(fmt.Sprintf("%+v", c))
	}
	unchanged := with(func(*config) {})
	for _, tt := range []struct {
		name, text string
		want       port
	}{
		{"no settings", "", unchanged},
		{"empty settings", "settings:\n", unchanged},
		{"null settings", "settings: ~\n", unchanged},
		{"no keys", "settings: {}\n", unchanged},
		{"only a comment", "settings:\n  # file: b.db\n", unchanged},
		{"one key", "settings: {count: 3}\n", with(func(c *config) { c.Count = 3 })},
		{"an empty value", "settings: {count: , file: b.db}\n", with(func(c *config) { c.File = "b.db" })},
		{"all kinds", "settings:\n  file: |-\n    b.db\n  wait: 1m30s\n  limit: 2KiB\n  tags: {any: key}\n  tls:\n    on: true\n  hosts: [{name: h, port: 1}, {name: i}]\n",
			with(func(c *config) {
				c.File, c.Wait, c.Limit, c.Tags, c.TLS.On = "b.db", 90*time.Second, 2048, map[string]string{"any": "key"}, true
				c.Hosts = append(c.Hosts, struct {
					Name string `yaml:"name"`
					Port int    `yaml:"port"`
				}{"h", 1}, struct {
					Name string `yaml:"name"`
					Port int    `yaml:"port"`
				}{"i", 0})
			})},
		{"text that looks like something else", "settings: {file: \"12\", tags: {a: 'true', b: \"# no\"}}\n", with(func(c *config) {
			c.File, c.Tags = "12", map[string]string{"a": "true", "b": "# no"}
		})},
		{"comments", "settings:\n  hosts: [{name: h}]   # each; more\n  file: b.db   # which\n  tags: {}   # none; why: x\n  # of rows\n  count: 3   # many\n", with(func(c *config) {
			c.File, c.Count, c.Tags = "b.db", 3, map[string]string{}
			c.Hosts = append(c.Hosts, struct {
				Name string `yaml:"name"`
				Port int    `yaml:"port"`
			}{"h", 0})
		})},
		{"an alias", "settings:\n  tags: &t {a: b}\n  file: &f c.db\n  tls: {file: *f}\n", with(func(c *config) {
			c.Tags, c.File, c.TLS.File = map[string]string{"a": "b"}, "c.db", "c.db"
		})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings := section(t, tt.text)
			if err := drivers().Check("file", settings); err != nil {
				t.Errorf("check: %v", err)
			}
			var log bytes.Buffer
			got, err := drivers().Open(t.Context(), "file", settings, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil || got != tt.want {
				t.Errorf("open\n got %s and %v\nwant %s", got, err, tt.want)
			}
			if !strings.Contains(log.String(), "opened") {
				t.Error("the driver did not get the log")
			}
		})
	}
}

func TestOpenOfNil(t *testing.T) {
	got, err := drivers().Open(t.Context(), "file", nil, slog.New(slog.DiscardHandler))
	if want := port(fmt.Sprintf("%+v", defaults())); err != nil || got != want {
		t.Errorf("got %s and %v, want %s", got, err, want)
	}
}

// TestMistakes checks what is said of a mistake, and that nothing is opened then.
func TestMistakes(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"not a mapping", "# one\nsettings: [a]\n", []string{"line 2: settings must be a mapping"}},
		{"text", "settings:\n\n  a.db\n", []string{"line 3: settings must be a mapping"}},
		{"unknown key", "settings:\n  file: b\n  fil: c\n", []string{"line 3: field fil is not a known key"}},
		{"another case", "settings:\n  File: b\n", []string{"line 2: field File is not a known key"}},
		{"every unknown key", "settings:\n  a: 1\n  file: b\n  c: 1\n", []string{
			"line 2: field a is not a known key", "line 4: field c is not a known key"}},
		{"after comments and empty lines", "settings: # of a driver\n\n  # the file\n  file: b # here\n\n  # more\n  # lines\n  c: 1\n",
			[]string{"line 8: field c is not a known key"}},
		{"on one line", "a: 1\nsettings: {file: b, c: 1}\n", []string{"line 2: field c is not a known key"}},
		{"in braces over lines", "settings: {\n  file: b,\n\n  c: 1,\n  tls: {\n    d: 1}}\n", []string{
			"line 4: field c is not a known key", "line 6: field d is not a known key"}},
		{"after text of many lines", "settings:\n  file: |\n    b\n    c\n\n    d\n  e: 1\n", []string{"line 7: field e is not a known key"}},
		{"after folded text", "settings:\n  file: \"b\n\n    c\"\n  e: 1\n", []string{"line 5: field e is not a known key"}},
		{"nested", "settings:\n  tls:\n    on: true\n\n    off: true\n  file: b\n", []string{"line 5: field off is not a known key"}},
		{"after nested", "settings:\n  tls:\n    on: true\n    # no\n    file: x\n  c: 1\n", []string{"line 6: field c is not a known key"}},
		{"in a list", "settings:\n  hosts:\n  - name: a\n\n  - name: b\n    port: 1\n    prt: 2\n  - {name: c,\n     pot: 3}\n", []string{
			"line 7: field prt is not a known key", "line 9: field pot is not a known key"}},
		{"of the wrong type", "settings:\n  file: b\n\n  count: many\n", []string{"line 4: cannot unmarshal !!str `many` into int"}},
		{"a mapping for a value", "settings:\n  file: b\n  count:\n    a: 1\n", []string{"line 4: cannot unmarshal !!map into int"}},
		{"a value for a mapping", "settings:\n  file: b\n  tls: yes\n", []string{"line 3: cannot unmarshal !!str `yes` into struct"}},
		{"a duration", "settings:\n\n  wait: 3 days\n", []string{"line 3: cannot unmarshal !!str `3 days` into time.Duration"}},
		{"a size", "settings:\n\n  # how much\n  limit: much\n  c: 1\n", []string{
			`line 4: "much" is not a size such as 64MiB`, "line 5: field c is not a known key"}},
		{"a nested size", "settings:\n  tls:\n    limit: [1]\n", []string{"line 3: a size such as 64MiB is wanted"}},
		{"a key twice", "settings:\n  file: b\n\n  file: c\n", []string{`line 4: mapping key "file" already defined at line 2`}},
		{"a value that talks of lines", "# one\nsettings:\n  count: 'line 2: '\n", []string{"line 3: cannot unmarshal !!str `line 2: ` into int"}},
		{"the driver's own rules", "settings: {count: -1, file: ''}\n", []string{"count: -1 is less than 0", "file: must not be empty"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings := section(t, tt.text)
			before, err := yaml.Marshal(settings)
			if err != nil {
				t.Fatal(err)
			}
			wantLines(t, "check", drivers().Check("file", settings), tt.want)
			got, err := drivers().Open(t.Context(), "file", settings, slog.New(panics{}))
			wantLines(t, "open", err, tt.want)
			if got != "" {
				t.Errorf("open: got %q, want nothing", got)
			}
			if after, err := yaml.Marshal(settings); err != nil || !bytes.Equal(after, before) {
				t.Errorf("the settings were changed\nfrom %s\nto   %s", before, after)
			}
		})
	}
}

// panics is a log that nobody may write to.
type panics struct{ slog.Handler }

func (panics) Enabled(context.Context, slog.Level) bool { panic("it was opened") }

// wantLines holds that err has a line that begins as each of want, in this order.
func wantLines(t *testing.T, what string, err error, want []string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: got no error, want %q", what, want)
		return
	}
	got := strings.Split(err.Error(), "\n")
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("%s\n got %q\nwant %q", what, got, want)
	}
}

// TestLinesOfTheEnvironment has nodes that no file holds: their lines are less than 0.
func TestLinesOfTheEnvironment(t *testing.T) {
	settings := section(t, "settings:\n  file: b\n")
	settings.Content = append(settings.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "colour", Line: -7},
		&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "red", Line: -7})
	wantLines(t, "check", drivers().Check("file", settings), []string{"line -7: field colour is not a known key"})
}

func TestUnknownTypeListsTheKnown(t *testing.T) {
	want := []string{`type "kafka" is not known: it is one of a, disk, file`}
	wantLines(t, "check", drivers().Check("kafka", nil), want)
	got, err := drivers().Open(t.Context(), "kafka", nil, slog.New(panics{}))
	wantLines(t, "open", err, want)
	if got != "" {
		t.Errorf("open: got %q, want nothing", got)
	}
	wantLines(t, "no type", drivers().Check("", nil), []string{`type "" is not known: `})
}

func TestNames(t *testing.T) {
	if got, want := drivers().Names(), []string{"a", "disk", "file"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (Drivers[port])(nil).Names(); len(got) != 0 {
		t.Errorf("of none: got %q, want none", got)
	}
}

func TestOpenGivesTheDriversOwnError(t *testing.T) {
	settings := section(t, "settings: {file: broken}\n")
	if err := drivers().Check("file", settings); err != nil {
		t.Errorf("check opens nothing: got %v, want no mistake", err)
	}
	if _, err := drivers().Open(t.Context(), "file", settings, slog.New(slog.DiscardHandler)); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want %v", err, errBroken)
	}
}

// TestDefaultsAreMadeAnew opens twice: what one opening reads is not the default of the next.
func TestDefaultsAreMadeAnew(t *testing.T) {
	d := drivers()
	if err := d.Check("file", section(t, "settings: {count: 9, tags: {a: b}}\n")); err != nil {
		t.Fatal(err)
	}
	got, err := d.Open(t.Context(), "file", nil, slog.New(slog.DiscardHandler))
	if want := port(fmt.Sprintf("%+v", defaults())); err != nil || got != want {
		t.Errorf("got %s and %v, want %s", got, err, want)
	}
}
