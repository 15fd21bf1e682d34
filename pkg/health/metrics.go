package health

import "github.com/prometheus/client_golang/prometheus"

// Metrics says which destinations answer.
type Metrics struct{ up *prometheus.GaugeVec }

// NewMetrics makes the metric and registers it.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "scratchdata_destination_up",
		Help: "1 when the destination answered when it was last looked at, else 0.",
	}, []string{"destination"})}
	reg.MustRegister(m.up)
	return m
}

func (m *Metrics) answers(id string, yes bool) {
	value := 0.0
	if yes {
		value = 1
	}
	m.up.WithLabelValues(id).Set(value)
}

func (m *Metrics) forget(id string) { m.up.DeleteLabelValues(id) }
