package sqlite

import "errors"

// Config is the settings of a control store in SQLite.
type Config struct {
	File string `yaml:"file"` // not on a network file system
}

// DefaultConfig returns the settings used when nothing is given.
func DefaultConfig() Config { return Config{File: "./data/control.db"} }

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	if c.File == "" {
		return errors.New("file: must not be empty")
	}
	return nil
}
