package endtoend

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

// patience is how long something may take that a test waits for.
const patience = 3 * time.Minute

// node is a process of the program that has its own folder, and ends with the test.
type node struct {
	*rig.Server
	t *testing.T
}

// newNode gives a node that is not started yet, with a configuration in YAML. It demands no free disk.
func newNode(t *testing.T, yaml string) *node {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s, err := rig.New(exe, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s.Config = filepath.Join(s.Dir, "config.yaml")
	if err := os.WriteFile(s.Config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Env = []string{asProgram + "=1", "SCRATCH_UPLOADS_FREE_SPACE_REQUIRED=0", "SCRATCH_WORKERS_FREE_SPACE_REQUIRED=0"}
	n := &node{s, t}
	t.Cleanup(func() {
		if err := s.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the log of %s ends with: %s", s.URL, s.LogTail())
		}
	})
	return n
}

// startNode gives one that answers.
func startNode(t *testing.T, yaml string, env ...string) *node {
	t.Helper()
	n := newNode(t, yaml)
	n.Env = append(n.Env, env...)
	n.start()
	return n
}

func (n *node) start() {
	n.t.Helper()
	if err := n.Start(n.t.Context()); err != nil {
		n.t.Fatal(err)
	}
}

// mustStop asks the node to stop and wants that it does so well.
func (n *node) mustStop() {
	n.t.Helper()
	if err := n.Stop(); err != nil {
		n.t.Error(err)
	}
}

// insert sends rows and wants them acknowledged. The path is a table, and what the query string says.
func (n *node) insert(path, rows string) {
	n.t.Helper()
	if status, body, err := n.Post(n.t.Context(), n.HTTP, "/api/data/insert/"+path, strings.NewReader(rows)); err != nil || status != http.StatusOK {
		n.t.Fatalf("insert into %s: got %d, %v: %s", path, status, err, body)
	}
}

// await waits until sql answers want.
func (n *node) await(sql string, want int64) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	if err := n.AwaitNumber(ctx, sql, want, 20*time.Millisecond); err != nil {
		n.t.Fatal(err)
	}
}
