package torture

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/servertest"
)

var (
	load  = flag.Duration("load", 20*time.Second, "how long the nodes are loaded and killed")
	queue = flag.String("queue", "redis", "the queue between the nodes: redis, rabbitmq, postgres or sqs")
	keep  = flag.String("keep", "", "an empty folder for what the nodes have and log, which stays")
)

// Three nodes that take rows and two that load them share S3, a queue, Postgres and ClickHouse. Any of them is killed at random
// moments, and all but ClickHouse crash; clients send an insert that got no answer again, to whichever node.
func TestNodesAndServersAreKilled(t *testing.T) {
	store, control, house := servertest.StartS3(t), servertest.StartPostgres(t), servertest.ClickHouse(t)
	crashes := []func(){func() { store.Crash(); store.Start(t) }, func() { control.Crash(t); control.Start(t) }}
	between, crash := queueBetween(t, control)
	if crash != nil {
		crashes = append(crashes, crash)
	}
	text := fmt.Sprintf(`uploads: {free_space_required: 0, max_file_age: 3s}
workers: {free_space_required: 0, lease: 5s}
blob_store: {type: s3, settings: {endpoint: %q, region: %s, path_style: true, bucket: %s, access_key_id: %s, secret_access_key: %s}}
queue: %s
database: {type: postgres, settings: {dsn: %q}}
destinations: [{id: house, type: clickhouse, settings: {host: %s, tcp_port: %d, username: %s, password: %s, database: %s}}]
`, store.Endpoint, store.Region, store.Bucket(t), store.AccessKeyID, store.SecretAccessKey, between, control.Database(t),
		house.Host, house.TCP, house.User, house.Password, house.Database)
	dir := *keep
	if dir == "" {
		dir = t.TempDir()
	}
	config := filepath.Join(dir, "shared.yaml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	account, err := Run(t.Context(), Config{Program: build(t, dir), Dir: dir, Duration: *load, Clients: 6, Seed: uint64(time.Now().UnixNano()),
		Nodes: Nodes{Config: config, APIs: 3, Loads: 2, Servers: crashes}}, os.Stdout)
	t.Log(account)
	if err != nil || !account.OK() || account.Crashes == 0 {
		t.Errorf("a promise was broken, or nothing was tried: %v", err)
	}
}

// queueBetween starts the queue that the flag names, and gives its section of the configuration, and what crashes it: nothing
// where it keeps nothing on disk.
func queueBetween(t *testing.T, postgres *servertest.PostgresServer) (section string, crash func()) {
	t.Helper()
	switch *queue {
	case "redis":
		s := servertest.StartRedis(t)
		return fmt.Sprintf("{type: redis, settings: {url: %q}}", s.URL()), func() { s.Crash(); s.Start(t) }
	case "rabbitmq":
		s := servertest.StartRabbitMQ(t)
		return fmt.Sprintf("{type: rabbitmq, settings: {url: %q}}", s.URL()), func() { s.Crash(t); s.Start(t) }
	case "postgres":
		return fmt.Sprintf("{type: postgres, settings: {dsn: %q}}", postgres.Database(t)), nil // its server crashes already
	case "sqs":
		s := servertest.SQS(t)
		return fmt.Sprintf("{type: sqs, settings: {url: %q, endpoint: %q, region: us-east-1, access_key_id: test, secret_access_key: test}}",
			s.Queue(t, nil), s.Endpoint), nil
	}
	t.Fatalf("-queue %s: it is not one of those that this test knows", *queue)
	return "", nil
}

// build builds the program.
func build(t *testing.T, dir string) string {
	t.Helper()
	program := filepath.Join(dir, "scratchdata")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, ".") // as the Makefile does: the parts are there
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return program
}
