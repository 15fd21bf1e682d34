package httpapi

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	seconds *prometheus.HistogramVec
	cut     prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "scratchdata_http_seconds",
			Help:    "Time to answer a request, by route pattern, method and status.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60},
		}, []string{"route", "method", "status"}),
		cut: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "scratchdata_http_cut_total",
			Help: "Answers that were cut because they failed after their first byte.",
		}),
	}
	reg.MustRegister(m.seconds, m.cut)
	return m
}

// done counts one answer. The labels are the server's own words, never a caller's.
func (m *metrics) done(method, route string, status int, cut bool, took time.Duration) {
	m.seconds.WithLabelValues(route, knownMethod(method), statusText(status)).Observe(took.Seconds())
	if cut {
		m.cut.Inc()
	}
}

func knownMethod(m string) string {
	switch m {
	case "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH":
		return m
	default:
		return "other"
	}
}

func statusText(status int) string {
	if status == 200 {
		return "200"
	}
	return strconv.Itoa(status)
}
