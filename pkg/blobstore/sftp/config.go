package sftp

import (
	"errors"

	"github.com/scratchdata/scratchdata/pkg/blobstore/fileserver"
	"github.com/scratchdata/scratchdata/pkg/secret"
)

// Config is the settings of a blob store on a server that speaks SFTP.
type Config struct {
	Host            string        `yaml:"host"`
	Port            int           `yaml:"port"`
	User            string        `yaml:"user"`
	Password        secret.String `yaml:"password"`
	PrivateKey      secret.String `yaml:"private_key"`            // the text of a key, as OpenSSH or PEM has it
	PrivateKeyFile  string        `yaml:"private_key_file"`       // or the file that it is in
	Passphrase      secret.String `yaml:"private_key_passphrase"` // of a key that is encrypted
	KnownHosts      string        `yaml:"known_hosts"`            // a file as ~/.ssh/known_hosts, which has the server's key
	HostKey         string        `yaml:"host_key"`               // or the key, or its fingerprint as SHA256:…
	InsecureHostKey bool          `yaml:"insecure_host_key"`      // or whoever answers is taken for the server
	Directory       string        `yaml:"directory"`              // must exist; below the user's own unless it begins with a slash
	Connections     int           `yaml:"connections"`            // open at a time at most
}

// DefaultConfig returns the settings used when nothing is given. A host, a user, a way to log in and one to know the server
// must be.
func DefaultConfig() Config {
	return Config{Port: 22, Connections: fileserver.DefaultConfig().Connections}
}

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	errs := c.server().Check()
	if c.Password == "" && c.PrivateKey == "" && c.PrivateKeyFile == "" {
		errs = append(errs, errors.New("password: must be given, or private_key or private_key_file"))
	}
	switch {
	case c.PrivateKey != "" && c.PrivateKeyFile != "":
		errs = append(errs, errors.New("private_key_file: must not be given together with private_key"))
	case c.Passphrase != "" && c.PrivateKey == "" && c.PrivateKeyFile == "":
		errs = append(errs, errors.New("private_key_passphrase: there is no private key"))
	case c.PrivateKey != "":
		if _, err := c.signer(); err != nil {
			errs = append(errs, err)
		}
	}
	ways := 0
	for _, given := range []bool{c.KnownHosts != "", c.HostKey != "", c.InsecureHostKey} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		errs = append(errs, errors.New("host_key: give one of host_key, known_hosts and insecure_host_key, so that the server is known"))
	}
	if c.HostKey != "" {
		if _, err := parseHostKey(c.HostKey); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (c Config) server() fileserver.Settings {
	return fileserver.Settings{Host: c.Host, Port: c.Port, User: c.User, Directory: c.Directory, Connections: c.Connections}
}
