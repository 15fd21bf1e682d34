package torture

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// Three nodes that take rows and one that loads them share S3, Redis and Postgres. Any of them is killed at random moments, and
// clients send an insert that got no answer again, to whichever node.
func TestNodesAreKilled(t *testing.T) {
	store, redis, database := servertest.S3(t), servertest.Redis(t), servertest.Postgres(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "scratchdata")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	shared := filepath.Join(dir, "shared.yaml")
	text := fmt.Sprintf(`uploads: {free_space_required: 0}
workers: {free_space_required: 0, lease: 10s}
blob_store: {type: s3, settings: {endpoint: %q, region: us-east-1, path_style: true, bucket: %q, access_key_id: %q, secret_access_key: %q}}
queue: {type: redis, settings: {url: %q}}
database: {type: postgres, settings: {dsn: %q}}
`, store.Endpoint, store.Bucket(t), store.AccessKeyID, store.SecretAccessKey, redis, database)
	if err := os.WriteFile(shared, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	account, err := Run(t.Context(), Config{Program: program, Dir: dir, Duration: 20 * time.Second, Clients: 6, Seed: uint64(time.Now().UnixNano()),
		Nodes: Nodes{Config: shared, Takers: 3, Loaders: 1, TakerEnv: []string{"SCRATCH_DESTINATIONS_0_TYPE=ingest_only"}}}, os.Stdout)
	t.Log(account)
	if err != nil || !account.OK() {
		t.Errorf("a promise was broken, or nothing was tried: %v", err)
	}
}
