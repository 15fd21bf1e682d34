package config

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// check gives every value that cannot work. What is behind a type is the drivers' own to check.
func (c *Config) check() []Mistake {
	k := &checker{cfg: c, keys: make(map[string]string), ids: make(map[string]string)}
	if c.DataDir == "" {
		k.wrong("data_dir", "must not be empty")
	}
	atLeast(k, "drain_timeout", c.DrainTimeout, time.Millisecond)
	atLeast(k, "receipt_retention", c.ReceiptRetention, time.Minute)
	if levels := []string{"debug", "info", "warn", "error"}; !slices.Contains(levels, c.Logging.Level) {
		k.wrong("logging.level", "%q is not one of %s", c.Logging.Level, strings.Join(levels, ", "))
	}
	k.api()
	k.uploads()
	k.workers()
	for i := range c.Destinations {
		k.destination(i)
	}
	for i := range c.Destinations {
		k.copies(i)
	}
	if c.API.Enabled && len(k.keys) == 0 {
		k.wrong("destinations", "none has an API key, so nobody could use the API")
	}
	return k.found
}

// checker collects mistakes.
type checker struct {
	cfg   *Config
	keys  map[string]string // where each API key was met
	ids   map[string]string // where each destination's id was met
	found []Mistake
}

func (k *checker) wrong(path, format string, args ...any) {
	k.found = append(k.found, k.cfg.Mistake(path, format, args...))
}

func atLeast[T cmp.Ordered](k *checker, path string, got, least T) {
	if got < least {
		k.wrong(path, "%v is less than %v", got, least)
	}
}

func (k *checker) port(path string, port int) {
	if port < 0 || port > 65535 {
		k.wrong(path, "%d is not a port: 0 to 65535", port)
	}
}

func (k *checker) api() {
	c := k.cfg
	k.port("api.port", c.API.Port)
	k.port("prometheus.port", c.Prometheus.Port)
	if c.API.Host == "" {
		k.wrong("api.host", "must not be empty; 0.0.0.0 listens on every address")
	}
	if (c.Prometheus.Username == "") != (c.Prometheus.Password == "") {
		k.wrong("prometheus.username", "username and password go together: set both or neither")
	}
	for i, o := range c.API.CORSOrigins {
		if u, err := url.Parse(o); o != "*" && (err != nil || u.Scheme == "" || u.Host == "" || u.Path != "") {
			k.wrong(fmt.Sprintf("api.cors_origins[%d]", i), `%q is neither "*" nor an origin such as https://example.com`, o)
		}
	}
	atLeast(k, "timeouts.header", c.Timeouts.Header, time.Millisecond)
	atLeast(k, "timeouts.read", c.Timeouts.Read, time.Millisecond)
	atLeast(k, "timeouts.write", c.Timeouts.Write, time.Millisecond)
	atLeast(k, "timeouts.idle", c.Timeouts.Idle, time.Millisecond)
	atLeast(k, "limits.body_bytes", c.Limits.BodyBytes, 1)
	atLeast(k, "limits.decoded_bytes", c.Limits.DecodedBytes, 1)
	atLeast(k, "limits.row_bytes", c.Limits.RowBytes, 1)
	atLeast(k, "limits.depth", c.Limits.Depth, 1)
	atLeast(k, "limits.columns", c.Limits.Columns, 1)
	atMost(k, "limits.row_bytes", c.Limits.RowBytes, maxRowBytes)
	atLeast(k, "limits.rows", c.Limits.Rows, 1)
	atMost(k, "limits.rows", c.Limits.Rows, maxExploded)
	atLeast(k, "limits.tables", c.Limits.Tables, 0)
	atLeast(k, "query.timeout", c.Query.Timeout, minQueryTime)
	atLeast(k, "query.concurrent", c.Query.Concurrent, 1)
	atLeast(k, "query.max_rows", c.Query.MaxRows, 0)
	atLeast(k, "query.max_bytes", c.Query.MaxBytes, 0)
}

// minQueryTime is the shortest time limit of a query.
const minQueryTime = time.Millisecond

// minAge is the shortest rotation: a file needs some milliseconds to be synced.
const minAge = 10 * time.Millisecond

