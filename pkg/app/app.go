// Package app makes a running server of a configuration.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"

	"github.com/scratchdata/scratchdata/pkg/config"
)

// Run serves cfg until ctx ends, and then stops in order. When the server is ready it says on out where it is and how to
// try it. Meanwhile it changes to what again reads. A part that fails stops the server and gives Run's error.
func Run(ctx context.Context, cfg config.Config, again Reloads, out io.Writer, log *slog.Logger) error {
	s, err := open(ctx, cfg, log)
	if err != nil {
		return err
	}
	s.reloading(again)
	if _, err := io.WriteString(out, s.hello()); err != nil {
		return errors.Join(fmt.Errorf("say that the server is ready: %w", err), s.close())
	}
	return s.run(ctx)
}

// While serves cfg to this machine alone, on a free port, while do runs, which is told where.
func While(ctx context.Context, cfg config.Config, log *slog.Logger, do func(ctx context.Context, url string) error) error {
	cfg.API = config.API{Enabled: true, Host: "127.0.0.1"}
	cfg.Prometheus.Enabled, cfg.Workers.Enabled = false, true
	s, err := open(ctx, cfg, log)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	did := make(chan error, 1)
	go func() {
		defer stop()
		did <- do(ctx, "http://"+s.api.Addr().String())
	}()
	err = s.run(ctx)
	stop() // when a part has ended the server
	return errors.Join(<-did, err)
}

// run runs what was opened until ctx ends, and closes it.
func (s *server) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { s.stopping.Store(true) })()
	err := runStages(ctx, s.stages, s.cfg.DrainTimeout, s.log)
	if errors.Is(err, errStuck) {
		return err // what a stuck part still uses is the operating system's to close
	}
	return errors.Join(err, s.close())
}

// hello is what a person reads when the server is ready.
func (s *server) hello() string {
	dir, err := filepath.Abs(s.cfg.DataDir)
	if err != nil {
		dir = s.cfg.DataDir
	}
	if s.api == nil {
		return fmt.Sprintf("Scratch Data is ready.\n  api      off\n  data     %s\n", dir)
	}
	url := "http://" + reachable(s.api.Addr())
	return fmt.Sprintf("Scratch Data is ready.\n  address  %s\n  data     %s\n  try      curl -H \"Authorization: Bearer %s\" -d '{\"hello\":\"world\"}' '%s/api/data/insert/events?wait=true'\n",
		url, dir, s.shownKey(), url)
}

// shownKey is a key to try: the one that everybody knows, or a variable in place of one that nobody may read here.
func (s *server) shownKey() string {
	for _, d := range s.cfg.Destinations {
		for _, k := range d.APIKeys {
			if k.Reveal() == config.DefaultKey {
				return config.DefaultKey
			}
		}
	}
	return "$SCRATCH_KEY"
}

// reachable gives an address on which this machine's own clients reach a listener.
func reachable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return a.String()
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(tcp.Port))
}

// warnOpenKey says when everybody on the network can use a key that everybody knows.
func (s *server) warnOpenKey() {
	tcp, ok := s.api.Addr().(*net.TCPAddr)
	if ok && !tcp.IP.IsLoopback() && s.shownKey() == config.DefaultKey {
		s.log.Warn("the API key \""+config.DefaultKey+"\", which everybody knows, works from the network; set api_keys",
			"address", s.api.Addr().String())
	}
}
