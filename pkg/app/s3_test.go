package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// Batches wait in S3 and nowhere else, the large ones too; rows that are taken while it is away arrive when it is back.
func TestServerWithItsBatchesInS3(t *testing.T) {
	store := servertest.StartS3(t)
	dir := t.TempDir()
	s := serve(t, load(t, environ(dir, "SCRATCH_BLOB_STORE_TYPE=s3", "SCRATCH_BLOB_STORE_SETTINGS_BUCKET="+store.Bucket(t),
		"SCRATCH_BLOB_STORE_SETTINGS_ENDPOINT="+store.Endpoint, "SCRATCH_BLOB_STORE_SETTINGS_PATH_STYLE=true",
		"SCRATCH_BLOB_STORE_SETTINGS_ACCESS_KEY_ID="+store.AccessKeyID,
		"SCRATCH_BLOB_STORE_SETTINGS_SECRET_ACCESS_KEY="+store.SecretAccessKey, "SCRATCH_BLOB_STORE_SETTINGS_PREFIX=batches")))
	s.insert("events?wait=true", `{"n":0,"pad":""}`)
	var large strings.Builder
	for n := 1; n <= 20_000; n++ {
		fmt.Fprintf(&large, `{"n":%d,"pad":"%01000d"}`+"\n", n, n)
	}
	s.insert("events?wait=true", large.String())
	s.query("select count(*) as n, sum(n)::bigint as s from events", "n,s\n20001,200010000\n")

	store.Crash()
	s.insert("events", `{"n":-1}`)
	store.Start(t)
	s.await("select count(*) as n from events", "n\n20002\n")
	s.mustStop()
	if _, err := os.Stat(filepath.Join(dir, "blobs")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder of the local store: got %v, want that there is none", err)
	}
}
