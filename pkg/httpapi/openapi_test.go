package httpapi

import (
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"gopkg.in/yaml.v3"

	"github.com/scratchdata/scratchdata/pkg/result"
)

type operation struct {
	OperationID string         `yaml:"operationId"`
	Responses   map[string]any `yaml:"responses"`
	Parameters  []struct {
		Name   string
		Schema struct{ Enum []string }
	}
}

// document reads api/openapi.yaml: the operations by "METHOD /path".
func document(t *testing.T) (ops map[string]operation, formats []string) {
	t.Helper()
	b, err := os.ReadFile("../../api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		OpenAPI    string                          `yaml:"openapi"`
		Paths      map[string]map[string]yaml.Node `yaml:"paths"`
		Components struct {
			Parameters struct {
				Format struct{ Schema struct{ Enum []string } } `yaml:"Format"`
			}
		}
	}
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.") {
		t.Errorf("openapi: got version %q", doc.OpenAPI)
	}
	ops = make(map[string]operation)
	for path, item := range doc.Paths {
		for method, node := range item {
			if method == "parameters" {
				continue
			}
			var op operation
			if err := node.Decode(&op); err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
			ops[strings.ToUpper(method)+" "+path] = op
		}
	}
	return ops, doc.Components.Parameters.Format.Schema.Enum
}

func TestDocumentHasEveryRoute(t *testing.T) {
	ops, formats := document(t)
	s := New(DefaultConfig(), Deps{Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
	var routes []string
	err := chi.Walk(s.router, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		routes = append(routes, method+" "+route)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(routes)
	if want := slices.Sorted(maps.Keys(ops)); !slices.Equal(routes, want) {
		t.Errorf("routes\n got %s\nwant (api/openapi.yaml) %s", strings.Join(routes, ", "), strings.Join(want, ", "))
	}
	for _, name := range formats {
		if f, err := result.FormatOf(name, ""); err != nil || f.Name != name {
			t.Errorf("format %s of the document: got %q, %v", name, f.Name, err)
		}
	}
	seen := make(map[string]string)
	for route, op := range ops {
		if other := seen[op.OperationID]; op.OperationID == "" || other != "" {
			t.Errorf("%s: operationId %q is missing or that of %q", route, op.OperationID, other)
		}
		seen[op.OperationID] = route
		if len(op.Responses) == 0 {
			t.Errorf("%s has no responses", route)
		}
	}
}
