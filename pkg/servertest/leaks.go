package servertest

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// NoLeaks wants all goroutines to have ended but those that options leave out. It waits for them longer than package goleak does: a
// machine may be busy.
func NoLeaks(t testing.TB, options ...goleak.Option) {
	t.Helper()
	err := goleak.Find(options...)
	for late := time.Now().Add(30 * time.Second); err != nil && time.Now().Before(late); {
		err = goleak.Find(options...)
	}
	if err != nil {
		t.Error(err)
	}
}
