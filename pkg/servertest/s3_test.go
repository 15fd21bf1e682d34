package servertest

import (
	"io"
	"net/http"
	"slices"
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

func TestS3ListsItsKeys(t *testing.T) {
	s := S3(t)
	bucket := s.Bucket(t)
	if got := s.Keys(t, bucket); len(got) != 0 {
		t.Errorf("a new bucket: got %q, want nothing", got)
	}
	for path, query := range map[string]string{"/a/whole": "", "/begun": "uploads="} {
		method := http.MethodPut
		if query != "" {
			method = http.MethodPost
		}
		if status, err := s.read(t.Context(), method, "/"+bucket+path, query, func(io.Reader) error { return nil }); err != nil || status != http.StatusOK {
			t.Fatalf("%s: got %d and %v", path, status, err)
		}
	}
	if got, want := s.Keys(t, bucket), []string{"a/whole", "begun"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
