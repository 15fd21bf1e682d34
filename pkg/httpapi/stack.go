package httpapi

import (
	"io"
	"log/slog"
	"net/http"
	"time"
)

// Timeouts end connections that stand still.
type Timeouts struct {
	Header time.Duration // to send a request's header
	Read   time.Duration // to send the next piece of a body
	Idle   time.Duration // between two requests
}

// NewHTTPServer returns the HTTP stack below the API: a server for handler that lets no client stand still.
//
// There is no ReadTimeout, because it would also end the context of a request that is answered after it; timedBodies
// does its work. There is no WriteTimeout, because an answer may take as long as it flows: see stream.
func NewHTTPServer(handler http.Handler, t Timeouts, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           timedBodies(handler, t.Read),
		ReadHeaderTimeout: t.Header,
		IdleTimeout:       t.Idle,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// timedBodies gives the client timeout for each piece of a body. When the body has been read the connection has no
// deadline any more: the server goes on reading to learn when the client leaves, and a deadline would look like that.
func timedBodies(next http.Handler, timeout time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, ok := w.(readDeadliner); ok && r.Body != nil && r.Body != http.NoBody {
			_ = conn.SetReadDeadline(time.Now().Add(timeout)) // fails when the connection is gone
			r.Body = &timedBody{ReadCloser: r.Body, conn: conn}
		}
		next.ServeHTTP(w, r)
	})
}

// readDeadliner is a response writer of a real connection.
type readDeadliner interface{ SetReadDeadline(time.Time) error }

type timedBody struct {
	io.ReadCloser
	conn readDeadliner
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.conn.SetReadDeadline(time.Time{}) // fails when the connection is gone
	}
	return n, err
}
