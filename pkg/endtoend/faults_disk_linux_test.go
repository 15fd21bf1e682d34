package endtoend

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// smallDisk gives a folder with a file system of its own, in memory, of so many bytes.
func smallDisk(t *testing.T, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		servertest.Missing(t, "no small disk can be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount the small disk: %v", err)
		}
	})
	return dir
}

// A disk that something else fills up to its last byte lets inserts answer 503, and loads wait. When there is room again all goes
// on by itself, and there is what was acknowledged and nothing else.
func TestADiskThatIsFull(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 48<<20)
	n := startNode(t, fmt.Sprintf("data_dir: %q\nuploads: {max_file_age: 50ms}\n", dir))
	c := &client{node: n, key: "local", table: "events"}
	for range 20 {
		c.mustInsert(100)
	}
	filler := filepath.Join(dir, "filler")
	for round := range 3 {
		fill(t, filler)
		c.insertUntilRefused(100, "disk_full")
		c.mustBeRefused(20_000, "disk_full") // which gets a file of its own
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		await(t, func() (string, bool) {
			a := c.insert(100)
			return fmt.Sprintf("round %d, with room again: %+v", round, a), a.status == 200
		})
	}
	c.awaitAcknowledged()
	n.mustStop()
	for _, folder := range []string{"ingest/open", "ingest/ready", "ingest/incoming", "blobs"} {
		if got := filesBelow(t, filepath.Join(dir, folder)); len(got) > 0 {
			t.Errorf("%s has %v left", folder, got)
		}
	}
}

// fill makes a file that takes all that is left of a disk.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// A database that is away fills its share of the node's disk. Then its inserts are refused, while those of another go on and are
// loaded; when it is back its rows are too.
func TestADatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	servers.Need(t, "CLICKHOUSE")
	ch := servertest.ClickHouse(t)
	p := servertest.NewProxy(t, fmt.Sprintf("%s:%d", ch.Host, ch.TCP))
	dir := smallDisk(t, 48<<20)
	n := startNode(t, fmt.Sprintf(`data_dir: %q
uploads: {max_file_age: 50ms}
destinations:
  - {id: 1, type: duckdb, api_keys: [local]}
  - {id: 2, type: clickhouse, api_keys: [other], settings: {host: 127.0.0.1, tcp_port: %s, username: %s, password: %s, database: %s}}
`, dir, portOf(t, p), ch.User, ch.Password, ch.Database), lowDisk...)
	good := &client{node: n, key: "local", table: "events"}
	away := &client{node: n, key: "other", table: "events"}
	away.mustInsert(10)
	awaitMetric(t, n, "scratchdata_oldest_unloaded_seconds", func(v float64) bool { return v == 0 }) // so that there is a table
	p.Refuse(true)
	p.Cut()
	away.insertUntilRefused(5000, "backlog_full")
	for range 20 {
		good.mustInsert(1000)
	}
	n.await("select count(*) from events", good.acked)
	away.insertUntilRefused(5000, "backlog_full")
	p.Refuse(false)
	await(t, func() (string, bool) {
		a := away.insert(10)
		return fmt.Sprintf("when it is back: %+v", a), a.status == 200
	})
	await(t, func() (string, bool) {
		got := ch.Exec(t, "SELECT count(), uniqExact(n) FROM events")
		return "the database has " + got, got == fmt.Sprintf("%d\t%d", away.acked, away.acked)
	})
	awaitMetric(t, n, "scratchdata_oldest_unloaded_seconds", func(v float64) bool { return v == 0 })
	n.mustStop()
}

// A blob store that is away lets a node's own disk fill up to its share, and its memory not at all. Then inserts are refused.
func TestABlobStoreThatIsAway(t *testing.T) {
	t.Parallel()
	var r road
	r.onS3(t)
	dir := smallDisk(t, 48<<20)
	n := startNode(t, fmt.Sprintf("data_dir: %q\nuploads: {max_file_age: 50ms}\nblob_store: %s\n", dir, r.blobs.yaml()), lowDisk...)
	c := &client{node: n, key: "local", table: "events"}
	c.mustInsert(10)
	c.awaitAcknowledged()
	before := memoryOf(t, n)
	r.blobs.tcp.Refuse(true)
	r.blobs.tcp.Cut()
	c.insertUntilRefused(5000, "backlog_full")
	if more := memoryOf(t, n) - before; more > 192<<20 {
		t.Errorf("the node has %.0f MiB more memory than before", more/(1<<20))
	}
	r.blobs.tcp.Refuse(false)
	await(t, func() (string, bool) {
		a := c.insert(10)
		return fmt.Sprintf("when it is back: %+v", a), a.status == 200
	})
	c.awaitAcknowledged()
	n.mustStop()
	if got := r.blobsLeft(t); len(got) > 0 {
		t.Errorf("the blob store has %v left", got)
	}
}

// lowDisk lets a node demand some of a small disk.
var lowDisk = []string{"SCRATCH_UPLOADS_FREE_SPACE_REQUIRED=16MiB", "SCRATCH_WORKERS_FREE_SPACE_REQUIRED=16MiB"}
