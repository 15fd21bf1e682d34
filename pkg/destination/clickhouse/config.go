package clickhouse

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/secret"
)

// Config is a ClickHouse destination's settings.
type Config struct {
	Hosts           Hosts         `yaml:"hosts"`                  // names or addresses, each with its own port if it says host:port; the key host means the same
	Choose          string        `yaml:"choose"`                 // which host a connection is made to: first, round_robin or healthy
	Username        string        `yaml:"username"`               // who makes tables and loads
	Password        secret.String `yaml:"password"`               //
	QueryUsername   string        `yaml:"query_username"`         // who asks queries; empty: username, read-only
	QueryPassword   secret.String `yaml:"query_password"`         //
	Database        string        `yaml:"database"`               // where tables without a qualifier are; it is made when missing
	Protocol        string        `yaml:"protocol"`               // native or http
	HTTPPort        int           `yaml:"http_port"`              // 0: 8123, or 8443 with tls
	TCPPort         int           `yaml:"tcp_port"`               // 0: 9000, or 9440 with tls
	TLS             bool          `yaml:"tls"`                    //
	TLSSkipVerify   bool          `yaml:"tls_skip_verify"`        // believe any certificate
	Cluster         string        `yaml:"cluster"`                // tables are made on all of its hosts, replicated
	ReplicaPath     string        `yaml:"replica_path"`           // of replicated tables in the keeper; empty: the server's default
	ReplicaName     string        `yaml:"replica_name"`           // with replica_path
	StringTypes     bool          `yaml:"string_types"`           // every new column is text, whatever its first values are
	StoragePolicy   string        `yaml:"storage_policy"`         // of tables that are made; empty: the server's
	MaxOpenConns    int           `yaml:"max_open_conns"`         // for each of the two users
	MaxIdleConns    int           `yaml:"max_idle_conns"`         // of these, kept when not in use
	ConnMaxLifetime int           `yaml:"conn_max_lifetime_secs"` // a connection is not used again when it is older; 0: always
}

// Hosts is a list of hosts, which may also be written as one text with commas.
type Hosts []string

// UnmarshalYAML reads either form.
func (h *Hosts) UnmarshalYAML(read func(any) error) error {
	var text string
	if read(&text) != nil {
		return read((*[]string)(h))
	}
	*h = nil
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			*h = append(*h, part)
		}
	}
	return nil
}

// UnmarshalYAML also takes host, as settings in the wild have it.
func (c *Config) UnmarshalYAML(read func(any) error) error {
	type plain Config
	both := struct {
		*plain `yaml:",inline"`
		Host   Hosts `yaml:"host"`
	}{plain: (*plain)(c)}
	if err := read(&both); err != nil {
		return err
	}
	if len(both.Host) > 0 {
		c.Hosts = both.Host
	}
	return nil
}

// The values of settings that are words.
const (
	native     = "native"
	overHTTP   = "http"
	first      = "first"
	roundRobin = "round_robin"
	healthy    = "healthy"
)

// DefaultConfig returns the settings of a destination that says nothing.
func DefaultConfig() Config {
	return Config{Hosts: Hosts{"localhost"}, Choose: healthy, Username: "default", Database: "default", Protocol: native,
		MaxOpenConns: 16, MaxIdleConns: 4, ConnMaxLifetime: 600}
}

// macros are what the server fills in, as in /clickhouse/{shard}.
var macros = regexp.MustCompile(`\{[^{}]*\}`)

// Validate reports every mistake.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.Hosts) == 0 {
		bad("hosts: is empty")
	}
	for _, h := range c.Hosts {
		if err := checkHost(h); err != nil {
			bad("hosts: %w", err)
		}
	}
	oneOf := func(name, value string, known ...string) {
		if !slices.Contains(known, value) {
			bad("%s: %q is not known: it is one of %s", name, value, strings.Join(known, ", "))
		}
	}
	oneOf("choose", c.Choose, first, roundRobin, healthy)
	oneOf("protocol", c.Protocol, native, overHTTP)
	for _, s := range [...]struct{ name, text string }{{"username", c.Username}, {"database", c.Database}} {
		if s.text == "" {
			bad("%s: is empty", s.name)
		}
	}
	if c.QueryPassword != "" && c.QueryUsername == "" {
		bad("query_password: is set, and query_username is not")
	}
	for _, s := range [...]struct {
		name string
		port int
	}{{"http_port", c.HTTPPort}, {"tcp_port", c.TCPPort}} {
		if s.port < 0 || s.port > 65535 {
			bad("%s: %d is no port", s.name, s.port)
		}
	}
	if c.TLSSkipVerify && !c.TLS {
		bad("tls_skip_verify: is set, and tls is not")
	}
	return errors.Join(append(errs, c.checkCluster(), c.checkConns())...)
}

func (c Config) checkCluster() error {
	var errs []error
	if (c.ReplicaPath != "" || c.ReplicaName != "") && c.Cluster == "" {
		errs = append(errs, errors.New("replica_path: is set, and cluster is not"))
	}
	if (c.ReplicaPath == "") != (c.ReplicaName == "") {
		errs = append(errs, errors.New("replica_name: it and replica_path are set together or not at all"))
	}
	if c.ReplicaPath != "" && !macros.MatchString(c.ReplicaPath) {
		errs = append(errs, fmt.Errorf("replica_path: %q has no macro such as {uuid} or {table}, so that all tables would have the same path", c.ReplicaPath))
	}
	return errors.Join(errs...)
}

func (c Config) checkConns() error {
	var errs []error
	if c.MaxOpenConns < 2 { // a replay reads and writes at the same time
		errs = append(errs, fmt.Errorf("max_open_conns: %d is less than 2", c.MaxOpenConns))
	}
	if c.MaxIdleConns < 0 {
		errs = append(errs, fmt.Errorf("max_idle_conns: %d is less than 0", c.MaxIdleConns))
	}
	if c.ConnMaxLifetime < 0 {
		errs = append(errs, fmt.Errorf("conn_max_lifetime_secs: %d is less than 0", c.ConnMaxLifetime))
	}
	return errors.Join(errs...)
}

func checkHost(h string) error {
	name, port, err := net.SplitHostPort(h)
	if err != nil { // no port, or an address with colons of its own
		name, port = h, "1"
	}
	n, perr := strconv.Atoi(port)
	if name == "" || strings.ContainsAny(name, "/@ \t") || perr != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%q is neither a host nor host:port", h)
	}
	return nil
}

// addresses gives the hosts with their ports.
func (c Config) addresses() []string {
	port := c.port()
	list := make([]string, len(c.Hosts))
	for i, h := range c.Hosts {
		if _, _, err := net.SplitHostPort(h); err == nil {
			list[i] = h
		} else {
			list[i] = net.JoinHostPort(strings.Trim(h, "[]"), strconv.Itoa(port))
		}
	}
	return list
}

func (c Config) port() int {
	port, plain, secure := c.TCPPort, 9000, 9440
	if c.Protocol == overHTTP {
		port, plain, secure = c.HTTPPort, 8123, 8443
	}
	switch {
	case port != 0:
		return port
	case c.TLS:
		return secure
	}
	return plain
}
