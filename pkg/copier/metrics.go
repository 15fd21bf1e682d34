package copier

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/scratchdata/scratchdata/pkg/control"
)

// Metrics are the figures of the copies.
type Metrics struct {
	now  prometheus.Gauge
	ends *prometheus.CounterVec
	in   *prometheus.CounterVec
	out  *prometheus.CounterVec
}

// NewMetrics makes the figures and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		now: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "scratchdata_copies_running",
			Help: "Copies that this process works on now.",
		}),
		ends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scratchdata_copies_total",
			Help: "Copies that this process has brought to an end, by state: done, failed, canceled.",
		}, []string{"state"}),
		in: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scratchdata_copy_read_rows_total",
			Help: "Rows that copies have read, by the destination that was asked.",
		}, []string{"destination"}),
		out: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scratchdata_copy_written_rows_total",
			Help: "Rows that copies have seen loaded, by the destination that they were loaded into.",
		}, []string{"destination"}),
	}
	reg.MustRegister(m.now, m.ends, m.in, m.out)
	return m
}

// running counts a copy from now until stop is called.
func (m *Metrics) running() (stop func()) {
	m.now.Inc()
	return m.now.Dec
}

func (m *Metrics) ended(s control.JobState)        { m.ends.WithLabelValues(string(s)).Inc() }
func (m *Metrics) read(source string, rows int64)  { m.in.WithLabelValues(source).Add(float64(rows)) }
func (m *Metrics) written(dest string, rows int64) { m.out.WithLabelValues(dest).Add(float64(rows)) }
