// Package cli reads the command line and does what it says.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/alecthomas/kong"

	"github.com/scratchdata/scratchdata/pkg/app"
	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // a mistake in the arguments or the configuration
)

// commands is every command. Its methods Run do the work; a new command is a new field.
type commands struct {
	Serve   serveCommand   `cmd:"" default:"withargs" help:"Serve until told to stop. This is the default command."`
	Check   checkCommand   `cmd:"" help:"Say every mistake in a configuration, and start nothing."`
	Copy    copyCommand    `cmd:"" help:"Copy the answer of a query into a table, of any destination."`
	Dead    deadCommand    `cmd:"" help:"The batches whose load was given up: list, show, replay, drop."`
	Rescue  rescueCommand  `cmd:"" help:"The values of a table that their columns could not hold: list, and put back."`
	Health  healthCommand  `cmd:"" help:"Ask the running server whether it is well."`
	Torture tortureCommand `cmd:"" help:"Kill this program under load, again and again, and account for every row."`
	Soak    soakCommand    `cmd:"" help:"Load this program for long, and tell whether its memory grows."`
	Bench   benchCommand   `cmd:"" help:"Measure this program against the engine alone."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// env is what a command may use of the outside.
type env struct {
	stdout  io.Writer
	stderr  io.Writer
	environ []string
	version string
	hangups func() <-chan os.Signal

	deadConfig string // the flag --config of the command dead
}

// Run does what args, the command line without the program's name, says, and returns the exit code. Version is the
// program's own when it was built with one. A server calls hangups and reads its configuration again with each signal that
// comes from there; other commands do not, so that the signal ends them.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer, version string, hangups func() <-chan os.Signal) int {
	e := &env{stdout: stdout, stderr: stderr, environ: os.Environ(), version: version, hangups: hangups}
	exited, code := false, exitOK
	parser, err := kong.New(new(commands),
		kong.Name("scratchdata"),
		kong.Description("Stream data into and out of your own analytics database."),
		kong.Writers(stdout, stderr),
		kong.ShortUsageOnError(),
		kong.UsageOnError(),
		kong.Exit(func(c int) { exited, code = true, c }), // --help has printed all there is to say
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(e),
	)
	if err != nil { // a mistake in the struct commands
		fmt.Fprintln(stderr, "scratchdata:", err)
		return exitFailed
	}
	command, err := parser.Parse(args)
	if exited {
		return code
	}
	if err != nil {
		fmt.Fprintf(stderr, "scratchdata: %v\n`scratchdata --help` tells how it is used.\n", err)
		return exitUsage
	}
	return e.report(command.Run())
}

// report prints err and gives the exit code.
func (e *env) report(err error) int {
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(e.stderr, "scratchdata: %v\n", err)
	var mistakes *config.Mistakes
	if errors.As(err, &mistakes) || errors.Is(err, fault.Invalid) || errors.Is(err, os.ErrNotExist) {
		return exitUsage
	}
	return exitFailed
}

// configFile is the argument that all commands share.
type configFile struct {
	Config string `arg:"" optional:"" name:"config.yaml" help:"The configuration. Without it the defaults and the environment are used."`
}

// load reads the configuration.
func (e *env) load(name string) (config.Config, error) { return app.Load(name, e.environ) }

// log returns the logger of a command.
func (e *env) log(cfg config.Config) *slog.Logger { return app.NewLog(cfg.Logging, e.stderr) }
