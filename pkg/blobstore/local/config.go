package local

import "errors"

// Config is the settings of a local blob store.
type Config struct {
	Dir string `yaml:"dir"` // on the file system of data_dir a batch is taken in without a copy
}

// DefaultConfig returns the settings used when nothing is given.
func DefaultConfig() Config { return Config{Dir: "./data/blobs"} }

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	if c.Dir == "" {
		return errors.New("dir: must not be empty")
	}
	return nil
}
