// Package sftp keeps blobs as files on a server that speaks SFTP, over SSH.
package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/blobstore/fileserver"
)

// Open opens the store in the directory, which must exist.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (blobstore.Store, error) {
	server, err := connect(cfg)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", cfg.server().URL("sftp"), err)
	}
	if cfg.InsecureHostKey {
		log.WarnContext(ctx, "whoever answers is taken for the SFTP server", "setting", "insecure_host_key")
	}
	return fileserver.Open(ctx, server, log)
}

// connect makes what the store needs to reach the server.
func connect(cfg Config) (fileserver.Config, error) {
	server := fileserver.DefaultConfig()
	server.Address, server.Directory, server.Connections = cfg.server().URL("sftp"), cfg.Directory, cfg.Connections
	ways, err := cfg.login()
	if err != nil {
		return server, err
	}
	client := ssh.ClientConfig{User: cfg.User, Auth: ways}
	if err := cfg.verify(&client); err != nil {
		return server, err
	}
	d := &dialer{address: cfg.server().HostPort(), client: client}
	server.Dial = d.dial
	return server, nil
}

// dialer logs in.
type dialer struct {
	address string
	client  ssh.ClientConfig
}

func (d *dialer) dial(line *fileserver.Line) (fileserver.Session, error) {
	conn, err := line.Dial(d.address)
	if err != nil {
		return nil, err
	}
	var known bool
	var unknown error
	client := d.client
	client.HostKeyCallback = func(host string, remote net.Addr, shown ssh.PublicKey) error {
		unknown = d.client.HostKeyCallback(host, remote, shown)
		known = unknown == nil
		return unknown
	}
	c, channels, requests, err := ssh.NewClientConn(conn, d.address, &client)
	switch {
	case unknown != nil:
		return nil, errors.Join(unknown, conn.Close())
	case err != nil && known && !cut(err):
		return nil, errors.Join(fmt.Errorf("user: %q is refused with this password or private_key: %w", client.User, err), conn.Close())
	case err != nil:
		return nil, errors.Join(err, conn.Close())
	}
	s := &session{ssh: ssh.NewClient(c, channels, requests)}
	if s.sftp, err = sftp.NewClient(s.ssh, sftp.UseConcurrentWrites(true), sftp.UseFstat(true)); err != nil {
		return nil, errors.Join(fmt.Errorf("host: the server takes the login, but does not speak SFTP: %w", err), s.ssh.Close())
	}
	return s, nil
}

// cut reports whether err is of the network.
func cut(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF)
}
