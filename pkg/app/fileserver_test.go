package app

import (
	"strconv"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// Batches wait on a server of files and nowhere else; rows that are taken while it is away arrive when it is back.
func TestServerWithItsBatchesOnAServerOfFiles(t *testing.T) {
	for _, tt := range []struct {
		name  string
		start func(t *testing.T) (*servertest.FileServer, []string)
	}{
		{"sftp", func(t *testing.T) (*servertest.FileServer, []string) {
			s := servertest.StartSFTP(t)
			return s.FileServer, []string{"PRIVATE_KEY=" + s.PrivateKey, "HOST_KEY=" + s.HostKey, "DIRECTORY=" + s.Folder(t)}
		}},
		{"ftp", func(t *testing.T) (*servertest.FileServer, []string) {
			s := servertest.StartFTP(t, "explicit")
			return s.FileServer, []string{"PASSWORD=" + s.Password, "CA_FILE=" + s.CAFile, "DIRECTORY=" + s.Folder(t)}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store, settings := tt.start(t)
			environ := environ(t.TempDir(), "SCRATCH_BLOB_STORE_TYPE="+tt.name)
			for _, s := range append(settings, "HOST="+store.Host, "PORT="+strconv.Itoa(store.Port), "USER="+store.User) {
				environ = append(environ, "SCRATCH_BLOB_STORE_SETTINGS_"+s)
			}
			s := serve(t, load(t, environ))
			s.insert("events?wait=true", `{"n":0}`)
			store.Crash()
			s.insert("events", `{"n":1}`)
			store.Start(t)
			s.await("select count(*) as n from events", "n\n2\n")
			s.mustStop()
			if left := filesBelow(t, store.Local); len(left) > 0 {
				t.Errorf("the blob store still has %q", left)
			}
			wrong := append(environ, "SCRATCH_BLOB_STORE_SETTINGS_DIRECTORY=/none")
			if _, err := begin(t, load(t, wrong)); err == nil || !strings.Contains(err.Error(), "open blob_store of type "+tt.name) ||
				!strings.Contains(err.Error(), "directory: ") || strings.Contains(err.Error(), store.Password) && store.Password != "" {
				t.Errorf("a folder that is missing: got %v, want an error that names the setting", err)
			}
		})
	}
}
