package ftp

import (
	"testing"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/blobstore/blobstoretest"
	"github.com/scratchdata/scratchdata/pkg/blobstore/fileserver"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
	"log/slog"
)

func settings(t testing.TB, s *servertest.FTPServer) Config {
	t.Helper()
	c := DefaultConfig()
	c.Host, c.Port, c.User, c.Password = s.Host, s.Port, s.User, secret.String(s.Password)
	c.TLS, c.CAFile, c.TLSSkipVerify = s.TLS, s.CAFile, s.TLS != "none" && s.CAFile == ""
	c.Directory = s.Folder(t)
	return c
}

func TestX(t *testing.T) {
	s := servertest.FTP(t)
	fresh := func(t *testing.T) func() blobstore.Store {
		c := settings(t, s)
		return func() blobstore.Store {
			t.Helper()
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
			cc, err := connect(c)
			if err != nil {
				t.Fatal(err)
			}
			st, err := fileserver.Open(t.Context(), cc, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			return st
		}
	}
	blobstoretest.Run(t, func(t *testing.T) blobstore.Store { return fresh(t)() })
	blobstoretest.RunDurable(t, fresh)
}
