package ingest

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what the writer does.
type Metrics struct {
	inserts *prometheus.CounterVec
	rows    *prometheus.CounterVec
	bytes   *prometheus.CounterVec
	sealed  *prometheus.CounterVec
	torn    prometheus.Counter
	open    prometheus.Gauge
	waiting prometheus.Gauge
	sync    prometheus.Histogram
}

// NewMetrics registers the metrics with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	byDestination := []string{"destination"}
	m := &Metrics{
		inserts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scratchdata_ingest_inserts_total", Help: "Inserts accepted."}, byDestination),
		rows:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scratchdata_ingest_rows_total", Help: "Rows accepted."}, byDestination),
		bytes:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scratchdata_ingest_bytes_total", Help: "Bytes of flattened rows accepted."}, byDestination),
		sealed:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scratchdata_ingest_batches_sealed_total", Help: "Batches sealed, by reason."}, []string{"reason"}),
		torn:    prometheus.NewCounter(prometheus.CounterOpts{Name: "scratchdata_ingest_torn_tails_total", Help: "Unacknowledged tails that recovery cut off and put aside."}),
		open:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "scratchdata_ingest_batches_open", Help: "Batches that take rows."}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{Name: "scratchdata_ingest_batches_ready", Help: "Sealed batches that are not shipped yet."}),
		sync: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "scratchdata_ingest_sync_seconds", Help: "Time of a group commit's sync.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .1, .5, 1}}),
	}
	reg.MustRegister(m.inserts, m.rows, m.bytes, m.sealed, m.torn, m.open, m.waiting, m.sync)
	return m
}

// accepted counts the inserts of one destination.
type accepted struct{ inserts, rows, bytes prometheus.Counter }

func (m *Metrics) accepted(destination string) accepted {
	return accepted{m.inserts.WithLabelValues(destination), m.rows.WithLabelValues(destination), m.bytes.WithLabelValues(destination)}
}

func (a accepted) insert(rows int, bytes int64) {
	a.inserts.Inc()
	a.rows.Add(float64(rows))
	a.bytes.Add(float64(bytes))
}

func (m *Metrics) synced(took time.Duration) { m.sync.Observe(took.Seconds()) }
