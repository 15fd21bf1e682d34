package cli

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/scratchdata/scratchdata/pkg/app"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

type deadCommand struct {
	Config string `name:"config" type:"path" placeholder:"FILE" help:"The server's configuration. The server may be running."`

	Ls     deadList   `cmd:"" help:"List the dead batches, oldest first."`
	Show   deadShow   `cmd:"" help:"Show one dead batch."`
	Replay deadReplay `cmd:"" help:"Let the workers try a dead batch again."`
	Drop   deadDrop   `cmd:"" help:"Remove a dead batch and its rows for good."`
}

// AfterApply gives the commands below what holds the dead batches.
func (c *deadCommand) AfterApply(e *env) error {
	e.deadConfig = c.Config
	return nil
}

// withGraves opens the dead batches for do.
func (e *env) withGraves(ctx context.Context, do func(*transport.Graves) error) (err error) {
	cfg, err := e.load(e.deadConfig)
	if err != nil {
		return err
	}
	cfg.Logging.Level = "warn" // what a server would say about opening its stores is not the answer
	graves, closeAll, err := app.OpenGraves(ctx, cfg, e.log(cfg))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	return do(graves)
}

type deadList struct {
	Destination string `help:"Only those of the destination with this id."`
}

// Run lists.
func (c *deadList) Run(ctx context.Context, e *env) error {
	return e.withGraves(ctx, func(g *transport.Graves) error {
		batches, err := g.List(ctx, c.Destination)
		if err != nil {
			return err
		}
		if len(batches) == 0 {
			_, err := fmt.Fprintln(e.stdout, "no dead batches")
			return err
		}
		w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "BATCH\tDESTINATION\tTABLE\tROWS\tATTEMPTS\tDIED\tREASON") // tabwriter keeps its error for Flush
		for _, b := range batches {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%s\n", b.ID, b.Destination, b.Table, b.Rows, b.Attempts,
				b.Settled.Format(time.RFC3339), oneLine(b.Reason))
		}
		return w.Flush()
	})
}

type batchArgument struct {
	ID string `arg:"" help:"The batch's id."`
}

type deadShow struct{ batchArgument }

// Run shows.
func (c *deadShow) Run(ctx context.Context, e *env) error {
	return e.withGraves(ctx, func(g *transport.Graves) error {
		b, err := g.Find(ctx, "", c.ID)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "batch\t%s\ndestination\t%s\ntable\t%s\nrows\t%d\nbytes\t%d\nattempts\t%d\ncreated\t%s\ndied\t%s\nreason\t%s\n",
			b.ID, b.Destination, b.Table, b.Rows, b.Bytes, b.Attempts, b.Created.Format(time.RFC3339),
			b.Settled.Format(time.RFC3339), b.Reason)
		return w.Flush()
	})
}

type deadReplay struct{ batchArgument }

// Run replays.
func (c *deadReplay) Run(ctx context.Context, e *env) error {
	return e.withGraves(ctx, func(g *transport.Graves) error {
		if err := g.Replay(ctx, "", c.ID); err != nil {
			return err
		}
		_, err := fmt.Fprintf(e.stdout, "batch %s will be tried again\n", c.ID)
		return err
	})
}

type deadDrop struct{ batchArgument }

// Run drops.
func (c *deadDrop) Run(ctx context.Context, e *env) error {
	return e.withGraves(ctx, func(g *transport.Graves) error {
		if err := g.Drop(ctx, "", c.ID); err != nil {
			return err
		}
		_, err := fmt.Fprintf(e.stdout, "batch %s and its rows are gone\n", c.ID)
		return err
	})
}

// oneLine cuts text for a table.
func oneLine(text string) string {
	const most = 80
	for i, c := range text {
		if c == '\n' || i >= most {
			return text[:i] + " …"
		}
	}
	return text
}
