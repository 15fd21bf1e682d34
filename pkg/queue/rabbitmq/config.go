package rabbitmq

import (
	"errors"
	"fmt"
	"strings"

	"github.com/rabbitmq/amqp091-go"

	"github.com/scratchdata/scratchdata/pkg/secret"
)

// The types of queues.
const (
	quorum  = "quorum"
	classic = "classic"
)

// Config is the settings of a queue of a RabbitMQ server.
type Config struct {
	URL   secret.String `yaml:"url"` // amqp[s]://user:password@host:port/vhost
	Queue string        `yaml:"queue"`
	Type  string        `yaml:"type"` // quorum or classic
}

// DefaultConfig returns the settings used when nothing is given. The URL has no default.
func DefaultConfig() Config { return Config{Queue: "scratchdata", Type: quorum} }

// Validate says what is wrong with the settings. It never shows the URL, which may hold a password.
func (c Config) Validate() error {
	var errs []error
	if c.URL == "" {
		errs = append(errs, errors.New("url: must not be empty: amqp://user:password@host:5672/vhost"))
	} else if _, err := amqp091.ParseURI(c.URL.Reveal()); err != nil {
		errs = append(errs, errors.New("url: is not like amqp://user:password@host:5672/vhost"))
	}
	if c.Queue == "" || len(c.Queue) > 255 || strings.HasPrefix(c.Queue, "amq.") {
		errs = append(errs, fmt.Errorf("queue: %.80q is not a name of 1 to 255 bytes, or begins with \"amq.\"", c.Queue))
	}
	if c.Type != quorum && c.Type != classic {
		errs = append(errs, fmt.Errorf("type: %.80q is not quorum or classic", c.Type))
	}
	return errors.Join(errs...)
}

// arguments are those that the queue is declared with.
func (c Config) arguments() amqp091.Table {
	args := amqp091.Table{"x-queue-type": c.Type}
	if c.Type == quorum {
		// Newer servers drop a message at its 20th return, and -1, their word for never, older ones take for 0.
		args["x-delivery-limit"] = int32(unlimited)
	}
	return args
}

// unlimited is how often a message may be returned: giving up is the workers' business.
const unlimited = 1<<31 - 1
