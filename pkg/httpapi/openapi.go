package httpapi

import (
	"fmt"
	"net/http"

	"github.com/scratchdata/scratchdata/api"
	"github.com/scratchdata/scratchdata/pkg/named"
	"github.com/scratchdata/scratchdata/pkg/result"
)

// openAPI answers with the OpenAPI document, in which each named query of the caller's is an operation.
func (s *Server) openAPI(w http.ResponseWriter, r *http.Request) error {
	doc, err := api.Document()
	if err != nil {
		return err
	}
	paths, ok := doc["paths"].(map[string]any)
	if !ok {
		return fmt.Errorf("openapi.yaml has no paths")
	}
	list, err := s.deps.Named.List(r.Context(), callOf(r.Context()).grant.Destination)
	if err != nil {
		return err
	}
	for _, q := range list {
		paths["/api/query/"+q.Name] = map[string]any{"get": operationOf(q)}
	}
	doc["servers"] = []any{map[string]any{"url": baseOf(r)}}
	return writeJSON(w, http.StatusOK, doc)
}

// operationOf describes a named query.
func operationOf(q named.Query) map[string]any {
	var formats []string
	for _, f := range result.Formats() {
		formats = append(formats, f.Name)
	}
	params := []any{map[string]any{"name": "format", "in": "query", "schema": map[string]any{"type": "string", "enum": formats}}}
	for _, p := range q.Params {
		schema := schemaOf(p.Type)
		if p.Default != nil {
			schema["default"] = p.Default
		}
		params = append(params, map[string]any{"name": p.Name, "in": "query", "description": p.Description, "required": p.Default == nil, "schema": schema})
	}
	summary := q.Description
	if summary == "" {
		summary = "The query " + q.Name
	}
	return map[string]any{"summary": summary, "operationId": "query-" + q.Name, "tags": []any{"queries"}, "parameters": params,
		"responses": map[string]any{"200": map[string]any{"description": "The rows, streamed.",
			"content": map[string]any{"application/json": map[string]any{"schema": map[string]any{"type": "array", "items": map[string]any{"type": "object"}}}}}}}
}

func schemaOf(t named.Type) map[string]any {
	switch t {
	case named.Int:
		return map[string]any{"type": "integer", "format": "int64"}
	case named.Float:
		return map[string]any{"type": "number"}
	case named.Bool:
		return map[string]any{"type": "boolean"}
	case named.Date:
		return map[string]any{"type": "string", "format": "date"}
	case named.Timestamp:
		return map[string]any{"type": "string", "format": "date-time"}
	default:
		return map[string]any{"type": "string"}
	}
}
