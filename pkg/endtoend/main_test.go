package endtoend

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/cli"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// asProgram is the environment variable that makes this test binary the program under test, under the race detector if it is.
const asProgram = "SCRATCH_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(program())
	}
	code := m.Run()
	servers.End()
	os.Exit(code)
}

// servers are those that the tests share.
var servers servertest.Shared

func program() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return cli.Run(ctx, os.Args[1:], os.Stdout, os.Stderr, "test", func() <-chan os.Signal { return nil })
}
