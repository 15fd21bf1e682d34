package servertest

import (
	"testing"
)

// TestWholeEndsItsGoroutine holds what SharePostgres relies on: what would end a test does not go on.
func TestWholeEndsItsGoroutine(t *testing.T) {
	for name, end := range map[string]func(w *whole){
		"fatal": func(w *whole) { w.Fatal() }, "fatalf": func(w *whole) { w.Fatalf("") }, "skipf": func(w *whole) { w.Skipf("") },
	} {
		var order []string
		w := &whole{}
		done := make(chan bool)
		go func() {
			defer close(done)
			w.Cleanup(func() { order = append(order, "first") })
			w.Cleanup(func() { order = append(order, "second") })
			end(w)
			done <- true
		}()
		if <-done {
			t.Errorf("%s: it went on", name)
		}
		if w.end(); len(order) != 2 || order[0] != "second" {
			t.Errorf("%s: got the clean-ups %v, want the second before the first", name, order)
		}
	}
}
