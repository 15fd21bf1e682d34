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
	"gcs":    gcsStore,
	"local":  localStore,
	"memory": func(testing.TB) section { return section{yaml: "blob_store: {type: memory}\n"} },
	"s3":     s3Store,
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
