package transport

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// The stages that batches are counted at.
const (
	stageShipped = "shipped" // in the blob store and the queue
	stageLoaded  = "loaded"
	stageDead    = "dead"
)

// Metrics is what the transport counts.
type Metrics struct {
	batches      *prometheus.CounterVec // by stage
	shipFailures prometheus.Counter
	rows         *prometheus.CounterVec // by destination, as all that follow but the last two
	rescued      *prometheus.CounterVec // and by reason
	retries      *prometheus.CounterVec
	seconds      *prometheus.HistogramVec
	loading      *prometheus.GaugeVec
	dead         prometheus.Gauge
	paused       prometheus.Gauge
}

// NewMetrics registers the transport's metrics. The label destination is the id that the configuration gives.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	byDestination := []string{"destination"}
	m := &Metrics{
		batches: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scratchdata_batches_total",
			Help: "Batches that reached a stage: shipped, loaded, dead."}, []string{"stage"}),
		shipFailures: prometheus.NewCounter(prometheus.CounterOpts{Name: "scratchdata_ship_failures_total",
			Help: "Tries to ship a batch that failed; each is tried again."}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scratchdata_loaded_rows_total",
			Help: "Rows loaded."}, byDestination),
		rescued: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scratchdata_rescued_values_total",
			Help: "Values that went into __rescued, by why: unfit, no_column, duplicate, reserved."}, []string{"destination", "reason"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scratchdata_load_retries_total",
			Help: "Loads that failed and will be tried again."}, byDestination),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "scratchdata_load_seconds",
			Help:    "Time of one try to load a batch, also of one that failed.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800}}, byDestination),
		loading: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "scratchdata_loads_in_progress",
			Help: "Batches being loaded now."}, byDestination),
		dead: prometheus.NewGauge(prometheus.GaugeOpts{Name: "scratchdata_dead_batches",
			Help: "Batches whose load was given up and that wait for a person."}),
		paused: prometheus.NewGauge(prometheus.GaugeOpts{Name: "scratchdata_workers_paused",
			Help: "1 while the workers take no batch because the disk is too full."}),
	}
	reg.MustRegister(m.batches, m.shipFailures, m.rows, m.rescued, m.retries, m.seconds, m.loading, m.dead, m.paused)
	for _, stage := range [...]string{stageShipped, stageLoaded, stageDead} {
		m.batches.WithLabelValues(stage) // there from the start, so that a rate can be made of it
	}
	return m
}

func (m *Metrics) rescue(destination string, why schema.Rescues) {
	for _, r := range schema.Reasons() {
		m.rescued.WithLabelValues(destination, r.String()).Add(float64(why[r]))
	}
}
