// Package ftp keeps blobs as files on a server that speaks FTP.
package ftp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/blobstore/fileserver"
)

// Open opens the store in the directory, which must exist.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (blobstore.Store, error) {
	server, err := connect(cfg)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", cfg.server().URL("ftp"), err)
	}
	switch {
	case cfg.TLS == tlsNone:
		log.WarnContext(ctx, "the password and the rows go to the FTP server as they are", "setting", "tls: none")
	case cfg.TLSSkipVerify:
		log.WarnContext(ctx, "whoever answers is taken for the FTP server", "setting", "tls_skip_verify")
	}
	return fileserver.Open(ctx, server, log)
}

// connect makes what the store needs to reach the server.
func connect(cfg Config) (fileserver.Config, error) {
	server := fileserver.DefaultConfig()
	server.Address, server.Directory, server.Connections = cfg.server().URL("ftp"), cfg.Directory, cfg.Connections
	server.Busy = busy
	d := &dialer{cfg: cfg}
	server.Dial = d.dial
	if cfg.TLS == tlsNone {
		return server, nil
	}
	d.tls = &tls.Config{ServerName: cfg.Host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: cfg.TLSSkipVerify} //nolint:gosec // as the setting says
	if cfg.CAFile == "" {
		return server, nil
	}
	text, err := os.ReadFile(cfg.CAFile)
	if err != nil {
		return server, fmt.Errorf("ca_file: %w", err)
	}
	d.tls.RootCAs = x509.NewCertPool()
	if !d.tls.RootCAs.AppendCertsFromPEM(text) {
		return server, fmt.Errorf("ca_file: %s has no certificate", cfg.CAFile)
	}
	return server, nil
}

// dialer logs in.
type dialer struct {
	cfg Config
	tls *tls.Config // nil: none
}

func (d *dialer) dial(line *fileserver.Line) (fileserver.Session, error) {
	n := &network{line: line, control: d.cfg.TLS != tlsImplicit}
	options := []ftp.DialOption{ftp.DialWithDialFunc(n.dial)}
	if d.tls != nil {
		// Servers want to see on a data connection that it belongs to the control connection: by its TLS session.
		n.tls = d.tls.Clone()
		n.tls.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		if d.cfg.TLS == tlsExplicit {
			options = append(options, ftp.DialWithExplicitTLS(n.tls))
		} else {
			options = append(options, ftp.DialWithTLS(n.tls))
		}
	}
	c, err := ftp.Dial(d.cfg.server().HostPort(), options...)
	if err != nil {
		return nil, d.explain(err)
	}
	if err := c.Login(d.cfg.User, d.cfg.Password.Reveal()); err != nil {
		return nil, errors.Join(d.explain(err), c.Quit())
	}
	return &session{c}, nil
}

// explain says why the server cannot be used, in the words of the settings.
func (d *dialer) explain(err error) error {
	var certificate *tls.CertificateVerificationError
	var noTLS tls.RecordHeaderError
	switch code := codeOf(err); {
	case errors.As(err, &certificate):
		return fmt.Errorf("tls: the server's certificate is not good for %s; ca_file may name one to check it by: %w", d.cfg.Host, err)
	case errors.As(err, &noTLS):
		return fmt.Errorf("tls: the server does not begin with TLS, so it is not %s: %w", d.cfg.TLS, err)
	case code == ftp.StatusNotLoggedIn || code == ftp.StatusInvalidCredentials:
		return fmt.Errorf("user: %q is refused with this password: %w", d.cfg.User, err)
	case code == ftp.StatusBadCommand || code == ftp.StatusNotImplemented || code == ftp.StatusNotImplementedParameter:
		return fmt.Errorf("tls: the server does not know it: %w", err)
	case d.tls == nil && code == 0 && !cut(err): // of the user's name, before the password: the library does not tell the code
		return fmt.Errorf("tls: the server refuses to go on without it: %w", err)
	default:
		return err
	}
}

// cut reports whether err is of the network.
func cut(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF)
}

// network is the connections of a login: one for commands, then one for each transfer.
type network struct {
	line    *fileserver.Line
	tls     *tls.Config // nil: none
	control bool        // the next one is for commands, and the FTP library itself sees to its TLS
}

func (n *network) dial(_, address string) (net.Conn, error) {
	c, err := n.line.Dial(address)
	if err != nil || n.tls == nil || n.control {
		n.control = false
		return c, err
	}
	return secured{tls.Client(c, n.tls)}, nil
}

// secured is a connection that either side may end without the last word of TLS, as many do. Whether all has come the server says
// by its reply, over the other connection.
type secured struct{ *tls.Conn }

// Read implements net.Conn.
func (c secured) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// lastWord is how long a server may take to end its side of a data connection.
const lastWord = 10 * time.Second

// Close implements net.Conn. It hears the server out: what lies unread when a connection is closed makes TCP reset it, and then
// some servers lose the end of an upload. With TLS 1.3 there is always something, new sessions.
func (c secured) Close() error {
	if c.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lastWord)) == nil {
		_, _ = io.Copy(io.Discard, c.Conn) // whether all has come the server says by its reply
	}
	_ = c.Conn.Close() // likewise
	return nil
}
