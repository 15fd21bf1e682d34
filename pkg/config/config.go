// Package config reads what the operator asks for: a YAML file, the environment, and the defaults beneath both.
package config

import (
	"time"

	"gopkg.in/yaml.v3"

	"github.com/scratchdata/scratchdata/pkg/registry"
	"github.com/scratchdata/scratchdata/pkg/secret"
)

// Config is every setting of the program. Load makes one.
type Config struct {
	DataDir          string        `yaml:"data_dir"`          // everything the server keeps is below it
	DrainTimeout     time.Duration `yaml:"drain_timeout"`     // how long a stop may take before the rest is cut off
	ReceiptRetention time.Duration `yaml:"receipt_retention"` // how long a loaded insert's receipt, and a finished copy, are remembered
	Logging          Logging       `yaml:"logging"`
	Prometheus       Prometheus    `yaml:"prometheus"`
	API              API           `yaml:"api"`
	Timeouts         Timeouts      `yaml:"timeouts"`
	Limits           Limits        `yaml:"limits"`
	Query            Query         `yaml:"query"`
	Uploads          Uploads       `yaml:"uploads"`
	Workers          Workers       `yaml:"workers"`
	BlobStore        Section       `yaml:"blob_store"`
	Queue            Section       `yaml:"queue"`
	Cache            Section       `yaml:"cache"`
	Vault            Section       `yaml:"vault"`
	Database         Section       `yaml:"database"`
	Destinations     []Destination `yaml:"destinations" alias:"databases"`

	places    map[string]place // where each given key was given, by its path
	variables []string         // that gave settings; node lines below 0 count them
}

// Logging is how the log is written.
type Logging struct {
	Level      string `yaml:"level"` // debug, info, warn or error
	JSONFormat bool   `yaml:"json_format"`
}

// Prometheus is where the metrics are served.
type Prometheus struct {
	Enabled  bool          `yaml:"enabled"`
	Port     int           `yaml:"port"` // the API's own port serves both on one
	Username string        `yaml:"username"`
	Password secret.String `yaml:"password"`
}

// API is where and how requests are answered.
type API struct {
	Enabled             bool     `yaml:"enabled"`
	Host                string   `yaml:"host"`
	Port                int      `yaml:"port"` // 0 takes a free one
	ReadOnly            bool     `yaml:"read_only"`
	HealthcheckFailFile string   `yaml:"healthcheck_fail_file"` // the health check fails while this file exists
	CORSOrigins         []string `yaml:"cors_origins"`
}

// Timeouts end connections that stand still.
type Timeouts struct {
	Header time.Duration `yaml:"header"` // to send a request's header
	Read   time.Duration `yaml:"read"`   // to send the next piece of a body
	Write  time.Duration `yaml:"write"`  // to take the next piece of an answer
	Idle   time.Duration `yaml:"idle"`   // between two requests
}

// Limits cap what one request may hold.
type Limits struct {
	BodyBytes    registry.Size `yaml:"body_bytes"`    // of a body as sent
	DecodedBytes registry.Size `yaml:"decoded_bytes"` // of a body after decompression
	RowBytes     registry.Size `yaml:"row_bytes"`
	Depth        int           `yaml:"depth"`   // levels of JSON
	Columns      int           `yaml:"columns"` // of a table; what is past it goes to __rescued
	Rows         int           `yaml:"rows"`    // that one document may explode to
	Tables       int           `yaml:"tables"`  // other tables that one multitable insert may have rows for
}

// Query caps what queries may take.
type Query struct {
	Timeout    time.Duration `yaml:"timeout"`
	Concurrent int           `yaml:"concurrent"` // at a time, for each destination
	MaxRows    int64         `yaml:"max_rows"`   // 0 means no cap
	MaxBytes   registry.Size `yaml:"max_bytes"`  // 0 means no cap
}

