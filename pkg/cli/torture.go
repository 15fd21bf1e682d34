package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/torture"
)

type tortureCommand struct {
	Duration time.Duration `default:"1m" help:"How long the server is loaded and killed."`
	Clients  int           `default:"8" help:"How many clients insert at a time."`
	Seed     uint64        `help:"Of the kills and the sizes; 0 draws one. The run prints it."`
	Dir      string        `type:"path" help:"An empty folder to work in. Without it one is made, and removed when all is well."`
	Config   string        `type:"path" help:"A configuration whose blob_store, queue, database and first destination are on servers, and empty: then there are several nodes, which share them."`
	APIs     int           `name:"apis" default:"3" help:"With --config: how many nodes take rows."`
	Workers  int           `default:"2" help:"With --config: how many nodes load them."`
}

// Run tortures this very program: as one process, or as nodes that share servers.
func (c *tortureCommand) Run(ctx context.Context, e *env) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if c.Config != "" {
		if err := c.check(e); err != nil {
			return err
		}
	}
	dir, done, err := workFolder(c.Dir, "torture")
	if err != nil {
		return err
	}
	if c.Seed == 0 {
		c.Seed = uint64(time.Now().UnixNano())
	}
	cfg := torture.Config{Program: program, Dir: dir, Duration: c.Duration, Clients: c.Clients, Seed: c.Seed,
		Nodes: torture.Nodes{Config: c.Config, APIs: c.APIs, Loads: c.Workers}}
	account, err := torture.Run(ctx, cfg, e.stdout)
	fmt.Fprintln(e.stdout, account)
	if err == nil && !account.OK() {
		err = errors.New("a promise was broken, or nothing was tried")
	}
	if err != nil {
		return fmt.Errorf("torture with seed %d: %w (the folder %s is kept)", c.Seed, err, dir)
	}
	return done()
}

// check says what is wrong with the configuration of several nodes, which is also what each would have for itself.
func (c *tortureCommand) check(e *env) error {
	cfg, err := e.load(c.Config)
	if err != nil {
		return err
	}
	mistakes := &config.Mistakes{File: c.Config}
	for _, s := range [...]struct{ path, driver string }{{"blob_store.type", cfg.BlobStore.Type}, {"queue.type", cfg.Queue.Type},
		{"database.type", cfg.Database.Type}, {"destinations[0].type", cfg.Destinations[0].Type}} {
		if slices.Contains([]string{"local", "memory", "sqlite", "duckdb"}, s.driver) {
			mistakes.Add(cfg.Mistake(s.path, "%s is for one node: nodes share what is on a server", s.driver))
		}
	}
	return mistakes.Err()
}

// workFolder gives the folder to work in: the named one, which is kept, or a new one, which done removes.
func workFolder(named, purpose string) (dir string, done func() error, err error) {
	if named != "" {
		return named, func() error { return nil }, os.MkdirAll(named, 0o755)
	}
	dir, err = os.MkdirTemp("", "scratchdata-"+purpose+"-")
	return dir, func() error { return os.RemoveAll(dir) }, err
}
