package app

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/copier"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/httpapi"
	"github.com/scratchdata/scratchdata/pkg/named"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/share"
	"github.com/scratchdata/scratchdata/pkg/tables"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

// serving makes the API.
func (s *server) serving(context.Context) error {
	if s.api == nil {
		return nil
	}
	limits, own := queryLimits(s.cfg)
	s.runner = query.New(limits, own, s.dests, s.log, query.NewMetrics(s.registry))
	api := httpapi.New(apiConfig(s.cfg), httpapi.Deps{
		Log:      s.log,
		Registry: s.registry,
		Keys:     s.keys,
		Writer:   s.writer,
		Receipts: s.receipts,
		Graves:   transport.NewGraves(s.control, s.queue, s.blobs),
		Tables:   tables.New(s.dests, s.control.Columns(), s.log),
		Query:    s.runner,
		Shares:   share.New(s.control.Shares(), s.runner),
		Named:    named.New(s.control.Queries(), s.runner),
		Copies:   copier.New(s.dests, s.control.Jobs(), s.runner, s.mayCopy, s.log),
		Health:   s.health,
	})
	handler := api.Handler()
	if s.cfg.Prometheus.Enabled && s.onePort() {
		mux := http.NewServeMux()
		mux.Handle("/", handler)
		mux.Handle("GET /metrics", s.metricsHandler())
		handler = mux
	}
	s.stages = append(s.stages, httpStage("http", s.api, handler, s.cfg.Timeouts, s.log))
	return nil
}

// health says why the parts behind the API are not well.
func (s *server) health() []string {
	var reasons []string
	if s.stopping.Load() {
		reasons = append(reasons, "the server is shutting down")
	}
	if s.workers != nil {
		if err := s.workers.Check(); err != nil {
			reasons = append(reasons, fault.TextOf(err))
		}
	}
	return append(reasons, s.checker.Reasons()...)
}

// httpStage serves handler on l. Stopped, it takes no new requests and finishes those in progress; killed, it ends
// their contexts and cuts their connections.
func httpStage(name string, l net.Listener, handler http.Handler, t config.Timeouts, log *slog.Logger) stage {
	requests, cut := context.WithCancel(context.Background())
	srv := httpapi.NewHTTPServer(handler, httpapi.Timeouts{Header: t.Header, Read: t.Read, Idle: t.Idle}, log)
	srv.BaseContext = func(net.Listener) context.Context { return requests }
	return stage{
		name: name,
		run: func(ctx context.Context) error {
			defer cut()
			served := make(chan error, 1)
			go func() { served <- srv.Serve(l) }()
			select {
			case err := <-served:
				return err
			case <-ctx.Done():
			}
			err := srv.Shutdown(context.WithoutCancel(ctx))
			if e := <-served; !errors.Is(e, http.ErrServerClosed) {
				err = errors.Join(err, e)
			}
			return err
		},
		kill: func() {
			cut()
			_ = srv.Close() // what its connections say is of no use to anybody now
		},
	}
}

func (s *server) metricsHandler() http.Handler {
	h := promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)})
	if s.cfg.Prometheus.Username == "" {
		return h
	}
	return basicAuth(h, s.cfg.Prometheus)
}

// basicAuth lets only the configured user in. Digests are compared, so that the time tells nothing.
func basicAuth(next http.Handler, c config.Prometheus) http.Handler {
	wantUser, wantPassword := sha256.Sum256([]byte(c.Username)), sha256.Sum256([]byte(c.Password.Reveal()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, p, _ := r.BasicAuth()
		user, password := sha256.Sum256([]byte(u)), sha256.Sum256([]byte(p))
		if subtle.ConstantTimeCompare(user[:], wantUser[:])&subtle.ConstantTimeCompare(password[:], wantPassword[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="metrics"`)
			http.Error(w, "wrong user or password", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
