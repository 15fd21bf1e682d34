// Scratch Data streams data into and out of an analytics database.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/scratchdata/scratchdata/pkg/cli"
)

// version is set by the linker: -X main.version=v1.2.3. Nothing else changes it.
var version string

// exitSignal is the exit code of a program that a signal ended: 128 and the number of SIGINT.
const exitSignal = 130

func main() {
	os.Exit(run())
}

// run ends softly at the first signal, and at once at the second.
func run() int {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop()
		<-signals
		fmt.Fprintln(os.Stderr, "scratchdata: second signal, exit at once")
		os.Exit(exitSignal)
	}()
	return cli.Run(ctx, os.Args[1:], os.Stdout, os.Stderr, version, hangups)
}

// hangups gives the signals that ask a server to read its configuration again. Windows has none. Two that come at once are
// one.
func hangups() <-chan os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	return signals
}
