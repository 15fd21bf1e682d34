package servertest

import (
	"net/http"
	"testing"
)

func TestGCSComesBackWithItsBuckets(t *testing.T) {
	s := StartGCS(t)
	bucket := "/storage/v1/b/" + s.Bucket(t)
	for name, end := range map[string]func(){"stopped": s.Stop, "crashed": s.Crash} {
		end()
		if err := s.ask(t.Context(), http.MethodGet, bucket, ""); err == nil {
			t.Errorf("%s: it answers", name)
		}
		s.Start(t)
		if err := s.ask(t.Context(), http.MethodGet, bucket, ""); err != nil {
			t.Errorf("%s and started again: got %v, want the bucket", name, err)
		}
	}
}
