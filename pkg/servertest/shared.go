package servertest

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
)

// SharePostgres runs a package's tests, which get their databases from one server: to start one for each takes longer than
// most of them. It is for TestMain, and gives what to exit with.
func SharePostgres(m *testing.M) int {
	const variable = "SCRATCH_TEST_POSTGRES"
	if _, given := Given("POSTGRES"); given {
		return m.Run()
	}
	all := &whole{}
	defer all.end()
	started := make(chan string, 1)
	go func() { // as what is fatal to a test ends its goroutine
		defer close(started)
		started <- StartPostgres(all).dsn
	}()
	if dsn, ok := <-started; ok {
		if err := os.Setenv(variable, dsn); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	} // else each test says what is missing
	return m.Run()
}

// whole stands for all tests of a package where one test is asked for. It has no more than starting a server takes.
type whole struct {
	testing.TB
	cleanups []func()
}

// Helper does nothing: there are no lines of a test.
func (w *whole) Helper() {}

// Context is never ended.
func (w *whole) Context() context.Context { return context.Background() }

// Cleanup notes what end calls.
func (w *whole) Cleanup(f func()) { w.cleanups = append(w.cleanups, f) }

// Failed tells nothing: which tests fail is not known here.
func (w *whole) Failed() bool { return false }

// Error says what is wrong, of which nothing more comes.
func (w *whole) Error(args ...any) { fmt.Fprintln(os.Stderr, args...) }

// Fatal ends the goroutine.
func (w *whole) Fatal(args ...any) {
	w.Error(args...)
	runtime.Goexit()
}

// Fatalf ends the goroutine.
func (w *whole) Fatalf(format string, args ...any) { w.Fatal(fmt.Sprintf(format, args...)) }

// Skipf ends the goroutine.
func (w *whole) Skipf(string, ...any) { runtime.Goexit() }

func (w *whole) end() {
	for _, f := range slices.Backward(w.cleanups) {
		f()
	}
}
