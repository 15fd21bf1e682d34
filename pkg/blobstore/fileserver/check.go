package fileserver

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Settings are those that every server has.
type Settings struct {
	Host        string
	Port        int
	User        string
	Directory   string
	Connections int
}

// The most that settings may be.
const (
	maxPort        = 65535
	maxConnections = 1000
	maxDirectory   = 1024
)

// Check says what is wrong with settings.
func (s Settings) Check() []error {
	var errs []error
	if s.Host == "" || strings.ContainsAny(s.Host, "/@ ") || hasControl(s.Host) {
		errs = append(errs, fmt.Errorf("host: %.140q is not the name or address of a server", s.Host))
	}
	if s.Port < 1 || s.Port > maxPort {
		errs = append(errs, fmt.Errorf("port: %d is not a port", s.Port))
	}
	if s.User == "" || hasControl(s.User) {
		errs = append(errs, errors.New("user: must be given, on one line"))
	}
	// '*', '?', '[', '{' and '~' mean something to servers when they list a folder.
	if len(s.Directory) > maxDirectory || strings.ContainsAny(s.Directory, "*?[]{}~\\\"") || hasControl(s.Directory) {
		errs = append(errs, fmt.Errorf("directory: %.140q is not the name of a folder, or has one of *?[]{}~\\\"", s.Directory))
	}
	if s.Connections < 2 || s.Connections > maxConnections {
		errs = append(errs, fmt.Errorf("connections: %d is not from 2 to %d", s.Connections, maxConnections))
	}
	return errs
}

// hasControl reports whether text has a character that ends a line, or is none.
func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// HostPort is where the server listens.
func (s Settings) HostPort() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// URL names the store for people.
func (s Settings) URL(scheme string) string {
	u := url.URL{Scheme: scheme, Host: s.HostPort(), Path: "/" + strings.TrimPrefix(s.Directory, "/")}
	return u.String()
}
