package s3

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/secret"
)

// Config is the settings of a blob store in an S3 bucket.
type Config struct {
	Bucket          string        `yaml:"bucket"`
	Region          string        `yaml:"region"`            // empty: as the environment says; us-east-1 with an endpoint
	Endpoint        string        `yaml:"endpoint"`          // empty: that of AWS
	AccessKeyID     string        `yaml:"access_key_id"`     // empty: as the environment or the machine's role says
	SecretAccessKey secret.String `yaml:"secret_access_key"` // given together with the id
	PathStyle       bool          `yaml:"path_style"`        // the bucket is in the path, not in the host's name
	Prefix          string        `yaml:"prefix"`            // blobs are below it
}

// DefaultConfig returns the settings used when nothing is given. A bucket must be.
func DefaultConfig() Config { return Config{} }

// maxPrefix leaves enough of the longest key that S3 takes for the keys of batches.
const maxPrefix = 512

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	var errs []error
	if c.Bucket == "" {
		errs = append(errs, errors.New("bucket: must not be empty"))
	}
	if c.Endpoint != "" {
		errs = append(errs, checkEndpoint(c.Endpoint))
	}
	if (c.AccessKeyID == "") != (c.SecretAccessKey == "") {
		errs = append(errs, errors.New("access_key_id: must be given together with secret_access_key"))
	}
	if c.Prefix != "" && (blobstore.CheckKey(c.Prefix) != nil || len(c.Prefix) > maxPrefix) {
		errs = append(errs, fmt.Errorf("prefix: %.140q is not a key of at most %d bytes, without a slash at its end", c.Prefix, maxPrefix))
	}
	return errors.Join(errs...)
}

func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil: // whose text may hold a password
		return errors.New("endpoint: is not a URL")
	case u.User != nil:
		return errors.New("endpoint: must not hold keys: they have settings of their own")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.RawQuery != "":
		return fmt.Errorf("endpoint: %.140q is not a URL such as https://s3.example.com", endpoint)
	}
	return nil
}
