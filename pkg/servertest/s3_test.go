package servertest

import (
	"net/http"
	"testing"
)

func TestS3ComesBackWithItsBuckets(t *testing.T) {
	s := StartS3(t)
	bucket := s.Bucket(t)
	for name, end := range map[string]func(){"stopped": s.Stop, "crashed": s.Crash} {
		end()
		if _, err := s.ask(t.Context(), http.MethodHead, "/"+bucket); err == nil {
			t.Errorf("%s: it answers", name)
		}
		s.Start(t)
		if status, err := s.ask(t.Context(), http.MethodHead, "/"+bucket); err != nil || status != http.StatusOK {
			t.Errorf("%s and started again: got %d and %v, want the bucket", name, status, err)
		}
	}
}

func TestS3WantsItsKeys(t *testing.T) {
	s := *StartS3(t)
	s.SecretAccessKey = "wrong"
	if status, err := s.ask(t.Context(), http.MethodGet, "/"); err != nil || status != http.StatusForbidden {
		t.Errorf("got %d and %v, want 403", status, err)
	}
}
