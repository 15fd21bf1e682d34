package duckdb

import (
	"errors"
	"fmt"
	"regexp"
)

// Config is a DuckDB destination's settings.
type Config struct {
	File                string `yaml:"file"`                 // the database file; its folder is made when missing
	InMemory            bool   `yaml:"in_memory"`            // no file: all is lost when the process ends
	MemoryLimit         string `yaml:"memory_limit"`         // what the engine may use, as 192MiB; beyond it queries spill to disk
	Threads             int    `yaml:"threads"`              // of the engine; 0 = one a core
	CheckpointThreshold string `yaml:"checkpoint_threshold"` // size of the log at which it is folded into the file
	StringTypes         bool   `yaml:"string_types"`         // every new column is text, whatever its first values are
}

// DefaultConfig returns the settings of a destination that says nothing.
func DefaultConfig() Config {
	return Config{File: "./data/data.duckdb", MemoryLimit: "192MiB", CheckpointThreshold: "64MiB"}
}

// size is what the engine reads as a number of bytes.
var size = regexp.MustCompile(`(?i)^0*[1-9][0-9]*(\.[0-9]+)? ?([KMGT]i?)?B$`)

// readable are the names of files that the engine, asked for a table of such a name, reads as rows.
var readable = regexp.MustCompile(`(?i)\.(csv|tsv|json|jsonl|ndjson|parquet|parq)(\.(gz|zst|zstd))?$`)

// Validate reports every mistake.
func (c Config) Validate() error {
	var errs []error
	if c.File == "" && !c.InMemory {
		errs = append(errs, errors.New("file: is empty, and in_memory is not set"))
	}
	if readable.MatchString(c.File) {
		errs = append(errs, fmt.Errorf("file: %q has the name of a file of rows: queries could read the database itself as one", c.File))
	}
	if !size.MatchString(c.MemoryLimit) {
		errs = append(errs, fmt.Errorf("memory_limit: %q is not a size such as 192MiB", c.MemoryLimit))
	}
	if c.Threads < 0 {
		errs = append(errs, fmt.Errorf("threads: %d is less than 0", c.Threads))
	}
	if !size.MatchString(c.CheckpointThreshold) {
		errs = append(errs, fmt.Errorf("checkpoint_threshold: %q is not a size such as 64MiB", c.CheckpointThreshold))
	}
	return errors.Join(errs...)
}
