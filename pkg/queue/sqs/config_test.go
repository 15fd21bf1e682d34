package sqs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/secret"
)

const amazon = "https://sqs.eu-west-1.amazonaws.com/123456789012/batches"

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   []string // what the mistakes begin with
	}{
		{"the URL alone", func(*Config) {}, nil},
		{"all", func(c *Config) {
			c.Region, c.Endpoint, c.AccessKeyID, c.SecretAccessKey, c.Wait = "x", "http://127.0.0.1:4566", "k", "s", time.Second
		}, nil},
		{"no URL", func(c *Config) { c.URL = "" }, []string{"url: must not be empty"}},
		{"a name", func(c *Config) { c.URL = "batches" }, []string{"url: it must be a queue's URL"}},
		{"no name", func(c *Config) { c.URL = "https://sqs.eu-west-1.amazonaws.com/" }, []string{"url: it must be a queue's URL"}},
		{"no host", func(c *Config) { c.URL = "https:///1/batches" }, []string{"url: it must be a queue's URL"}},
		{"no URL at all", func(c *Config) { c.URL = "https://a b\x7f" }, []string{"url: it must be a queue's URL"}},
		{"a queue that keeps its order", func(c *Config) { c.URL += ".fifo" }, []string{"url: a FIFO queue"}},
		{"a key without its secret", func(c *Config) { c.AccessKeyID = "k" }, []string{"access_key_id: "}},
		{"a secret without its key", func(c *Config) { c.SecretAccessKey = "s" }, []string{"access_key_id: "}},
		{"waits too long", func(c *Config) { c.Wait = 21 * time.Second }, []string{"wait: 21s is not"}},
		{"parts of seconds", func(c *Config) { c.Wait = 1500 * time.Millisecond }, []string{"wait: 1.5s is not"}},
		{"everything at once", func(c *Config) { c.URL, c.Endpoint, c.AccessKeyID, c.Wait = "", "here", "k", 0 },
			[]string{"url: ", "endpoint: ", "access_key_id: ", "wait: "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := DefaultConfig()
			c.URL = amazon
			tt.change(&c)
			var got []string
			if err := c.Validate(); err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], tt.want[i]) {
					t.Errorf("got %q, want %q", got[i], tt.want[i])
				}
			}
		})
	}
}

func TestEndpointAndRegion(t *testing.T) {
	for _, tt := range []struct {
		name             string
		cfg              Config
		endpoint, region string
	}{
		{"Amazon's", Config{URL: amazon}, "https://sqs.eu-west-1.amazonaws.com", "eu-west-1"},
		{"in China", Config{URL: "https://sqs.cn-north-1.amazonaws.com.cn/1/q"}, "https://sqs.cn-north-1.amazonaws.com.cn", "cn-north-1"},
		{"of the government", Config{URL: "https://sqs-fips.us-gov-east-1.amazonaws.com/1/q"},
			"https://sqs-fips.us-gov-east-1.amazonaws.com", "us-gov-east-1"},
		{"on both IPs", Config{URL: "https://sqs.us-east-2.api.aws/1/q"}, "https://sqs.us-east-2.api.aws", "us-east-2"},
		{"in a private network", Config{URL: "https://vpce-1a2b.sqs.us-east-1.vpce.amazonaws.com/1/q"},
			"https://vpce-1a2b.sqs.us-east-1.vpce.amazonaws.com", "us-east-1"},
		{"elsewhere", Config{URL: "http://127.0.0.1:9324/1/q"}, "http://127.0.0.1:9324", ""},
		{"given", Config{URL: amazon, Region: "us-west-2", Endpoint: "http://localhost:4566"}, "http://localhost:4566", "us-west-2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.cfg.endpoint(); got != tt.endpoint {
				t.Errorf("endpoint: got %q, want %q", got, tt.endpoint)
			}
			if got := tt.cfg.region(); got != tt.region {
				t.Errorf("region: got %q, want %q", got, tt.region)
			}
		})
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	if got := fmt.Sprintf("%+v", Config{SecretAccessKey: secret.String("hunter2")}); strings.Contains(got, "hunter2") {
		t.Errorf("got %s", got)
	}
}
