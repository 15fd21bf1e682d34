// Package ingest takes inserts and keeps their rows in batch files until they are shipped.
package ingest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scratchdata/scratchdata/pkg/flatten"
	"github.com/scratchdata/scratchdata/pkg/rowid"
)

// Config says where batch files are and when they are closed.
type Config struct {
	Dir       string              // below it all batch files are; nobody else may write there
	MaxBytes  int64               // a batch this large is sealed,
	MaxAge    time.Duration       // or this old, counted from its first row,
	MaxRows   int                 // or with this many rows
	FreeSpace int64               // with less free disk, in bytes, inserts are refused
	Inline    int64               // an insert of more bytes gets a batch file of its own
	Memory    int64               // bytes for the rows of inserts in progress; above it they wait in a file
	OpenFiles int                 // most batch files held open between inserts
	Limits    flatten.Limits      // of one row
	KeyWindow time.Duration       // for which an idempotency key is remembered, at least
	MaxKeys   int                 // that are remembered at most: beyond it the oldest are forgotten early
	Shared    bool                // other nodes may have the store of keys too
	Per       map[string]Rotation // other limits of batches, by destination id; Writer.Rotate changes them
}

// Rotation is when a batch is sealed. What is zero is as in Config.
type Rotation struct {
	MaxBytes int64
	MaxAge   time.Duration
	MaxRows  int
}

// DefaultConfig returns the settings used when none are given; Dir is left to set.
func DefaultConfig() Config {
	return Config{
		MaxBytes:  64 << 20,
		MaxAge:    time.Second,
		MaxRows:   1_000_000,
		FreeSpace: 1 << 30,
		Inline:    16 << 20,
		Memory:    128 << 20,
		OpenFiles: 256,
		Limits:    flatten.DefaultLimits(),
		KeyWindow: 24 * time.Hour,
		MaxKeys:   10_000_000,
	}
}

// Validate says all that is wrong with c.
func (c Config) Validate() error {
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("dir: a folder is wanted"))
	}
	errs = append(errs, c.rotation().validate("")...)
	errs = append(errs, c.validatePer(c.Per)...)
	for _, n := range [...]struct {
		name  string
		value int64
		least int64
	}{{"inline", c.Inline, 0}, {"memory", c.Memory, 0}, {"free_space", c.FreeSpace, 0}, {"open_files", int64(c.OpenFiles), 1}, {"key_window", int64(c.KeyWindow), 1}, {"max_keys", int64(c.MaxKeys), 1}} {
		if n.value < n.least {
			errs = append(errs, fmt.Errorf("%s: %d is less than %d", n.name, n.value, n.least))
		}
	}
	return errors.Join(errs...)
}

func (c Config) rotation() Rotation { return Rotation{c.MaxBytes, c.MaxAge, c.MaxRows} }

// with gives the limits of the batches of a destination that has others per destination.
func (r Rotation) with(per Rotation) Rotation {
	if per.MaxBytes != 0 {
		r.MaxBytes = per.MaxBytes
	}
	if per.MaxAge != 0 {
		r.MaxAge = per.MaxAge
	}
	if per.MaxRows != 0 {
		r.MaxRows = per.MaxRows
	}
	return r
}

// validatePer says all that is wrong with the limits of single destinations.
func (c Config) validatePer(per map[string]Rotation) (errs []error) {
	for _, id := range slices.Sorted(maps.Keys(per)) {
		errs = append(errs, c.rotation().with(per[id]).validate("destination "+id+": ")...)
	}
	return errs
}

func (r Rotation) validate(whose string) (errs []error) {
	if r.MaxBytes < 1 {
		errs = append(errs, fmt.Errorf("%smax_bytes: %d is less than 1", whose, r.MaxBytes))
	}
	if r.MaxAge < time.Millisecond {
		errs = append(errs, fmt.Errorf("%smax_age: %v is less than 1ms", whose, r.MaxAge))
	}
	if r.MaxRows < 1 || r.MaxRows > rowid.MaxFirst {
		errs = append(errs, fmt.Errorf("%smax_rows: %d is not between 1 and %d", whose, r.MaxRows, rowid.MaxFirst))
	}
	return errs
}
