package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"text/tabwriter"

	"github.com/scratchdata/scratchdata/pkg/app"
	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/tables"
)

type rescueCommand struct {
	Table       string `arg:"" help:"The table, as inserts name it."`
	Config      string `name:"config" type:"path" placeholder:"FILE" help:"The server's configuration. The server may be running."`
	Destination string `help:"The id of the destination; without it the first one."`
	Limit       int    `default:"20" help:"Most rows to list."`
	Replay      bool   `help:"Put the values into the columns that can hold them by now, after their types were changed by hand."`
}

// rescuer is who can tell of rescued values: the running server, or the destination itself.
type rescuer interface {
	Shape(ctx context.Context, destination string, table schema.Table) (tables.Shape, error)
	Rescued(ctx context.Context, destination string, table schema.Table, limit int) ([]tables.Rescued, bool, error)
	Replay(ctx context.Context, destination string, table schema.Table) (destination.Restored, error)
}

// mostListed is the most rows to list: the API, which may be asked, lists no more.
const mostListed = 10_000

// Run lists or replays.
func (c *rescueCommand) Run(ctx context.Context, e *env) error {
	table, err := schema.ParseTable(c.Table)
	if err != nil {
		return err
	}
	if c.Limit < 1 || c.Limit > mostListed {
		return fault.New(fault.Invalid, "bad_limit", "--limit: %d is not a number from 1 to %d", c.Limit, mostListed)
	}
	cfg, err := e.load(c.Config)
	if err != nil {
		return err
	}
	d, err := destinationOf(cfg, c.Destination)
	if err != nil {
		return err
	}
	return e.withRescuer(ctx, cfg, d, func(r rescuer) error {
		if c.Replay {
			return c.replay(ctx, e, r, d.ID, table)
		}
		return c.list(ctx, e, r, d.ID, table)
	})
}

func destinationOf(cfg config.Config, id string) (config.Destination, error) {
	for _, d := range cfg.Destinations {
		if id == "" || d.ID == id {
			return d, nil
		}
	}
	return config.Destination{}, fault.New(fault.Invalid, "unknown_destination", "no destination has the id %q", id)
}

// withRescuer gives do the server of this configuration when one answers, else the destination itself.
func (e *env) withRescuer(ctx context.Context, cfg config.Config, d config.Destination, do func(rescuer) error) (err error) {
	if r, ok := newRemote(cfg, d); ok {
		err := do(r)
		if !nobodyThere(err) {
			return err
		}
	}
	cfg.Logging.Level = "warn" // what a server would say about opening its stores is not the answer
	t, closeAll, err := app.OpenTables(ctx, cfg, e.log(cfg))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	return do(t)
}

// nobodyThere reports whether err says that no server could be reached. What refuses a connection has another number on
// Windows. A server that runs all the same has its database locked.
func nobodyThere(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func (c *rescueCommand) replay(ctx context.Context, e *env, r rescuer, id string, table schema.Table) error {
	did, err := r.Replay(ctx, id, table)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s: %d values went into their columns, in %d rows; %d are left\n", table, did.Values, did.Rows, did.Left)
	return err
}

func (c *rescueCommand) list(ctx context.Context, e *env, r rescuer, id string, table schema.Table) error {
	shape, err := r.Shape(ctx, id, table)
	if err != nil {
		return err
	}
	if shape.Rescued == 0 {
		_, err := fmt.Fprintf(e.stdout, "%s: nothing was rescued\n", table)
		return err
	}
	rows, more, err := r.Rescued(ctx, id, table, c.Limit)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s: %d rescued values\n\nCOLUMN\tTYPE\tVALUES\n", table, shape.Rescued) // tabwriter keeps its error for Flush
	elsewhere := shape.Rescued
	for _, col := range shape.Columns {
		if col.Rescued > 0 {
			fmt.Fprintf(w, "%s\t%s\t%d\n", col.Name, col.Type, col.Rescued)
			elsewhere -= col.Rescued
		}
	}
	if elsewhere > 0 {
		fmt.Fprintf(w, "(no column)\t\t%d\n", elsewhere)
	}
	fmt.Fprintln(w, "\nROW\tVALUES")
	for _, row := range rows {
		fmt.Fprintf(w, "%s\t%s\n", row.RowID, row.Object)
	}
	if more {
		fmt.Fprintln(w, "…\tthere are more: --limit")
	}
	return w.Flush()
}

// hostOf is where a server that listens on host is reached from this machine.
func hostOf(host string) string {
	ip := net.ParseIP(host)
	switch {
	case ip == nil || !ip.IsUnspecified():
		return host
	case ip.To4() == nil:
		return "::1"
	}
	return "127.0.0.1"
}