// Uploads is how accepted rows become batch files.
type Uploads struct {
	Enabled           bool          `yaml:"enabled"`
	MaxFileSize       registry.Size `yaml:"max_file_size"`
	MaxFileAge        time.Duration `yaml:"max_file_age"`
	MaxRows           int           `yaml:"max_rows"`
	FreeSpaceRequired registry.Size `yaml:"free_space_required"` // less free disk refuses inserts
	InlineSize        registry.Size `yaml:"inline_size"`         // a larger insert gets a batch file of its own
	Memory            registry.Size `yaml:"memory"`              // for the rows of inserts in progress
	OpenFiles         int           `yaml:"open_files"`
	IdempotencyWindow time.Duration `yaml:"idempotency_window"` // how long an Idempotency-Key is remembered
	IdempotencyKeys   int           `yaml:"idempotency_keys"`   // that are remembered at most
}

// Workers is how batch files are loaded.
type Workers struct {
	Enabled           bool          `yaml:"enabled"`
	Count             int           `yaml:"count"`
	Lease             time.Duration `yaml:"lease"` // after it the batch of a lost worker goes to another
	MaxAttempts       int           `yaml:"max_attempts"`
	Copies            int           `yaml:"copies"`              // that are worked on at a time
	FreeSpaceRequired registry.Size `yaml:"free_space_required"` // less free disk pauses the workers
}

// Section chooses a driver and holds its settings, which only the driver can read.
type Section struct {
	Type     string    `yaml:"type"`
	Settings yaml.Node `yaml:"settings"`
}

// Destination is a database that rows go to.
type Destination struct {
	ID       string          `yaml:"id"`
	Name     string          `yaml:"name"`
	Type     string          `yaml:"type"`
	APIKeys  []secret.String `yaml:"api_keys"`
	CopyFrom []string        `yaml:"copy_from"` // the destinations that may copy into this one; "*" means all, as nothing does
	Settings yaml.Node       `yaml:"settings"`
	// Zero means the same as uploads has.
	MaxFileSize registry.Size `yaml:"max_file_size"`
	MaxFileAge  time.Duration `yaml:"max_file_age"`
	MaxRows     int           `yaml:"max_rows"`
	// Zero means the same as query has.
	Query Query `yaml:"query"`
}

// DefaultKey is the API key of the destination that is there when none is configured.
const DefaultKey = "local"

// Default returns the configuration used when nothing is given.
func Default() Config {
	return Config{
		DataDir:          "./data",
		DrainTimeout:     30 * time.Second,
		ReceiptRetention: 7 * 24 * time.Hour,
		Logging:          Logging{Level: "info"},
		Prometheus:       Prometheus{Enabled: true, Port: 2112},
		API:              API{Enabled: true, Host: "127.0.0.1", Port: 8080, CORSOrigins: []string{"*"}},
		Timeouts: Timeouts{
			Header: 10 * time.Second,
			Read:   time.Minute,
			Write:  time.Minute,
			Idle:   2 * time.Minute,
		},
		Limits:       Limits{BodyBytes: 16 << 30, DecodedBytes: 64 << 30, RowBytes: 8 << 20, Depth: 64, Columns: 2000, Rows: 10_000, Tables: 100},
		Query:        Query{Timeout: 5 * time.Minute, Concurrent: 8},
		Uploads:      defaultUploads(),
		Workers:      Workers{Enabled: true, Count: 2, Lease: 5 * time.Minute, MaxAttempts: 10, Copies: 2, FreeSpaceRequired: 1 << 30},
		BlobStore:    Section{Type: "local"},
		Queue:        Section{Type: "local"},
		Cache:        Section{Type: "memory"},
		Vault:        Section{Type: "memory"},
		Database:     Section{Type: "sqlite"},
		Destinations: defaultDestinations(),
	}
}

func defaultUploads() Uploads {
	return Uploads{
		Enabled:           true,
		MaxFileSize:       64 << 20,
		MaxFileAge:        time.Second,
		MaxRows:           1_000_000,
		FreeSpaceRequired: 1 << 30,
		InlineSize:        16 << 20,
		Memory:            128 << 20,
		OpenFiles:         256,
		IdempotencyWindow: 24 * time.Hour,
		IdempotencyKeys:   10_000_000,
	}
}

func defaultDestinations() []Destination {
	return []Destination{{ID: "1", Name: "local", Type: "duckdb", APIKeys: []secret.String{DefaultKey}, CopyFrom: []string{"*"}}}
}
