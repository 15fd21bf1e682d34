package redis

import (
	"errors"
	"fmt"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/scratchdata/scratchdata/pkg/secret"
)

// Config is the settings of a queue in Redis.
type Config struct {
	URL          secret.String `yaml:"url"`           // redis://user:password@host:port/database, or rediss: for TLS
	Stream       string        `yaml:"stream"`        // the key of the messages
	Group        string        `yaml:"group"`         // the consumer group that shares them
	WaitReplicas int           `yaml:"wait_replicas"` // how many replicas must have a message before it counts as sent
}

// DefaultConfig returns the settings used when nothing is given.
func DefaultConfig() Config {
	return Config{URL: "redis://127.0.0.1:6379/0", Stream: "scratchdata:batches", Group: "workers"}
}

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	var errs []error
	_, err1 := goredis.ParseURL(c.URL.Reveal())
	if _, err2 := goredis.ParseClusterURL(c.URL.Reveal()); err1 != nil && err2 != nil {
		errs = append(errs, errURL)
	}
	if c.Stream == "" {
		errs = append(errs, errors.New("stream: must not be empty"))
	}
	if _, ok := c.slot(); !ok {
		errs = append(errs, fmt.Errorf("stream: %q has braces that are not a hash tag such as {a}", c.Stream))
	}
	if c.Group == "" {
		errs = append(errs, errors.New("group: must not be empty"))
	}
	if c.WaitReplicas < 0 {
		errs = append(errs, fmt.Errorf("wait_replicas: %d is negative", c.WaitReplicas))
	}
	return errors.Join(errs...)
}

// errURL stands for the parser's own words, which may hold the password.
var errURL = errors.New("url: it must be like redis://user:password@host:6379/0, or rediss: for TLS, with options that are known")

// slot gives the beginning of keys that a cluster keeps where the stream is: a cluster looks only at what is between the
// first braces of a key, if there is anything. Not every name can be put into braces; then it is not ok.
func (c Config) slot() (prefix string, ok bool) {
	if _, rest, found := strings.Cut(c.Stream, "{"); found {
		tag, _, closed := strings.Cut(rest, "}")
		return c.Stream, closed && tag != ""
	}
	return "{" + c.Stream + "}", !strings.Contains(c.Stream, "}")
}

// leases is the key of the sorted set that says when each delivered message's lease ends.
func (c Config) leases() string {
	prefix, _ := c.slot() // ok by Validate
	return prefix + ":" + c.Group + ":leases"
}
