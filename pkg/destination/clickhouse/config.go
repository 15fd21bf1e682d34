package clickhouse

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/secret"
)

// Config is a ClickHouse destination's settings.
type Config struct {
	Hosts           Hosts         `yaml:"hosts"`                  // names or addresses, each with its own port if it says host:port; the key host means the same
	Choose          string        `yaml:"choose"`                 // which host a statement goes to: first, round_robin or healthy
	QueryHosts      Hosts         `yaml:"query_hosts"`            // who is asked queries; empty: hosts
	QueryChoose     string        `yaml:"query_choose"`           // which of them; empty: as choose says
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
	TLSCAFile       string        `yaml:"tls_ca_file"`            // authorities, in PEM, that are believed beside those of the system
	Cluster         string        `yaml:"cluster"`                // tables are made on all of its hosts, replicated
	ReplicaPath     string        `yaml:"replica_path"`           // of replicated tables in the keeper; empty: the server's default
	ReplicaName     string        `yaml:"replica_name"`           // with replica_path
	Distributed     bool          `yaml:"distributed"`            // each table is a Distributed one over local ones on the hosts of cluster
	InsertQuorum    int           `yaml:"insert_quorum"`          // how many replicas have a batch before it counts as loaded; 0: one
	StringTypes     bool          `yaml:"string_types"`           // every new column is text, whatever its first values are
	StoragePolicy   string        `yaml:"storage_policy"`         // of tables that are made; empty: the server's
	MaxOpenConns    int           `yaml:"max_open_conns"`         // for each of the two users
	MaxIdleConns    int           `yaml:"max_idle_conns"`         // of these, kept when not in use
	MaxMemoryUsage  int64         `yaml:"max_memory_usage"`       // of one query on the server, in bytes; 0: as its user's profile says
	ConnMaxLifetime int           `yaml:"conn_max_lifetime_secs"` // a connection is not used again when it is older; 0: always
}

// Hosts is a list of hosts, which may also be written as one text with commas.
type Hosts []string

// UnmarshalYAML reads either form.
func (h *Hosts) UnmarshalYAML(read func(any) error) error {
	var text string
	*h = nil
	if read(&text) != nil {
		var list []string
		err := read(&list)
		*h = append(*h, list...)
		return err
	}
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
	for _, list := range [...]struct {
		name  string
		hosts Hosts
	}{{"hosts", c.Hosts}, {"query_hosts", c.QueryHosts}} {
		for _, h := range list.hosts {
			if err := checkHost(h); err != nil {
				bad("%s: %w", list.name, err)
			}
		}
	}
	oneOf := func(name, value string, known ...string) {
		if !slices.Contains(known, value) {
			bad("%s: %q is not known: it is one of %s", name, value, strings.Join(known, ", "))
		}
	}
	oneOf("choose", c.Choose, first, roundRobin, healthy)
	if c.QueryChoose != "" {
		oneOf("query_choose", c.QueryChoose, first, roundRobin, healthy)
	}
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
	return errors.Join(append(errs, c.checkTLS(), c.checkCluster(), c.checkConns())...)
}

func (c Config) checkTLS() error {
	var errs []error
	if c.TLSSkipVerify && !c.TLS {
		errs = append(errs, errors.New("tls_skip_verify: is set, and tls is not"))
	}
	if c.TLSCAFile != "" && (!c.TLS || c.TLSSkipVerify) {
		errs = append(errs, errors.New("tls_ca_file: is set, and certificates are not looked at"))
	}
	return errors.Join(errs...)
}

func (c Config) checkCluster() error {
	var errs []error
	if c.Distributed && c.Cluster == "" {
		errs = append(errs, errors.New("distributed: is set, and cluster is not"))
	}
	if c.InsertQuorum < 0 || c.InsertQuorum > 0 && c.Cluster == "" {
		errs = append(errs, fmt.Errorf("insert_quorum: %d is no number of replicas, of which there are some in a cluster only", c.InsertQuorum))
	}
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
	if c.MaxMemoryUsage < 0 {
		errs = append(errs, fmt.Errorf("max_memory_usage: %d is less than 0", c.MaxMemoryUsage))
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

// askedAt gives who is asked queries, and how one of them is chosen.
func (c Config) askedAt() (addresses []string, choose string) {
	list, choose := c.QueryHosts, c.QueryChoose
	if len(list) == 0 {
		list = c.Hosts
	}
	if choose == "" {
		choose = c.Choose
	}
	return c.addresses(list), choose
}

// askedBy gives who asks queries.
func (c Config) askedBy() string {
	if c.QueryUsername == "" {
		return c.Username
	}
	return c.QueryUsername
}

func (c Config) askedWith() string {
	if c.QueryUsername == "" {
		return c.Password.Reveal()
	}
	return c.QueryPassword.Reveal()
}

// tls gives how servers prove who they are, nil when they need not and nothing is encrypted.
func (c Config) tls() (*tls.Config, error) {
	if !c.TLS {
		return nil, nil
	}
	t := &tls.Config{InsecureSkipVerify: c.TLSSkipVerify} //nolint:gosec // the setting says so
	if c.TLSCAFile == "" {
		return t, nil
	}
	text, err := os.ReadFile(c.TLSCAFile)
	if err != nil {
		return nil, fmt.Errorf("tls_ca_file: %w", err)
	}
	if t.RootCAs, err = x509.SystemCertPool(); err != nil {
		return nil, fmt.Errorf("read the system's certificates: %w", err)
	}
	if !t.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("tls_ca_file: %s has no certificate in PEM", c.TLSCAFile)
	}
	return t, nil
}

// addresses gives the hosts of a list with their ports.
func (c Config) addresses(of Hosts) []string {
	port := c.port()
	list := make([]string, len(of))
	for i, h := range of {
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
