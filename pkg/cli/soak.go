package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/scratchdata/scratchdata/pkg/soak"
)

type soakCommand struct {
	Duration time.Duration `default:"1m" help:"How long the steady load lasts."`
	Workers  []int         `default:"1,4" help:"Counts of workers whose memory is compared. The last one gets the steady load."`
	Fill     int           `default:"300" help:"MB of rows that each server gets first, as fast as it takes them."`
	Rate     float64       `default:"4" help:"MB of rows a second, of the steady load."`
	Svg      string        `type:"path" help:"Where memory over time is drawn."`
	Config   string        `type:"existingfile" help:"The server's configuration. One of its destinations has the key local."`
	Dir      string        `type:"path" help:"An empty folder to work in. Without it one is made, and removed when all is well."`
}

// Run soaks this very program.
func (c *soakCommand) Run(ctx context.Context, e *env) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	dir, done, err := workFolder(c.Dir, "soak")
	if err != nil {
		return err
	}
	bounds := soak.DefaultBounds()
	if c.Config != "" {
		bounds = soak.PoolBounds()
	}
	report, err := soak.Run(ctx, soak.Config{Program: program, Dir: dir, Server: c.Config, Duration: c.Duration, Workers: c.Workers,
		Fill: int64(c.Fill) * 1e6, Rate: c.Rate * 1e6, Bounds: bounds, Seed: uint64(time.Now().UnixNano())}, e.stdout)
	report.Print(e.stdout)
	if c.Svg != "" {
		err = errors.Join(err, os.WriteFile(c.Svg, report.SVG(), 0o644))
	}
	if err == nil {
		for _, p := range report.Problems() {
			err = errors.Join(err, errors.New(p))
		}
	}
	if err != nil {
		return fmt.Errorf("soak: %w (the folder %s is kept)", err, dir)
	}
	return done()
}
