package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

// family gives the metrics of one name.
func (p *plant) family(name string) []*dto.Metric {
	p.t.Helper()
	families, err := p.registry.Gather()
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()
		}
	}
	return nil
}

// counter gives the value of a counter without labels.
func (p *plant) counter(name string) (sum float64) {
	p.t.Helper()
	for _, m := range p.family(name) {
		sum += m.GetCounter().GetValue()
	}
	return sum
}

// answered counts the answers by "METHOD route status".
func (p *plant) answered() map[string]uint64 {
	p.t.Helper()
	counts := make(map[string]uint64)
	for _, m := range p.family("scratchdata_http_seconds") {
		label := make(map[string]string)
		for _, l := range m.GetLabel() {
			label[l.GetName()] = l.GetValue()
		}
		counts[label["method"]+" "+label["route"]+" "+label["status"]] += m.GetHistogram().GetSampleCount()
	}
	return counts
}

// The labels are few, whatever a caller sends.
func TestMetricsNameRoutesOnly(t *testing.T) {
	p := newPlant(t, setup{answers: answers()})
	for _, tt := range []struct{ method, path, body, want string }{
		{"POST", "/api/data/insert/secret_table", `{"a":1}`, "POST /api/data/insert/{table} 200"},
		{"POST", "/api/data/insert/..%2Fsecret", `{"a":1}`, "POST /api/data/insert/{table} 400"},
		{"GET", "/api/data/query?q=three&secret=1", "", "GET /api/data/query 200"},
		{"POST", "/api/data/query", "broken", "POST /api/data/query 500"},
		{"GET", "/api/receipts/secret", "", "GET /api/receipts/{id} 400"},
		{"GET", "/api/dead", "", "GET /api/dead 200"},
		{"DELETE", "/api/dead/secret", "", "DELETE /api/dead/{id} 404"},
		{"POST", "/api/dead/secret/replay", "", "POST /api/dead/{id}/replay 404"},
		{"GET", "/secret/" + strings.Repeat("x", 1000), "", "GET unmatched 404"},
		{"POST", "/api/secret", "", "POST unmatched 404"},
		{"SECRET", "/", "", "other unmatched 405"},
		{"PUT", "/healthcheck", "", "PUT unmatched 405"},
		{"GET", "/healthcheck", "", "GET /healthcheck 200"},
		{"GET", "/", "", "GET / 200"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			p.in(t)
			before := p.answered()[tt.want]
			p.do(tt.method, tt.path, tt.body)
			p.await(tt.want+" counted", func() bool { return p.answered()[tt.want] == before+1 })
		})
	}
	for _, label := range slices.Sorted(maps.Keys(p.answered())) {
		if strings.Contains(strings.ToLower(label), "secret") {
			t.Errorf("a caller's words are in the labels: %s", label)
		}
	}
	if strings.Contains(p.log.String(), "/secret/") {
		t.Error("a caller's URL is in the log")
	}
}

// The same for panics and answers that are cut.
func TestMetricsOfFailures(t *testing.T) {
	p := newPlant(t, setup{answers: answers()})
	if r := p.do("GET", "/api/data/query?q=panic", ""); r.status != http.StatusInternalServerError {
		t.Errorf("got %d, want 500", r.status)
	}
	if r := p.send("GET", "/api/data/query?q=panic+later", nil, "X-API-Key: "+keyOne); r.err == nil {
		t.Error("the answer is whole")
	}
	p.await("both are counted", func() bool {
		n := p.answered()
		return n["GET /api/data/query 500"] == 1 && n["GET /api/data/query 200"] == 1 && p.counter("scratchdata_http_cut_total") == 1
	})
}
