package sftp

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// hostKey knows a server by its key, or the key's fingerprint.
type hostKey struct {
	key         ssh.PublicKey // nil: there is only the fingerprint
	fingerprint string
}

// parseHostKey reads the setting host_key.
func parseHostKey(text string) (hostKey, error) {
	if strings.HasPrefix(text, "SHA256:") {
		return hostKey{fingerprint: strings.TrimRight(text, "=")}, nil
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text)) //nolint:dogsled // the rest is for users' keys
	if err != nil {
		return hostKey{}, fmt.Errorf("host_key: is neither a key such as \"ssh-ed25519 AAAA…\" nor a fingerprint such as SHA256:…: %w", err)
	}
	return hostKey{key: key, fingerprint: ssh.FingerprintSHA256(key)}, nil
}

func (h hostKey) check(_ string, _ net.Addr, shown ssh.PublicKey) error {
	if h.key != nil && bytes.Equal(h.key.Marshal(), shown.Marshal()) || ssh.FingerprintSHA256(shown) == h.fingerprint {
		return nil
	}
	return fmt.Errorf("host_key: the server at this address shows another key: %s", describe(shown))
}

// describe names a public key for people.
func describe(key ssh.PublicKey) string { return key.Type() + " " + ssh.FingerprintSHA256(key) }

// verify sets how the server is known, and which of its keys it is asked to show.
func (c Config) verify(client *ssh.ClientConfig) error {
	switch {
	case c.InsecureHostKey:
		client.HostKeyCallback = ssh.InsecureIgnoreHostKey() //nolint:gosec // as the setting says
	case c.HostKey != "":
		h, err := parseHostKey(c.HostKey)
		if err != nil {
			return err
		}
		client.HostKeyCallback = h.check
		if h.key != nil {
			client.HostKeyAlgorithms = algorithmsOf(h.key)
		}
	default:
		known, err := knownhosts.New(c.KnownHosts)
		if err != nil {
			return fmt.Errorf("known_hosts: %w", err)
		}
		address := c.server().HostPort()
		client.HostKeyAlgorithms = knownAlgorithms(known, address)
		client.HostKeyCallback = func(host string, remote net.Addr, shown ssh.PublicKey) error {
			if err := known(host, remote, shown); err != nil {
				return fmt.Errorf("known_hosts: %s does not have the key that %s shows, %s: %w", c.KnownHosts, address, describe(shown), err)
			}
			return nil
		}
	}
	return nil
}

// algorithmsOf lists the ways to prove that one has key.
func algorithmsOf(key ssh.PublicKey) []string {
	if key.Type() == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{key.Type()}
}

// knownAlgorithms lists the ways of the keys that are known of a server: it may have more, and would show one that is not known.
// It is nil when none is known.
func knownAlgorithms(known ssh.HostKeyCallback, address string) []string {
	other, err := ssh.NewPublicKey(ed25519.PublicKey(make([]byte, ed25519.PublicKeySize)))
	if err != nil {
		return nil
	}
	var wrong *knownhosts.KeyError // which tells the right ones
	if !errors.As(known(address, &net.TCPAddr{IP: net.IPv4zero}, other), &wrong) {
		return nil
	}
	var ways []string
	for _, want := range wrong.Want {
		ways = append(ways, algorithmsOf(want.Key)...)
	}
	return ways
}
