package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/queue/polling"
)

const (
	openWithin  = 10 * time.Second // for the server to be looked at
	leaveWithin = 5 * time.Second  // for a consumer to be removed
	pool        = 64               // connections: each waiting receiver has one
	tidyEvery   = time.Minute
	deadAfter   = time.Hour // without a sign of life of a consumer
	adoptAtOnce = 1000      // messages that one script looks at
)

// Open opens the queue; the stream and its group are made when they are missing.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (queue.Queue, error) {
	logging.Disable() // the library writes to the standard error, for all of the process; its errors say the same
	r := &redis{cfg: cfg, keys: []string{cfg.Stream, cfg.leases()}, log: log, consumer: consumerName()}
	var err error
	if r.scripts, err = loadScripts(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	opened := make(chan error, 1)
	go func() { opened <- r.connect(ctx) }() // it may outlast ctx: see call
	select {
	case err = <-opened:
	case <-ctx.Done():
		go func() { // what was opened is closed when it is known
			<-opened
			_ = r.disconnect()
		}()
		return nil, fmt.Errorf("reach the queue: %w", ctx.Err())
	}
	if err != nil {
		return nil, errors.Join(err, r.disconnect())
	}
	r.poller = polling.New(r, log)
	return r, nil
}

func (r *redis) disconnect() error {
	if r.client == nil {
		return nil
	}
	return r.client.Close()
}

// consumerName names this process among the group's consumers.
func consumerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), strings.ToLower(rand.Text()[:6]))
}

// connect connects and makes what is missing.
func (r *redis) connect(ctx context.Context) error {
	if err := r.dial(ctx); err != nil {
		return fmt.Errorf("reach the queue: %w", err)
	}
	if err := r.group(ctx); err != nil {
		return err
	}
	r.warn(ctx)
	if err := r.tidyNowAndThen(ctx); err != nil {
		return fmt.Errorf("tidy the queue: %w", err)
	}
	return nil
}

// dial makes a client of the server or, when that is one of a cluster, of the cluster.
func (r *redis) dial(ctx context.Context) error {
	one, err := goredis.ParseURL(r.cfg.URL.Reveal())
	if err != nil {
		return r.dialCluster() // a URL with several addresses
	}
	if one.PoolSize == 0 {
		one.PoolSize = pool
	}
	one.ContextTimeoutEnabled, one.MaintNotificationsConfig = true, quiet()
	single := goredis.NewClient(one)
	r.client = single
	info, err := single.Info(ctx, "cluster").Result()
	if err != nil || !strings.Contains(info, "cluster_enabled:1") {
		return err
	}
	return errors.Join(r.dialCluster(), single.Close())
}

func (r *redis) dialCluster() error {
	all, err := goredis.ParseClusterURL(r.cfg.URL.Reveal())
	if err != nil {
		return errURL
	}
	if all.PoolSize == 0 {
		all.PoolSize = pool
	}
	all.ContextTimeoutEnabled, all.MaintNotificationsConfig = true, quiet()
	r.client = goredis.NewClusterClient(all)
	return nil
}

// quiet lets the library not ask servers for notices that only those of one vendor send.
func quiet() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// group makes the stream and the group, which begins with the stream's first entry, if they are missing. It looks first, as
// a server whose memory is full makes nothing, not even what is there.
func (r *redis) group(ctx context.Context) error {
	what := fmt.Sprintf("make the group %s of the stream %s", r.cfg.Group, r.cfg.Stream)
	if n, err := r.client.Exists(ctx, r.cfg.Stream).Result(); err != nil || n > 0 {
		groups, err := r.client.XInfoGroups(ctx, r.cfg.Stream).Result()
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if slices.ContainsFunc(groups, func(g goredis.XInfoGroup) bool { return g.Name == r.cfg.Group }) {
			return nil
		}
	}
	err := r.client.XGroupCreateMkStream(ctx, r.cfg.Stream, r.cfg.Group, "0").Err()
	if err != nil && !goredis.HasErrorPrefix(err, "BUSYGROUP") { // made meanwhile
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// mend makes the group again that somebody has deleted, with the stream or all of the database.
func (r *redis) mend(ctx context.Context) error {
	r.log.ErrorContext(ctx, "the queue's group was deleted and is made again: messages may be lost, and what the stream still has comes again",
		"stream", r.cfg.Stream, "group", r.cfg.Group)
	return r.group(ctx)
}

// warn says what of the server's settings may lose messages. Servers that are let out often do not tell their settings.
func (r *redis) warn(ctx context.Context) {
	node, err := r.node(ctx)
	if err != nil {
		return
	}
	for _, w := range []struct{ key, good, text string }{
		{"appendonly", "yes", "the queue's server keeps nothing on disk: set its appendonly to yes"},
		{"appendfsync", "always", "the queue's server may lose its last second in a power cut: set its appendfsync to always"},
		{"maxmemory-policy", "noeviction", "the queue's server throws messages away when its memory is full: set its maxmemory-policy to noeviction"},
	} {
		got, err := node.ConfigGet(ctx, w.key).Result()
		if err != nil {
			r.log.DebugContext(ctx, "the queue's server does not tell its settings", "err", err)
			return
		}
		if got[w.key] != w.good {
			r.log.WarnContext(ctx, w.text, w.key, got[w.key])
		}
	}
}

// node gives the server that has the stream.
func (r *redis) node(ctx context.Context) (*goredis.Client, error) {
	switch c := r.client.(type) {
	case *goredis.Client:
		return c, nil
	case *goredis.ClusterClient:
		return c.MasterForKey(ctx, r.cfg.Stream)
	default:
		return nil, fmt.Errorf("a client of the kind %T", c)
	}
}

// moved looks for the stream again when it is at another server by now.
func (r *redis) moved(ctx context.Context, err error) {
	if _, moved := goredis.IsMovedError(err); !moved {
		return
	}
	if c, ok := r.client.(*goredis.ClusterClient); ok {
		c.ReloadState(ctx)
	}
}

// tidying says when to tidy next.
type tidying struct {
	mu   sync.Mutex
	next time.Time // guarded by mu
}

// due reports whether it is time, once.
func (t *tidying) due() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().Before(t.next) {
		return false
	}
	t.next = time.Now().Add(tidyEvery)
	return true
}

func (r *redis) tidyNowAndThen(ctx context.Context) error {
	if !r.tidying.due() {
		return nil
	}
	err := r.tidy(ctx)
	if isNoGroup(err) {
		return nil // take mends it
	}
	return err
}

// tidy lets messages be received that were delivered without a lease, and removes what nobody needs.
func (r *redis) tidy(ctx context.Context) error {
	last := "0-0"
	for last != "" {
		var err error
		if last, err = r.scripts.adopt.run(ctx, r, last, adoptAtOnce).Text(); err != nil {
			return err
		}
	}
	return r.scripts.tidy.run(ctx, r, millis(deadAfter), "").Err()
}
