package gcs

import (
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

func open(t testing.TB, c Config) *store {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	opened := s.(*store)
	opened.pause = time.Millisecond
	return opened
}

// opened opens the bucket of f.
func (f *fake) opened() *store { return open(f.t, Config{Bucket: "b", Endpoint: f.URL}) }

func TestStore(t *testing.T) {
	emulator := servertest.GCS(t)
	for _, tt := range []struct {
		name     string
		settings func(t *testing.T) Config
	}{
		{"strict, with credentials", func(t *testing.T) Config {
			f := newFake(t)
			l := f.withLogin()
			return Config{Bucket: "b", Endpoint: f.URL, CredentialsJSON: l.credentials(l.key)}
		}},
		{"strict, below a prefix", func(t *testing.T) Config {
			return Config{Bucket: "b", Endpoint: newFake(t).URL + "/", Prefix: "scratch/my data"}
		}},
		{"an emulator", func(t *testing.T) Config { return Config{Bucket: emulator.Bucket(t), Endpoint: emulator.Endpoint} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fresh := func(t *testing.T) func() blobstore.Store {
				c := tt.settings(t)
				return func() blobstore.Store { return open(t, c) }
			}
			blobstoretest.Run(t, func(t *testing.T) blobstore.Store { return fresh(t)() })
			blobstoretest.RunDurable(t, fresh)
		})
	}
}

func content(t *testing.T, s *store, key string) string {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(b)
}
