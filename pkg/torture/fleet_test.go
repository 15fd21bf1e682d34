package torture

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

func TestFleetOfNodes(t *testing.T) {
	f, err := newFleet(Config{Program: "scratchdata", Dir: t.TempDir(), Nodes: Nodes{Config: "shared.yaml", APIs: 3, Loads: 2}})
	if err != nil {
		t.Fatal(err)
	}
	if len(f.apis) != 3 || len(f.loads) != 2 || len(f.all()) != 5 || len(f.groups()) != 2 {
		t.Fatalf("got %d nodes that take rows and %d that load them, want 3 and 2", len(f.apis), len(f.loads))
	}
	folders := map[string]bool{}
	for i, s := range f.all() {
		folders[s.Dir] = true
		off := "SCRATCH_WORKERS_ENABLED=false"
		if i >= 3 {
			off = "SCRATCH_UPLOADS_ENABLED=false"
		}
		if s.Config != "shared.yaml" || !slices.Contains(s.Env, off) {
			t.Errorf("node %d: got configuration %q and environment %q, want shared.yaml and %s", i, s.Config, s.Env, off)
		}
	}
	if len(folders) != 5 {
		t.Errorf("got folders %v, want one for each node", folders)
	}
}

func TestFleetWantsBothKinds(t *testing.T) {
	for _, n := range []Nodes{{Config: "shared.yaml", APIs: 1}, {Config: "shared.yaml", Loads: 1}} {
		if _, err := newFleet(Config{Dir: t.TempDir(), Nodes: n}); err == nil {
			t.Errorf("%+v: got a fleet, want an error", n)
		}
	}
}

func TestFleetWantsEmptyDestination(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		ok     bool
	}{
		{"no table", http.StatusBadRequest, true},
		{"a table of an earlier run", http.StatusOK, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Trailer", "X-Scratch-Status")
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte("count\n3\n")) // the client sees what does not come
				w.Header().Set("X-Scratch-Status", "complete")
			}))
			defer srv.Close()
			f := &fleet{loads: []*rig.Server{{URL: srv.URL, HTTP: srv.Client()}}}
			err := f.fresh(t.Context())
			if (err == nil) != tt.ok {
				t.Errorf("got %v, want it well: %t", err, tt.ok)
			}
			if err != nil && !strings.Contains(err.Error(), "3 rows") {
				t.Errorf("got %v, want it to tell of 3 rows", err)
			}
		})
	}
}
