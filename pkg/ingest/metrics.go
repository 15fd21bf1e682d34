package ingest

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scratchdata/scratchdata/pkg/control"
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

	replays   *prometheus.CounterVec
	keys      prometheus.Gauge
	oldestKey prometheus.Gauge
	keysEarly prometheus.Counter
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
	m.replays = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scratchdata_ingest_replays_total", Help: "Inserts answered again, as their idempotency key was known."}, byDestination)
	m.keys = prometheus.NewGauge(prometheus.GaugeOpts{Name: "scratchdata_idempotency_keys", Help: "Idempotency keys remembered."})
	m.oldestKey = prometheus.NewGauge(prometheus.GaugeOpts{Name: "scratchdata_idempotency_oldest_seconds", Help: "Age of the oldest idempotency key remembered."})
	m.keysEarly = prometheus.NewCounter(prometheus.CounterOpts{Name: "scratchdata_idempotency_forgotten_early_total", Help: "Idempotency keys forgotten before their window ended, because there were too many."})
	reg.MustRegister(m.inserts, m.rows, m.bytes, m.sealed, m.torn, m.open, m.waiting, m.sync, m.replays, m.keys, m.oldestKey, m.keysEarly)
	return m
}

func (m *Metrics) replayed(destination string) { m.replays.WithLabelValues(destination).Inc() }

func (m *Metrics) keysLeft(left control.KeysLeft, now time.Time) {
	m.keys.Set(float64(left.Count))
	m.oldestKey.Set(0)
	if !left.Oldest.IsZero() {
		m.oldestKey.Set(now.Sub(left.Oldest).Seconds())
	}
	m.keysEarly.Add(float64(left.Early))
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
