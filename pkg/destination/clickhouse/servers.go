package clickhouse

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// The oldest servers that are spoken to, by year and month. Older ones have no tokens for blocks that come twice, no parameters of
// statements, and cannot describe a query before it runs.
const (
	oldestYear  = 22
	oldestMonth = 8
)

func tooOld(version string) error {
	return fault.New(fault.Unsupported, "server_too_old", "the server is ClickHouse %s, at least %d.%d is needed", version, oldestYear, oldestMonth)
}

// checkVersion refuses what is older, or has no version at all.
func checkVersion(version string) error {
	parts := append(strings.Split(version, "."), "", "")
	year, yerr := strconv.Atoi(parts[0])
	month, merr := strconv.Atoi(parts[1])
	if yerr != nil || merr != nil || year < oldestYear || year == oldestYear && month < oldestMonth {
		return tooOld(version)
	}
	return nil
}

// servers are those that were met, by address. Safe for concurrent use.
type servers struct {
	mu  sync.Mutex
	met map[string]server // guarded by mu
}

// server is what tells one server from another.
type server struct {
	identity string // of a server whose rows are its own; empty: others have the same
	shard    string // of the cluster, by its number; empty: there is none, or it does not know
}

// meets returns the function that looks at a host of p when it is first connected to: it must be new enough, and have the same
// rows as the others, as a batch whose answer was lost may come again to any of them.
func (s *servers) meets(p *pool, cfg Config) func(context.Context, int) error {
	many := len(cfg.Hosts)+len(cfg.QueryHosts) > 1
	return func(ctx context.Context, host int) error {
		address := p.hosts.addresses[host]
		s.mu.Lock()
		_, known := s.met[address]
		s.mu.Unlock()
		if known {
			return nil
		}
		if p.http != nil { // in the native protocol they greet with their version
			version, err := p.link(host).version(ctx)
			if err == nil {
				err = checkVersion(version)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", address, err)
			}
		}
		var found server
		var err error
		if many {
			if found, err = p.identify(ctx, host, cfg); err != nil {
				return err
			}
		}
		return s.add(address, found, cfg)
	}
}

// identify asks a host who it is.
func (p *pool) identify(ctx context.Context, host int, cfg Config) (s server, err error) {
	if cfg.Cluster == "" {
		// A database of the engine Shared has the same rows on all servers. One of the engine Replicated has the same tables only: a plain one
		// of them is filled on each server for itself.
		s.identity, err = p.word(ctx, host, "SELECT if((SELECT count() FROM system.databases WHERE name = {name:String} AND engine = 'Shared') > 0, '', "+
			"concat(toString(serverUUID()), ' ', hostName(), ' ', toString(tcpPort())))", param{"name", escapeParam(cfg.Database)})
		return s, err
	}
	s.shard, err = p.word(ctx, host, "SELECT toString(max(if(is_local, shard_num, 0))) FROM system.clusters WHERE cluster = {cluster:String} HAVING max(shard_num) > 1",
		param{"cluster", escapeParam(cfg.Cluster)})
	return s, err
}

// add notes a server that was met, if it has the rows of those that were met before.
func (s *servers) add(address string, found server, cfg Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other, known := range s.met {
		switch {
		case found.identity != known.identity:
			return fault.New(fault.Invalid, "different_servers", "hosts: %s and %s are different servers, each with rows of its own: set cluster if their tables are replicated, "+
				"or make a destination of each", other, address)
		case found.shard != known.shard && !cfg.Distributed:
			return fault.New(fault.Invalid, "different_shards", "hosts: %s and %s are of different shards of the cluster %s: set distributed, or leave the hosts of one shard",
				other, address, cfg.Cluster)
		}
	}
	if s.met == nil {
		s.met = map[string]server{}
	}
	s.met[address] = found
	return nil
}

// several reports whether hosts that were met may be servers of their own.
func (s *servers) several() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, met := range s.met {
		if met.identity == "" {
			return true
		}
	}
	return false
}

// word asks one host for one text; the empty one when it has no row.
func (p *pool) word(ctx context.Context, host int, sql string, params ...param) (text string, err error) {
	r := textRequest(sql, func(row []string) error {
		text = row[0]
		return nil
	}, params)
	r.settings = p.settings
	return text, p.on(ctx, host, r)
}

// meetAll meets all hosts that can be reached, so that a mistake in the list is found at once.
func (p *pool) meetAll(ctx context.Context) error {
	if len(p.hosts.addresses) == 1 {
		return nil // with the first statement
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout/2)
	defer cancel()
	var g errgroup.Group
	for host := range p.hosts.addresses {
		g.Go(func() error {
			free, err := p.slot(ctx)
			if err == nil {
				err = p.meet(ctx, host)
				free()
			}
			if lostConnection(err) || ctx.Err() != nil {
				p.hosts.reached(host, false)
				return nil
			}
			return err
		})
	}
	return g.Wait()
}

// knowledge is what a server can be told. Versions differ in it.
type knowledge struct {
	settings map[string]bool // of statements
	window   bool            // plain tables can remember blocks
	always   bool            // and do so without being told
}

// tokens reports whether blocks can have names by which tables know them again.
func (k knowledge) tokens() bool { return k.settings["insert_deduplication_token"] }

// known leaves those of a list of settings that the server has.
func (k knowledge) known(list ...setting) []setting {
	left := list[:0]
	for _, s := range list {
		if k.settings[s.name] {
			left = append(left, s)
		}
	}
	return left
}

// findKnowledge asks which settings there are, and says what cannot be promised without those that are missing.
func (d *Destination) findKnowledge(ctx context.Context) (k knowledge, err error) {
	k.settings = map[string]bool{}
	err = d.admin.each(ctx, "SELECT name FROM system.settings", func(row []string) error {
		k.settings[row[0]] = true
		return nil
	})
	if err != nil {
		return k, err
	}
	rows, err := d.admin.rows(ctx, "SELECT value FROM system.merge_tree_settings WHERE name = 'non_replicated_deduplication_window'")
	if err != nil {
		return k, err
	}
	k.window = len(rows) > 0
	k.always = k.window && rows[0][0] != "0"
	if !k.tokens() || !k.window {
		d.log.WarnContext(ctx, "the server's tables cannot remember every batch: the ledger alone tells which were loaded, and one whose load a crash of the server cuts short may stay a part",
			"insert_deduplication_token", k.tokens(), "non_replicated_deduplication_window", k.window)
	}
	return k, nil
}
