package servertest

import "testing"

// TestShared gives two tests one server, and ends it after them.
func TestShared(t *testing.T) {
	t.Setenv("SCRATCH_TEST_S3", "") // and what is set by then is taken back in the end
	var s Shared
	s.Need(t, "S3")
	first := S3(t)
	bucket := first.Bucket(t)
	s.Need(t, "S3")
	if second := S3(t); second.Endpoint != first.Endpoint || second.SecretAccessKey != first.SecretAccessKey {
		t.Errorf("got %s and %s, want the same server twice", first.Endpoint, second.Endpoint)
	}
	s.End()
	if _, err := first.ask(t.Context(), "HEAD", "/"+bucket); err == nil {
		t.Error("it still answers after the end")
	}
}

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
