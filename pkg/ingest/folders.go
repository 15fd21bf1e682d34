package ingest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/scratchdata/scratchdata/pkg/durable"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// The folders below Config.Dir. A file's folder is its state.
const (
	incoming = "incoming" // large inserts that are being received
	open     = "open"     // batches that inserts share
	ready    = "ready"    // sealed batches; a file there never changes
	aside    = "aside"    // what recovery cut off
)

const (
	batchSuffix   = ".ndjson"
	sidecarSuffix = ".json"
)

// target is whose rows a batch has.
type target struct {
	destination string
	table       schema.Table
}

// folders makes the paths of batch files. The parts are a configured destination id and a parsed table name, neither of
// which can leave the folder.
type folders struct {
	root  string
	mu    sync.Mutex
	known map[string]bool // folders that are there; guarded by mu
}

func (f *folders) dir(state string, t target) string {
	return filepath.Join(f.root, state, t.destination, t.table.String())
}

// make makes the folder of t's batches in state, once.
func (f *folders) make(state string, t target) (string, error) {
	dir := f.dir(state, t)
	if !safeID(t.destination) {
		return "", fault.New(fault.Invalid, "bad_destination", "destination id %q cannot name a folder", t.destination)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known[dir] {
		return dir, nil
	}
	if err := durable.MkdirAll(dir); err != nil {
		return "", err
	}
	f.known[dir] = true
	return dir, nil
}

func safeID(id string) bool {
	return id != "" && id != "." && id != ".." && !strings.ContainsAny(id, `/\`) && filepath.IsLocal(id)
}

// Ready is a sealed batch that waits to be shipped.
type Ready struct {
	Batch       string
	Destination string
	Table       schema.Table
	Path        string // of the file
	Rows, Bytes int64
	Seen        []schema.Seen
	Parts       []schema.Part // rows for other tables, which Rows counts too and Seen does not tell of; by table
	Created     time.Time     // when its first row came
}

// sidecar is what is known of a ready file's rows, so that nobody has to read them for it. It is not synced: one that
// does not fit its file is as good as none.
type sidecar struct {
	Rows    int64         `json:"rows"`
	Bytes   int64         `json:"bytes"`
	Seen    []schema.Seen `json:"seen"`
	Parts   []schema.Part `json:"parts,omitempty"`
	Created time.Time     `json:"created"`
	Keyed   bool          `json:"keyed,omitempty"` // it is one insert's own, which has an idempotency key
}

func sidecarOf(path string) string {
	return path[:len(path)-len(batchSuffix)] + sidecarSuffix
}

func (s sidecar) write(path string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.WriteFile(sidecarOf(path), b, 0o644)
}

func readSidecar(path string, size int64) (sidecar, error) {
	var s sidecar
	b, err := os.ReadFile(sidecarOf(path))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, err
	}
	if s.Bytes != size || s.Rows < 1 {
		return s, fmt.Errorf("the sidecar is of a file of %d bytes, this one has %d", s.Bytes, size)
	}
	return s, nil
}