// maxFileRows is how many rows of small inserts a receipt can count within one batch file.
const maxFileRows = 1<<24 - 1

func (k *checker) uploads() {
	u := k.cfg.Uploads
	atLeast(k, "uploads.max_file_size", u.MaxFileSize, 1)
	atLeast(k, "uploads.max_file_age", u.MaxFileAge, minAge)
	atLeast(k, "uploads.max_rows", u.MaxRows, 1)
	atMost(k, "uploads.max_rows", u.MaxRows, maxFileRows)
	atLeast(k, "uploads.free_space_required", u.FreeSpaceRequired, 0)
	atLeast(k, "uploads.inline_size", u.InlineSize, 1)
	atLeast(k, "uploads.memory", u.Memory, 1)
	atLeast(k, "uploads.open_files", u.OpenFiles, 1)
	atLeast(k, "uploads.idempotency_window", u.IdempotencyWindow, time.Second)
	atLeast(k, "uploads.idempotency_keys", u.IdempotencyKeys, 1)
}

// What the parts can work with at most: a row is held in memory, more than once, and so are the places of an object's
// values while it explodes.
const (
	maxRowBytes = 64 << 20
	maxExploded = 10_000_000
)

func atMost[T cmp.Ordered](k *checker, path string, got, most T) {
	if got > most {
		k.wrong(path, "%v is more than %v", got, most)
	}
}

func (k *checker) workers() {
	w := k.cfg.Workers
	atLeast(k, "workers.count", w.Count, 1)
	atLeast(k, "workers.lease", w.Lease, time.Second)
	atLeast(k, "workers.max_attempts", w.MaxAttempts, 1)
	atLeast(k, "workers.copies", w.Copies, 1)
	atLeast(k, "workers.free_space_required", w.FreeSpaceRequired, 0)
}

// idText is what a destination's id may be: it is part of paths and blob keys.
var idText = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (k *checker) destination(i int) {
	d := &k.cfg.Destinations[i]
	path := fmt.Sprintf("destinations[%d]", i)
	switch first, taken := k.ids[d.ID]; {
	case d.ID == "":
		k.wrong(path+".id", "missing: each destination needs one")
	case !idText.MatchString(d.ID):
		k.wrong(path+".id", "%q must be 1 to 64 letters, digits, '_' or '-'", d.ID)
	case taken:
		k.wrong(path+".id", "%q is the id of %s already", d.ID, first)
	default:
		k.ids[d.ID] = path
	}
	for j, key := range d.APIKeys {
		k.key(fmt.Sprintf("%s.api_keys[%d]", path, j), key.Reveal())
	}
	atLeast(k, path+".max_file_size", d.MaxFileSize, 0)
	if d.MaxFileAge != 0 {
		atLeast(k, path+".max_file_age", d.MaxFileAge, minAge)
	}
	atLeast(k, path+".max_rows", d.MaxRows, 0)
	atMost(k, path+".max_rows", d.MaxRows, maxFileRows)
	if d.Query.Timeout != 0 {
		atLeast(k, path+".query.timeout", d.Query.Timeout, minQueryTime)
	}
	atLeast(k, path+".query.concurrent", d.Query.Concurrent, 0)
	atLeast(k, path+".query.max_rows", d.Query.MaxRows, 0)
	atLeast(k, path+".query.max_bytes", d.Query.MaxBytes, 0)
}

// copies checks where copies may come from, once all destinations are known.
func (k *checker) copies(i int) {
	for j, id := range k.cfg.Destinations[i].CopyFrom {
		if _, known := k.ids[id]; !known && id != "*" {
			k.wrong(fmt.Sprintf("destinations[%d].copy_from[%d]", i, j), "no destination has the id %q", id)
		}
	}
}

// key checks one API key. The key itself is in no message.
func (k *checker) key(path, key string) {
	if key == "" || strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' }) {
		k.wrong(path, "a key must be printable ASCII without spaces, and not empty")
		return
	}
	if first, taken := k.keys[key]; taken {
		k.wrong(path, "the same key as %s: a key names one destination", first)
		return
	}
	k.keys[key] = path
}
