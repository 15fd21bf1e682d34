package app

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scratchdata/scratchdata/pkg/config"
)

// operations reads the operators' page.
func operations(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOperationsHaveEveryMetric(t *testing.T) {
	s, err := open(t.Context(), load(t, environ(t.TempDir())), quiet())
	if err != nil {
		t.Fatal(err)
	}
	registered := ownMetrics(s.registry)
	if err := s.close(); err != nil {
		t.Error(err)
	}
	if len(registered) == 0 {
		t.Error("the server has no metrics of its own")
	}
	described := make(map[string]bool)
	for _, name := range regexp.MustCompile("`(scratchdata_[a-z_]+)`").FindAllStringSubmatch(operations(t), -1) {
		described[name[1]] = true
	}
	for name := range registered {
		if !described[name] {
			t.Errorf("docs/OPERATIONS.md says nothing of the metric %s", name)
		}
	}
	for name := range described {
		if !registered[name] {
			t.Errorf("docs/OPERATIONS.md describes %s, which the server does not have", name)
		}
	}
}

// ownMetrics lists the names of the registered metrics, those without a value yet among them.
func ownMetrics(r *prometheus.Registry) map[string]bool {
	descs := make(chan *prometheus.Desc)
	go func() {
		r.Describe(descs)
		close(descs)
	}()
	names, name := make(map[string]bool), regexp.MustCompile(`fqName: "(scratchdata_[a-z_]+)"`)
	for d := range descs {
		if found := name.FindStringSubmatch(d.String()); found != nil {
			names[found[1]] = true
		}
	}
	return names
}

func TestOperationsHaveEveryKey(t *testing.T) {
	text := operations(t)
	for _, path := range config.Paths() {
		if !strings.Contains(text, "`"+path+"`") {
			t.Errorf("docs/OPERATIONS.md says nothing of the key %s", path)
		}
	}
}
