package clickhouse

import (
	"context"
	"log/slog"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/secret"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// configOf is the settings for a server.
func configOf(s servertest.ClickHouseServer) Config {
	c := DefaultConfig()
	c.Hosts, c.TCPPort, c.HTTPPort = Hosts{s.Host}, s.TCP, s.HTTP
	c.Username, c.Password, c.Database = s.User, secret.String(s.Password), s.Database
	return c
}

func openWith(t testing.TB, cfg Config) *Destination {
	t.Helper()
	d, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d.(*Destination)
}

func TestConformance(t *testing.T) {
	server := servertest.ClickHouse(t)
	for _, protocol := range []string{native, overHTTP} {
		t.Run(protocol, func(t *testing.T) {
			open := func(t *testing.T, change func(*Config)) destination.Destination {
				cfg := configOf(server.Fresh(t))
				cfg.Protocol = protocol
				change(&cfg)
				return openWith(t, cfg)
			}
			d := dialect()
			d.OpenStringTypes = func(t *testing.T) destination.Destination {
				return open(t, func(c *Config) { c.StringTypes = true })
			}
			destinationtest.Run(t, func(t *testing.T) destination.Destination { return open(t, func(*Config) {}) }, d)
		})
	}
}

// exec runs a statement in d's database, as a person would.
func exec(ctx context.Context, d destination.Destination, sql string) error {
	c := d.(*Destination)
	p := newPool(c.cfg, c.admin.tls, newHosts(c.cfg.addresses(c.cfg.Hosts), first), c.cfg.Username, c.cfg.Password.Reveal(), c.cfg.Database)
	defer p.close()
	return storeFault(ctx, p.do(ctx, request{sql: sql}))
}
