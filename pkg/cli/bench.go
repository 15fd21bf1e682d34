package cli

import (
	"context"
	"errors"
	"os"

	"github.com/scratchdata/scratchdata/pkg/bench"
)

type benchCommand struct {
	Table  benchTable  `cmd:"" default:"withargs" help:"Measure and print the table. This is the default."`
	Null   benchNull   `cmd:"" hidden:"" help:"Serve a handler that does nothing, to measure against."`
	Engine benchEngine `cmd:"" hidden:"" help:"Do a task with the engine alone, to measure against."`
}

type benchTable struct {
	Events     int      `default:"4000000" help:"How many events the bulk figures use."`
	Rounds     int      `default:"3" help:"How often each pair is measured; the medians count."`
	Only       []string `help:"Only these figures: one-row, bulk, modes, clashes, out, select-1, clients, visible, memory, pairs, clickhouse."`
	ClickHouse string   `name:"clickhouse" placeholder:"URL" help:"The server for the figures of ClickHouse, clickhouse://user:password@host:9000?http_port=8123. Without one they are left out."`
	Config     []string `type:"existingfile" help:"Configurations whose queues and blob stores are measured, as pairs, against the local ones."`
	Dir        string   `type:"path" help:"A folder with room for ten times the events. Without it one is made and removed."`
}

// Run measures this very program.
func (c *benchTable) Run(ctx context.Context, e *env) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	dir, done, err := workFolder(c.Dir, "bench")
	if err != nil {
		return err
	}
	cfg := bench.Config{Program: program, Dir: dir, Events: c.Events, Rounds: c.Rounds, Only: c.Only, Configs: c.Config, ClickHouse: c.ClickHouse}
	return errors.Join(bench.Run(ctx, cfg, e.stdout), done())
}

type benchNull struct {
	Bare bool `help:"Nothing but the router and net/http."`
}

// Run serves until it is killed.
func (c *benchNull) Run(ctx context.Context, e *env) error {
	defer tune()()
	return bench.Null(ctx, c.Bare, e.stdout)
}

type benchEngine struct {
	Task     string `arg:"" enum:"load,json,csv,parquet"`
	Path     string `arg:""`
	Database string `arg:""`
}

// Run does the task.
func (c *benchEngine) Run(e *env) error { return bench.Engine(c.Task, c.Path, c.Database, e.stdout) }
