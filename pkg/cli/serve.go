package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/scratchdata/scratchdata/pkg/app"
	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

type serveCommand struct{ configFile }

// Run serves until ctx ends.
func (c *serveCommand) Run(ctx context.Context, e *env) error {
	defer tune()()
	cfg, err := e.load(c.Config)
	if err != nil {
		return err
	}
	log := e.log(cfg)
	log.Info("starting", "version", versionText(e.version), "data_dir", cfg.DataDir)
	again := app.Reloads{Asked: e.hangups(), Read: func() (config.Config, error) { return e.load(c.Config) }}
	return app.Run(ctx, cfg, again, e.stdout, log)
}

type checkCommand struct{ configFile }

// Run says every mistake.
func (c *checkCommand) Run(e *env) error {
	if _, err := e.load(c.Config); err != nil {
		return err
	}
	name := c.Config
	if name == "" {
		name = "the default configuration"
	}
	_, err := fmt.Fprintln(e.stdout, name+" is well")
	return err
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(e *env) error {
	_, err := fmt.Fprintf(e.stdout, "scratchdata %s %s %s/%s\n", versionText(e.version), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// versionText is the version that the build was given, or else what Go noted of the source.
func versionText(given string) string {
	if given != "" {
		return given
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = " " + s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = " changed"
		}
	}
	return info.Main.Version + revision + dirty
}

type healthCommand struct {
	configFile
	Timeout time.Duration `default:"2s" help:"How long the server may take to answer."`
}

// Run asks the server of this configuration, on this machine.
func (c *healthCommand) Run(ctx context.Context, e *env) error {
	cfg, err := e.load(c.Config)
	if err != nil {
		return err
	}
	url, err := healthURL(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	return askHealth(ctx, url, e.stdout)
}

// healthURL is what tells whether the server lives: its health check, or its metrics when there is no API.
func healthURL(cfg config.Config) (string, error) {
	port, path := cfg.API.Port, "/healthcheck"
	if !cfg.API.Enabled {
		port, path = cfg.Prometheus.Port, "/metrics"
	}
	if !cfg.API.Enabled && !cfg.Prometheus.Enabled || port == 0 {
		return "", fault.New(fault.Invalid, "no_port", "neither api nor prometheus has a port of its own to ask")
	}
	return "http://" + net.JoinHostPort(hostOf(cfg.API.Host), strconv.Itoa(port)) + path, nil
}

// askHealth prints the server's answer. A server without an API answers with its metrics, which are left out; one that
// wants a password for them lives, too.
func askHealth(ctx context.Context, url string, out io.Writer) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	const most = 64 << 10
	text, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	switch {
	case resp.Header.Get("Content-Type") == "application/json":
		if _, err := out.Write(text); err != nil {
			return err
		}
	case resp.StatusCode == http.StatusUnauthorized:
		return nil
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server is not well: status %d", resp.StatusCode)
	}
	return nil
}
