// Package api is the HTTP contract.
package api

import (
	_ "embed"
	"fmt"

	"gopkg.in/yaml.v3"
)

//go:embed openapi.yaml
var openapi []byte

// Document gives the OpenAPI document, which the caller may change.
func Document() (map[string]any, error) {
	var doc map[string]any
	if err := yaml.Unmarshal(openapi, &doc); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	return doc, nil
}
