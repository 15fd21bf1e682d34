package httpapi

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	seconds *prometheus.HistogramVec
	cut     prometheus.Counter

	mu    sync.RWMutex
	known map[labels]prometheus.Observer // of seconds, which finds its own less quickly; guarded by mu
}

type labels struct {
	route, method string
	status        int
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		known: make(map[labels]prometheus.Observer),
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

// done counts one answer. The labels are the server's own words, never a caller's, so they are few.
func (m *metrics) done(method, route string, status int, cut bool, took time.Duration) {
	m.observer(labels{route, knownMethod(method), status}).Observe(took.Seconds())
	if cut {
		m.cut.Inc()
	}
}

func (m *metrics) observer(l labels) prometheus.Observer {
	m.mu.RLock()
	o := m.known[l]
	m.mu.RUnlock()
	if o != nil {
		return o
	}
	o = m.seconds.WithLabelValues(l.route, l.method, strconv.Itoa(l.status))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[l] = o
	return o
}

func knownMethod(m string) string {
	switch m {
	case "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH":
		return m
	default:
		return "other"
	}
}
