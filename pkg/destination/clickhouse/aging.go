package clickhouse

import (
	"net/http"
	"sync"
	"time"
)

// aging makes requests on connections that are not used again when they are older than life, if that is not 0. Safe for concurrent use.
type aging struct {
	life time.Duration

	mu    sync.Mutex
	now   *http.Transport // guarded by mu; has all connections that may be used again
	since time.Time       // guarded by mu; no connection of now is older
}

// RoundTrip implements http.RoundTripper.
func (a *aging) RoundTrip(r *http.Request) (*http.Response, error) { return a.young().RoundTrip(r) }

// CloseIdleConnections is what http.Client's has.
func (a *aging) CloseIdleConnections() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now.CloseIdleConnections()
}

func (a *aging) young() *http.Transport {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.life > 0 && time.Since(a.since) > a.life {
		old := a.now
		a.now, a.since = old.Clone(), time.Now()
		old.CloseIdleConnections() // those in use end after their answer
	}
	return a.now
}
