package ftp

import (
	"errors"
	"fmt"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/blobstore/fileserver"
	"github.com/scratchdata/scratchdata/pkg/secret"
)

// The values of the setting tls.
const (
	tlsExplicit = "explicit" // asked for by AUTH TLS
	tlsImplicit = "implicit" // from the first byte
	tlsNone     = "none"     // passwords and rows can be read on the way
)

// The ports that servers have by default.
const (
	port         = 21
	portImplicit = 990
)

// Config is the settings of a blob store on a server that speaks FTP.
type Config struct {
	Host          string        `yaml:"host"`
	Port          int           `yaml:"port"` // 0: 21, or 990 with tls: implicit
	User          string        `yaml:"user"`
	Password      secret.String `yaml:"password"`
	TLS           string        `yaml:"tls"`             // explicit, implicit or none
	CAFile        string        `yaml:"ca_file"`         // certificates that the server's is checked by; empty: those of this machine
	TLSSkipVerify bool          `yaml:"tls_skip_verify"` // whoever answers is taken for the server
	Directory     string        `yaml:"directory"`       // must exist; below the user's own unless it begins with a slash
	Connections   int           `yaml:"connections"`     // open at a time at most
}

// DefaultConfig returns the settings used when nothing is given. A host and a user must be.
func DefaultConfig() Config {
	return Config{TLS: tlsExplicit, Connections: fileserver.DefaultConfig().Connections}
}

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	errs := c.server().Check()
	if strings.ContainsAny(c.Password.Reveal(), "\r\n\x00") {
		errs = append(errs, errors.New("password: FTP has none with the end of a line in it"))
	}
	switch c.TLS {
	case tlsExplicit, tlsImplicit:
		if c.CAFile != "" && c.TLSSkipVerify {
			errs = append(errs, errors.New("ca_file: means nothing with tls_skip_verify"))
		}
	case tlsNone:
		if c.CAFile != "" || c.TLSSkipVerify {
			errs = append(errs, errors.New("tls: with none, ca_file and tls_skip_verify mean nothing"))
		}
	default:
		errs = append(errs, fmt.Errorf("tls: %.140q is none of %s, %s and %s", c.TLS, tlsExplicit, tlsImplicit, tlsNone))
	}
	return errors.Join(errs...)
}

func (c Config) server() fileserver.Settings {
	s := fileserver.Settings{Host: c.Host, Port: c.Port, User: c.User, Directory: c.Directory, Connections: c.Connections}
	switch {
	case s.Port != 0:
	case c.TLS == tlsImplicit:
		s.Port = portImplicit
	default:
		s.Port = port
	}
	return s
}
