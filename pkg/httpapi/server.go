// Package httpapi is the HTTP API: it turns requests into calls of the services and their answers into responses.
package httpapi

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/cors"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/scratchdata/scratchdata/pkg/account"
	"github.com/scratchdata/scratchdata/pkg/copier"
	"github.com/scratchdata/scratchdata/pkg/ingest"
	"github.com/scratchdata/scratchdata/pkg/named"
	"github.com/scratchdata/scratchdata/pkg/query"
	"github.com/scratchdata/scratchdata/pkg/share"
	"github.com/scratchdata/scratchdata/pkg/tables"
	"github.com/scratchdata/scratchdata/pkg/transport"
)

// Config is what the API may be told about itself.
type Config struct {
	ReadOnly     bool          // everything that writes answers 403
	CORSOrigins  []string      // origins whose pages may call; "*" means all
	MaxBody      int64         // most bytes of a request's body as sent
	MaxDecoded   int64         // most bytes of it after decompression
	FailFile     string        // while this file exists the health check fails; empty means none
	ReadTimeout  time.Duration // longest wait for the next piece of a body
	WriteTimeout time.Duration // longest wait for a client to take the next piece of an answer
	WaitDefault  time.Duration // of an insert with ack=loaded, when it names no timeout
	WaitMax      time.Duration // the longest timeout that it may name
}

// DefaultConfig returns the settings used when none are given.
func DefaultConfig() Config {
	return Config{
		CORSOrigins:  []string{"*"},
		MaxBody:      16 << 30,
		MaxDecoded:   64 << 30,
		ReadTimeout:  time.Minute,
		WriteTimeout: time.Minute,
		WaitDefault:  30 * time.Second,
		WaitMax:      10 * time.Minute,
	}
}

// Deps is what the API calls. A nil Writer means that uploads are off.
type Deps struct {
	Log      *slog.Logger
	Registry prometheus.Registerer
	Keys     *account.Keys
	Writer   *ingest.Writer
	Receipts *transport.Receipts
	Graves   *transport.Graves
	Query    *query.Runner
	Tables   *tables.Tables
	Shares   *share.Links
	Named    *named.Queries
	Copies   *copier.Copies
	Health   func() []string // why the server is not well, empty when it is; nil means always well
}

// Server answers the API's requests.
type Server struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	metrics *metrics
	router  *chi.Mux

	codings  codings
	routings sync.Pool // of *chi.Context
}

// New returns a server. It listens on nothing: the caller serves its Handler.
func New(cfg Config, deps Deps) *Server {
	s := newServer(cfg, deps)
	s.routes()
	return s
}

func newServer(cfg Config, deps Deps) *Server {
	return &Server{cfg: cfg, deps: deps, log: deps.Log, metrics: newMetrics(deps.Registry), router: chi.NewRouter(), codings: newCodings()}
}

// Handler gives the handler of all routes.
func (s *Server) Handler() http.Handler { return s.observe(s.router) }

func (s *Server) routes() {
	r := s.router
	r.Use(s.cors(), middleware.GetHead)
	r.NotFound(s.handle(notFound))
	r.MethodNotAllowed(s.handle(s.methodNotAllowed))
	r.Get("/", s.handle(s.home))
	r.Get("/healthcheck", s.handle(s.health))
	r.Post("/data", s.handle(s.keyed(s.writing(s.insertAnywhere))))
	r.Post("/api/data/insert", s.handle(s.keyed(s.writing(s.insertAnywhere))))
	r.Post("/api/data/insert/{table}", s.handle(s.keyed(s.writing(s.insert))))
	r.Get("/api/data/query", s.handle(s.keyed(s.queryByURL)))
	r.Post("/api/data/query", s.handle(s.keyed(s.queryByBody)))
	r.Post("/api/data/query/share", s.handle(s.keyed(s.writing(s.makeShare))))
	r.Post("/api/data/copy", s.handle(s.keyed(s.writing(s.startCopy))))
	r.Get("/api/jobs", s.handle(s.keyed(s.listJobs)))
	r.Get("/api/jobs/{id}", s.handle(s.keyed(s.showJob)))
	r.Delete("/api/jobs/{id}", s.handle(s.keyed(s.writing(s.cancelJob))))
	r.Get("/api/shares", s.handle(s.keyed(s.listShares)))
	r.Delete("/api/shares/{id}", s.handle(s.keyed(s.writing(s.revokeShare))))
	r.Get("/share/{id}", s.handle(s.showShare))
	r.Get("/share/{id}/{file}", s.handle(s.sharedData))
	r.Get("/api/queries", s.handle(s.keyed(s.listNamed)))
	r.Post("/api/queries", s.handle(s.keyed(s.writing(s.makeNamed))))
	r.Get("/api/queries/{name}", s.handle(s.keyed(s.showNamed)))
	r.Put("/api/queries/{name}", s.handle(s.keyed(s.writing(s.putNamed))))
	r.Delete("/api/queries/{name}", s.handle(s.keyed(s.writing(s.deleteNamed))))
	r.Get("/api/query/{name}", s.handle(s.keyed(s.runNamed)))
	r.Get("/query/{id}", s.handle(s.runPublic))
	r.Get("/api/openapi.json", s.handle(s.keyed(s.openAPI)))
	r.Get("/api/rest/{table}", s.handle(s.keyed(s.rest)))
	r.Get("/api/tables", s.handle(s.keyed(s.listTables)))
	r.Get("/api/tables/{table}/columns", s.handle(s.keyed(s.tableColumns)))
	r.Get("/api/tables/{table}/rescued", s.handle(s.keyed(s.listRescued)))
	r.Post("/api/tables/{table}/rescued/replay", s.handle(s.keyed(s.writing(s.replayRescued))))
	r.Get("/api/receipts/{id}", s.handle(s.keyed(s.receipt)))
	r.Get("/api/dead", s.handle(s.keyed(s.listDead)))
	r.Get("/api/dead/{id}", s.handle(s.keyed(s.showDead)))
	r.Post("/api/dead/{id}/replay", s.handle(s.keyed(s.writing(s.replayDead))))
	r.Delete("/api/dead/{id}", s.handle(s.keyed(s.writing(s.dropDead))))
}

// crossed reports whether other sites' pages may call a path.
func crossed(path string) bool {
	return strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/share/") || strings.HasPrefix(path, "/query/")
}

// cors lets web pages call what is below /api, /share and /query. A request without an origin is not a page's.
func (s *Server) cors() func(http.Handler) http.Handler {
	rules := cors.Handler(cors.Options{
		AllowedOrigins: s.cfg.CORSOrigins,
		AllowedMethods: []string{"GET", "POST", "PUT", "DELETE", "HEAD"},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{"X-Request-Id", "Content-Range", replayedHeader, rowsTrailer, statusTrailer, "Retry-After"},
		MaxAge:         3600,
	})
	return func(next http.Handler) http.Handler {
		crossing := rules(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if len(r.Header["Origin"]) > 0 && crossed(r.URL.Path) {
				crossing.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
