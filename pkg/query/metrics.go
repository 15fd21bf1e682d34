package query

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// Metrics are the figures of the queries.
type Metrics struct {
	seconds *prometheus.HistogramVec
	rows    *prometheus.CounterVec
	bytes   *prometheus.CounterVec
	now     *prometheus.GaugeVec
}

// NewMetrics makes the figures and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "scratchdata_query_seconds",
			Help:    "Time to run a query and send its answer, waiting included, by destination and outcome.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}, []string{"destination", "outcome"}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scratchdata_query_rows_total",
			Help: "Rows sent in answers to queries.",
		}, []string{"destination"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scratchdata_query_bytes_total",
			Help: "Bytes sent in answers to queries, before compression.",
		}, []string{"destination"}),
		now: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "scratchdata_queries_running",
			Help: "Queries that run now.",
		}, []string{"destination"}),
	}
	reg.MustRegister(m.seconds, m.rows, m.bytes, m.now)
	return m
}

func (m *Metrics) done(dest, outcome string, took time.Duration, rows, bytes int64) {
	m.seconds.WithLabelValues(dest, outcome).Observe(took.Seconds())
	m.rows.WithLabelValues(dest).Add(float64(rows))
	m.bytes.WithLabelValues(dest).Add(float64(bytes))
}

// running counts a query from now until stop is called.
func (m *Metrics) running(dest string) (stop func()) {
	g := m.now.WithLabelValues(dest)
	g.Inc()
	return g.Dec
}

// outcomeOf names how a query ended: "ok", a limit's own code, or the kind of its failure.
func outcomeOf(err error) string {
	if err == nil {
		return "ok"
	}
	kind := fault.Of(err)
	if kind == fault.Unprocessable {
		return fault.CodeOf(err)
	}
	return strings.ReplaceAll(string(kind), " ", "_")
}
