package local

import "errors"

// Config is the settings of a local queue.
type Config struct {
	File string `yaml:"file"` // SQLite; not on a network file system
}

// DefaultConfig returns the settings used when nothing is given.
func DefaultConfig() Config { return Config{File: "./data/queue.db"} }

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	if c.File == "" {
		return errors.New("file: must not be empty")
	}
	return nil
}
