package sqs

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/scratchdata/scratchdata/pkg/secret"
)

// Config is the settings of a queue in SQS.
type Config struct {
	URL             string        `yaml:"url"`               // of the queue
	Region          string        `yaml:"region"`            // empty: that of the URL, else what the environment says
	Endpoint        string        `yaml:"endpoint"`          // empty: the host of the URL
	AccessKeyID     string        `yaml:"access_key_id"`     // empty: who the environment, the shared files or the machine's role say
	SecretAccessKey secret.String `yaml:"secret_access_key"` // of that key
	Wait            time.Duration `yaml:"wait"`              // how long one request waits for a message; whole seconds
}

// maxWait is the longest that SQS lets a request wait.
const maxWait = 20 * time.Second

// DefaultConfig returns the settings used when nothing is given. The URL has no default.
func DefaultConfig() Config { return Config{Wait: maxWait} }

// fifo is how the names of queues end that keep their order.
const fifo = ".fifo"

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	var errs []error
	if err := c.validateURL(); err != nil {
		errs = append(errs, err)
	}
	if c.Endpoint != "" && !isHTTP(c.Endpoint) {
		errs = append(errs, errors.New("endpoint: it must be a URL such as https://sqs.eu-west-1.amazonaws.com"))
	}
	if (c.AccessKeyID == "") != (c.SecretAccessKey == "") {
		errs = append(errs, errors.New("access_key_id: it and secret_access_key must be given together, or neither"))
	}
	if c.Wait < time.Second || c.Wait > maxWait || c.Wait%time.Second != 0 {
		errs = append(errs, fmt.Errorf("wait: %v is not a number of seconds from 1s to %v", c.Wait, maxWait))
	}
	return errors.Join(errs...)
}

func (c Config) validateURL() error {
	switch {
	case c.URL == "":
		return errors.New("url: must not be empty")
	case !isHTTP(c.URL) || c.name() == "":
		return errors.New("url: it must be a queue's URL such as https://sqs.eu-west-1.amazonaws.com/123456789012/batches")
	case strings.HasSuffix(c.URL, fifo):
		return errFIFO
	default:
		return nil
	}
}

// errFIFO is why queues that keep their order are refused. With one group of messages they deliver one after the other,
// however many workers there are; with a group for each message they keep no order, and cost more. And they drop what is
// sent again within five minutes, as a batch is that is replayed.
var errFIFO = errors.New("url: a FIFO queue delivers to one worker at a time and drops what is sent twice: make a standard queue")

func isHTTP(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// name is the queue's, which is the last part of its URL.
func (c Config) name() string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return ""
	}
	return u.Path[strings.LastIndex(u.Path, "/")+1:]
}

// endpoint is where requests go.
func (c Config) endpoint() string {
	if c.Endpoint != "" {
		return c.Endpoint
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// inHost finds the region in names such as sqs.eu-west-1.amazonaws.com and vpce-1a.sqs.us-east-1.vpce.amazonaws.com.
var inHost = regexp.MustCompile(`(?:^|\.)sqs(?:-fips)?\.([a-z]+(?:-[a-z]+)+-[0-9]+)\.`)

// region is the one that the settings name, empty when they name none.
func (c Config) region() string {
	if c.Region != "" {
		return c.Region
	}
	if u, err := url.Parse(c.URL); err == nil {
		if found := inHost.FindStringSubmatch(u.Hostname()); found != nil {
			return found[1]
		}
	}
	return ""
}
