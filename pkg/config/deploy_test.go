package config

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestDeployments: the examples in deploy have configurations that are right, with the switches that their nodes get.
func TestDeployments(t *testing.T) {
	deploy := filepath.Join("..", "..", "deploy")
	configuration := filepath.Join(deploy, "compose", "scratchdata.yaml")
	for name, nodes := range map[string]int{"compose/compose.yaml": 4, "kubernetes/scratchdata.yaml": 2} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(deploy, filepath.FromSlash(name)))
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
				var doc any
				if err := d.Decode(&doc); err == io.EOF {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				for _, environ := range environments(doc) {
					found++
					if _, err := Load(configuration, environ); err != nil {
						t.Errorf("%v: %v", environ, err)
					}
				}
			}
			if found != nodes {
				t.Errorf("got %d nodes with switches, want %d", found, nodes)
			}
		})
	}
	if _, err := Load(configuration, []string{"SCRATCH_WORKERS_ENABLE=false"}); err == nil {
		t.Error("want that a switch that there is not is a mistake")
	}
}

// TestRabbitMQKeepsItsName: RabbitMQ keeps its data under the name of its machine, so a container that is made anew on the same
// volume finds them only if it is called as the one before.
func TestRabbitMQKeepsItsName(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "compose", "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct{ Image, Hostname string }
	}
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	found := 0
	for name, service := range compose.Services {
		if !strings.HasPrefix(service.Image, "rabbitmq:") {
			continue
		}
		found++
		if service.Hostname != name {
			t.Errorf("service %s: got the hostname %q, want %q", name, service.Hostname, name)
		}
	}
	if found != 1 {
		t.Errorf("got %d services that are RabbitMQ, want 1", found)
	}
}

// environments finds the variables of our nodes anywhere in a document: a mapping of names, or a list of them with their values.
func environments(doc any) (found [][]string) {
	switch doc := doc.(type) {
	case map[string]any:
		for key, value := range doc {
			if environ := variablesOf(value); key == "environment" || key == "env" {
				if len(environ) > 0 {
					found = append(found, environ)
				}
				continue
			}
			found = append(found, environments(value)...)
		}
	case []any:
		for _, value := range doc {
			found = append(found, environments(value)...)
		}
	}
	return found
}

func variablesOf(value any) (environ []string) {
	add := func(name, value any) {
		n, _ := name.(string)
		v, _ := value.(string)
		if strings.HasPrefix(n, "SCRATCH_") {
			environ = append(environ, n+"="+v)
		}
	}
	switch value := value.(type) {
	case map[string]any:
		for name, v := range value {
			add(name, v)
		}
	case []any:
		for _, item := range value {
			if fields, ok := item.(map[string]any); ok {
				add(fields["name"], fields["value"])
			}
		}
	}
	return environ
}
