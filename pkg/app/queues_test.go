package app

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// TestQueuesOnRealServers takes rows through each, some with messages that are too long for the queue, across a restart.
func TestQueuesOnRealServers(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings func(t *testing.T) []string
	}{
		{"redis", func(t *testing.T) []string {
			return []string{"SCRATCH_QUEUE_SETTINGS_URL=" + servertest.Redis(t), "SCRATCH_QUEUE_SETTINGS_STREAM=" + t.Name()}
		}},
		{"sqs", func(t *testing.T) []string {
			s := servertest.SQS(t)
			return []string{
				"SCRATCH_QUEUE_SETTINGS_URL=" + s.Queue(t, map[string]string{"MaximumMessageSize": "1024"}),
				"SCRATCH_QUEUE_SETTINGS_ENDPOINT=" + s.Endpoint, "SCRATCH_QUEUE_SETTINGS_REGION=us-east-1",
				"SCRATCH_QUEUE_SETTINGS_ACCESS_KEY_ID=test", "SCRATCH_QUEUE_SETTINGS_SECRET_ACCESS_KEY=hunter2",
				"SCRATCH_QUEUE_SETTINGS_WAIT=1s",
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			cfg := load(t, environ(dir, append(tt.settings(t), "SCRATCH_QUEUE_TYPE="+tt.name)...))
			var wide strings.Builder
			for i := range 100 {
				fmt.Fprintf(&wide, `,"column_%d":%d`, i, i)
			}
			for run := 1; run <= 2; run++ {
				r := serve(t, cfg)
				r.insert("narrow?wait=true", `{"a":1}`)
				r.insert("wide?wait=true", `{"a":1`+wide.String()+`}`)
				for _, table := range []string{"narrow", "wide"} {
					r.query("select count(*) as n from "+table, fmt.Sprintf("n\n%d\n", run))
				}
				r.mustStop()
				if log := r.log.String(); strings.Contains(log, "hunter2") || strings.Contains(log, "level=ERROR") {
					t.Errorf("the log tells a secret or an error: %s", log)
				}
			}
			if left := filesBelow(t, filepath.Join(dir, "blobs")); len(left) > 0 {
				t.Errorf("the blob store still has %q", left)
			}
		})
	}
}

func filesBelow(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return names
}
