package servertest

import (
	"net/http"
	"slices"
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

func TestGCSListsItsNames(t *testing.T) {
	s := GCS(t)
	bucket := s.Bucket(t)
	if got := s.Names(t, bucket); len(got) != 0 {
		t.Errorf("a new bucket: got %q, want nothing", got)
	}
	if err := s.ask(t.Context(), http.MethodPost, "/upload/storage/v1/b/"+bucket+"/o?uploadType=media&name=a", "text"); err != nil {
		t.Fatal(err)
	}
	if got := s.Names(t, bucket); !slices.Equal(got, []string{"a"}) {
		t.Errorf("got %q, want a", got)
	}
}
