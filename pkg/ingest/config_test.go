package ingest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/rowid"
)

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(c *Config)
		want   []string // one a mistake, each in its own line
	}{
		{"defaults", func(*Config) {}, nil},
		{"the least", func(c *Config) {
			c.MaxBytes, c.MaxAge, c.MaxRows, c.FreeSpace, c.Inline, c.Memory, c.OpenFiles = 1, time.Millisecond, 1, 0, 0, 0, 1
		}, nil},
		{"the most rows", func(c *Config) { c.MaxRows = rowid.MaxFirst }, nil},
		{"no folder", func(c *Config) { c.Dir = "" }, []string{"dir:"}},
		{"bytes", func(c *Config) { c.MaxBytes = 0 }, []string{"max_bytes: 0"}},
		{"age", func(c *Config) { c.MaxAge = time.Millisecond - 1 }, []string{"max_age: 999.999µs"}},
		{"no rows", func(c *Config) { c.MaxRows = 0 }, []string{"max_rows: 0"}},
		{"more rows than a receipt can count", func(c *Config) { c.MaxRows = rowid.MaxFirst + 1 }, []string{"max_rows: 16777216"}},
		{"free space", func(c *Config) { c.FreeSpace = -1 }, []string{"free_space: -1"}},
		{"inline", func(c *Config) { c.Inline = -1 }, []string{"inline: -1"}},
		{"memory", func(c *Config) { c.Memory = -1 }, []string{"memory: -1"}},
		{"open files", func(c *Config) { c.OpenFiles = 0 }, []string{"open_files: 0"}},
		{"a destination's own", func(c *Config) { c.Per = map[string]Rotation{"d": {MaxRows: -1, MaxBytes: -2, MaxAge: -3}} },
			[]string{"destination d: max_bytes: -2", "destination d: max_age: -3", "destination d: max_rows: -1"}},
		{"a destination that has none", func(c *Config) { c.Per = map[string]Rotation{"d": {}} }, nil},
		{"everything", func(c *Config) { *c = Config{} },
			[]string{"dir:", "max_bytes:", "max_age:", "max_rows:", "open_files:", "key_window:", "max_keys:"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := DefaultConfig()
			c.Dir = "data"
			tt.change(&c)
			var got []string
			if err := c.Validate(); err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestOpenValidates(t *testing.T) {
	if _, err := Open(Config{}, rowid.NewSource(), newMemoryKeys(), quiet(), freshMetrics()); err == nil {
		t.Error("got a writer without settings, want an error")
	}
}
