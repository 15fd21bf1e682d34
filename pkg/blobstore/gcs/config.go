package gcs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"golang.org/x/oauth2/google"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/secret"
)

// Config is the settings of a blob store in a bucket of Google Cloud Storage.
type Config struct {
	Bucket          string        `yaml:"bucket"`
	CredentialsJSON secret.String `yaml:"credentials_json"` // empty: the application default; none with an endpoint
	JSONCredentials secret.String `yaml:"json_credentials"` // another spelling of the same
	Prefix          string        `yaml:"prefix"`           // blobs are below it
	Endpoint        string        `yaml:"endpoint"`         // empty: that of Google
}

// DefaultConfig returns the settings used when nothing is given. A bucket must be.
func DefaultConfig() Config { return Config{} }

// maxPrefix leaves enough of the longest name that the store takes for the keys of batches.
const maxPrefix = 512

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	var errs []error
	if c.Bucket == "" {
		errs = append(errs, errors.New("bucket: must not be empty"))
	}
	if c.CredentialsJSON != "" && c.JSONCredentials != "" {
		errs = append(errs, errors.New("json_credentials: is the same as credentials_json: give one of them"))
	} else if text := c.credentials(); text != "" {
		if _, err := kindOf(text); err != nil {
			errs = append(errs, fmt.Errorf("credentials_json: %w", err))
		}
	}
	if c.Prefix != "" && (blobstore.CheckKey(c.Prefix) != nil || len(c.Prefix) > maxPrefix) {
		errs = append(errs, fmt.Errorf("prefix: %.140q is not a key of at most %d bytes, without a slash at its end", c.Prefix, maxPrefix))
	}
	if c.Endpoint != "" {
		errs = append(errs, checkEndpoint(c.Endpoint))
	}
	return errors.Join(errs...)
}

func (c Config) credentials() secret.String {
	if c.CredentialsJSON != "" {
		return c.CredentialsJSON
	}
	return c.JSONCredentials
}

// kindOf gives the type of credentials that text says it is. Its errors say nothing of what is in it.
func kindOf(text secret.String) (google.CredentialsType, error) {
	var head struct {
		Type google.CredentialsType `json:"type"`
	}
	if err := json.Unmarshal([]byte(text.Reveal()), &head); err != nil {
		return "", errors.New("is not JSON: it is the text of the key's file, not the file's name")
	}
	known := []google.CredentialsType{google.ServiceAccount, google.AuthorizedUser, google.ExternalAccount,
		google.ExternalAccountAuthorizedUser, google.ImpersonatedServiceAccount}
	if !slices.Contains(known, head.Type) {
		return "", fmt.Errorf("its type %.40q is not one of %q", head.Type, known)
	}
	return head.Type, nil
}

func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil: // whose text may hold a password
		return errors.New("endpoint: is not a URL")
	case u.User != nil:
		return errors.New("endpoint: must not hold a password")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.RawQuery != "":
		return fmt.Errorf("endpoint: %.140q is not a URL such as http://localhost:4443", endpoint)
	}
	return nil
}
