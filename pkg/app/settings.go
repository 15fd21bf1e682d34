package app

import (
	"cmp"
	"path/filepath"
	"time"

	"github.com/scratchdata/scratchdata/pkg/builtin"
	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/copier"
	"github.com/scratchdata/scratchdata/pkg/flatten"
	"github.com/scratchdata/scratchdata/pkg/httpapi"
	"github.com/scratchdata/scratchdata/pkg/ingest"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

// Load reads the configuration file name, or none when name is empty, with the environment over it, and gives every
// mistake at once, those in the drivers' settings too.
func Load(name string, environ []string) (config.Config, error) {
	cfg, err := config.Load(name, environ)
	var mistakes *config.Mistakes
	switch m, ok := err.(*config.Mistakes); {
	case ok:
		mistakes = m
	case err != nil:
		return cfg, err
	default:
		mistakes = &config.Mistakes{File: name}
	}
	mistakes.Add(builtin.List(cfg.DataDir).Check(&cfg)...)
	return cfg, mistakes.Err()
}

// What follows turns the operator's configuration into that of each part.

func ingestConfig(c config.Config) ingest.Config {
	u := c.Uploads
	cfg := ingest.DefaultConfig()
	cfg.Dir = filepath.Join(c.DataDir, "ingest")
	cfg.MaxBytes, cfg.MaxAge, cfg.MaxRows = int64(u.MaxFileSize), u.MaxFileAge, u.MaxRows
	cfg.FreeSpace = int64(u.FreeSpaceRequired)
	cfg.Inline, cfg.Memory, cfg.OpenFiles = int64(u.InlineSize), int64(u.Memory), u.OpenFiles
	cfg.Limits = flatten.Limits{Depth: c.Limits.Depth, Columns: c.Limits.Columns, RowBytes: int(c.Limits.RowBytes),
		Rows: c.Limits.Rows, Tables: c.Limits.Tables}
	cfg.KeyWindow, cfg.MaxKeys = u.IdempotencyWindow, u.IdempotencyKeys
	cfg.Per = rotationsOf(c)
	return cfg
}

// rotationsOf gives the limits of batches that destinations have for themselves, by their ids.
func rotationsOf(c config.Config) map[string]ingest.Rotation {
	per := make(map[string]ingest.Rotation)
	for _, d := range c.Destinations {
		per[d.ID] = ingest.Rotation{MaxBytes: int64(d.MaxFileSize), MaxAge: d.MaxFileAge, MaxRows: d.MaxRows}
	}
	return per
}

func workersConfig(c config.Config) transport.WorkersConfig {
	cfg := transport.DefaultWorkersConfig()
	cfg.Count, cfg.Lease, cfg.MaxAttempts = c.Workers.Count, c.Workers.Lease, c.Workers.MaxAttempts
	cfg.FreeSpace, cfg.Dir = int64(c.Workers.FreeSpaceRequired), c.DataDir
	return cfg
}

func copierConfig(c config.Config) copier.WorkerConfig {
	return copier.WorkerConfig{Concurrent: c.Workers.Copies, Lease: copyLease, Every: copyEvery, RowBytes: 2 * int(c.Limits.RowBytes)}
}

// How long a copy waits for another process when its own has died, and how often one says that it lives.
const (
	copyLease = 10 * time.Second
	copyEvery = time.Second
)

// queryLimits gives the limits of queries: the common ones, and by destination where it has its own.
func queryLimits(c config.Config) (common query.Limits, own map[string]query.Limits) {
	own = make(map[string]query.Limits)
	for _, d := range c.Destinations {
		if d.Query == (config.Query{}) {
			continue
		}
		own[d.ID] = limitsOf(config.Query{
			Timeout:    cmp.Or(d.Query.Timeout, c.Query.Timeout),
			Concurrent: cmp.Or(d.Query.Concurrent, c.Query.Concurrent),
			MaxRows:    cmp.Or(d.Query.MaxRows, c.Query.MaxRows),
			MaxBytes:   cmp.Or(d.Query.MaxBytes, c.Query.MaxBytes),
		})
	}
	return limitsOf(c.Query), own
}

func limitsOf(q config.Query) query.Limits {
	return query.Limits{Timeout: q.Timeout, Concurrent: q.Concurrent, Rows: q.MaxRows, Bytes: int64(q.MaxBytes)}
}

func apiConfig(c config.Config) httpapi.Config {
	cfg := httpapi.DefaultConfig()
	cfg.ReadOnly, cfg.CORSOrigins, cfg.FailFile = c.API.ReadOnly, c.API.CORSOrigins, c.API.HealthcheckFailFile
	cfg.MaxBody, cfg.MaxDecoded = int64(c.Limits.BodyBytes), int64(c.Limits.DecodedBytes)
	cfg.ReadTimeout, cfg.WriteTimeout = c.Timeouts.Read, c.Timeouts.Write
	return cfg
}

// keysOf gives each API key with its destination's id.
func keysOf(c config.Config) map[secret.String]string {
	keys := make(map[secret.String]string)
	for _, d := range c.Destinations {
		for _, k := range d.APIKeys {
			keys[k] = d.ID
		}
	}
	return keys
}
