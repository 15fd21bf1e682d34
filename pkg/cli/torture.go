package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/scratchdata/scratchdata/pkg/torture"
)

type tortureCommand struct {
	Duration time.Duration `default:"1m" help:"How long the server is loaded and killed."`
	Clients  int           `default:"8" help:"How many clients insert at a time."`
	Seed     uint64        `help:"Of the kills and the sizes; 0 draws one. The run prints it."`
	Dir      string        `type:"path" help:"An empty folder to work in. Without it one is made, and removed when all is well."`
}

// Run tortures this very program.
func (c *tortureCommand) Run(ctx context.Context, e *env) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	dir, done, err := workFolder(c.Dir, "torture")
	if err != nil {
		return err
	}
	if c.Seed == 0 {
		c.Seed = uint64(time.Now().UnixNano())
	}
	cfg := torture.Config{Program: program, Dir: dir, Duration: c.Duration, Clients: c.Clients, Seed: c.Seed}
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

// workFolder gives the folder to work in: the named one, which is kept, or a new one, which done removes.
func workFolder(named, purpose string) (dir string, done func() error, err error) {
	if named != "" {
		return named, func() error { return nil }, os.MkdirAll(named, 0o755)
	}
	dir, err = os.MkdirTemp("", "scratchdata-"+purpose+"-")
	return dir, func() error { return os.RemoveAll(dir) }, err
}
