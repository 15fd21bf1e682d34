package endtoend

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// stores are all blob stores that there are, by type.
var stores = map[string]func(t testing.TB) section{
	"ftp":    ftpStore,
	"gcs":    gcsStore,
	"local":  localStore,
	"memory": func(testing.TB) section { return section{yaml: "blob_store: {type: memory}\n"} },
	"s3":     s3Store,
	"sftp":   sftpStore,
}

// newStore makes a store of a type, on a server that the package's tests share.
func newStore(t testing.TB, kind string) section {
	t.Helper()
	if stores[kind] == nil {
		t.Fatalf("no store of the type %s", kind)
	}
	return stores[kind](t)
}

func localStore(t testing.TB) section {
	dir := filepath.Join(t.TempDir(), "blobs")
	return section{fmt.Sprintf("blob_store: {type: local, settings: {dir: %q}}\n", dir), func(t testing.TB) int {
		return files(t, dir)
	}}
}

// files counts those below a folder.
func files(t testing.TB, dir string) (n int) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func gcsStore(t testing.TB) section {
	servers.Need(t, "GCS")
	s := servertest.GCS(t)
	bucket := s.Bucket(t)
	return section{"blob_store: {type: gcs, settings: {" + gcsSettings(s.Endpoint, bucket) + "}}\n", func(t testing.TB) int {
		return len(s.Names(t, bucket))
	}}
}

func gcsSettings(endpoint, bucket string) string {
	return fmt.Sprintf("bucket: %q, endpoint: %q", bucket, endpoint)
}

func s3Store(t testing.TB) section {
	servers.Need(t, "S3")
	s := servertest.S3(t)
	bucket := s.Bucket(t)
	settings := s3Settings(s, s.Endpoint, bucket, s.AccessKeyID, s.SecretAccessKey)
	return section{"blob_store: {type: s3, settings: {" + settings + "}}\n", func(t testing.TB) int { return len(s.Keys(t, bucket)) }}
}

// s3Settings are those of a bucket of s, which is reached at endpoint.
func s3Settings(s *servertest.S3Server, endpoint, bucket, key, secret string) string {
	return fmt.Sprintf("bucket: %q, endpoint: %q, region: %q, path_style: true, access_key_id: %q, secret_access_key: %q",
		bucket, endpoint, s.Region, key, secret)
}

func ftpStore(t testing.TB) section {
	servers.Need(t, "FTP")
	s := servertest.FTP(t)
	folder := s.Folder(t)
	return section{"blob_store: {type: ftp, settings: {" + ftpSettings(s, s.Password, folder) + "}}\n", filesIn(s.FileServer, folder)}
}

// ftpSettings are those of a folder of s.
func ftpSettings(s *servertest.FTPServer, password, folder string) string {
	return fmt.Sprintf("host: %q, port: %d, user: %q, password: %q, tls: %s, ca_file: %q, directory: %q", s.Host, s.Port, s.User, password,
		s.TLS, s.CAFile, folder)
}

func sftpStore(t testing.TB) section {
	servers.Need(t, "SFTP")
	s := servertest.SFTP(t)
	folder := s.Folder(t)
	return section{"blob_store: {type: sftp, settings: {" + sftpSettings(s, s.HostKey, folder) + "}}\n", filesIn(s.FileServer, folder)}
}

// sftpSettings are those of a folder of s.
func sftpSettings(s *servertest.SFTPServer, hostKey, folder string) string {
	return fmt.Sprintf("host: %q, port: %d, user: %q, password: %q, private_key: %q, host_key: %q, directory: %q", s.Host, s.Port, s.User,
		s.Password, s.PrivateKey, hostKey, folder)
}

// filesIn counts the files in a folder of s, where that is on this machine.
func filesIn(s *servertest.FileServer, folder string) func(t testing.TB) int {
	if s.Local == "" {
		return nil
	}
	return func(t testing.TB) int { return files(t, filepath.Join(s.Local, filepath.Base(folder))) }
}
