package sftp

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/crypto/ssh"
)

// login gives the ways to log in, the key first.
func (c Config) login() ([]ssh.AuthMethod, error) {
	var ways []ssh.AuthMethod
	if c.PrivateKey != "" || c.PrivateKeyFile != "" {
		key, err := c.signer()
		if err != nil {
			return nil, err
		}
		ways = append(ways, ssh.PublicKeys(key))
	}
	if c.Password != "" {
		ways = append(ways, ssh.Password(c.Password.Reveal()), ssh.KeyboardInteractive(c.answer))
	}
	return ways, nil
}

// answer gives the password to each question that is not shown as it is answered: some servers take it only so.
func (c Config) answer(_, _ string, questions []string, echoes []bool) ([]string, error) {
	answers := make([]string, len(questions))
	for i, echo := range echoes {
		if echo {
			return nil, errors.New("the server asks for more than a password")
		}
		answers[i] = c.Password.Reveal()
	}
	return answers, nil
}

// signer reads the private key. What it says of a mistake has nothing of the key.
func (c Config) signer() (ssh.Signer, error) {
	name, text := "private_key", []byte(c.PrivateKey.Reveal())
	if c.PrivateKeyFile != "" {
		var err error
		name = "private_key_file"
		if text, err = os.ReadFile(c.PrivateKeyFile); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	var (
		key    ssh.Signer
		err    error
		locked *ssh.PassphraseMissingError
	)
	if c.Passphrase != "" {
		key, err = ssh.ParsePrivateKeyWithPassphrase(text, []byte(c.Passphrase.Reveal()))
	} else {
		key, err = ssh.ParsePrivateKey(text)
	}
	switch {
	case err == nil:
		return key, nil
	case errors.As(err, &locked):
		return nil, errors.New("private_key_passphrase: the private key is encrypted")
	case c.Passphrase != "":
		return nil, fmt.Errorf("%s: is not a private key, or not one with this private_key_passphrase: %w", name, err)
	default:
		return nil, fmt.Errorf("%s: is not a private key: %w", name, err)
	}
}
