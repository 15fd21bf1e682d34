package rabbitmq

import (
	"strconv"
	"strings"
	"testing"

	"github.com/rabbitmq/amqp091-go"

	"github.com/scratchdata/scratchdata/pkg/secret"
)

func TestAttempt(t *testing.T) {
	fresh := amqp091.Delivery{}
	again := amqp091.Delivery{Redelivered: true}
	returned := func(n int64) amqp091.Delivery {
		return amqp091.Delivery{Redelivered: n > 0, Headers: amqp091.Table{"x-delivery-count": n}}
	}
	for _, tt := range []struct {
		name       string
		surplus    int // returns that nobody had asked for, before all
		deliveries []amqp091.Delivery
		want       []int
	}{
		{"a quorum queue", 0, []amqp091.Delivery{returned(0), returned(1), returned(2)}, []int{1, 2, 3}},
		{"a quorum queue, from another process", 0, []amqp091.Delivery{returned(4), returned(6)}, []int{5, 7}},
		{"a quorum queue that counts no returns", 0, []amqp091.Delivery{returned(0), returned(0), again}, []int{1, 2, 3}},
		{"a quorum queue, given to nobody", 2, []amqp091.Delivery{returned(2), returned(3)}, []int{1, 2}},
		{"a classic queue", 0, []amqp091.Delivery{fresh, again, again}, []int{1, 2, 3}},
		{"a classic queue, from another process", 0, []amqp091.Delivery{again, again}, []int{2, 3}},
		{"a classic queue, given to nobody", 1, []amqp091.Delivery{again, again}, []int{1, 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPast(1)
			for range tt.surplus {
				p.surplus("a")
			}
			for i, d := range tt.deliveries {
				if got := p.attempt("a", &d); got != tt.want[i] {
					t.Errorf("delivery %d: got attempt %d, want %d", i, got, tt.want[i])
				}
			}
		})
	}
}

func TestPastForgetsTheOldest(t *testing.T) {
	const most = 10
	p := newPast(most)
	for i := range 3 * most {
		p.remove(strconv.Itoa(i))
		p.remove(strconv.Itoa(i))
	}
	for i := range 3 * most {
		if got, want := p.removed(strconv.Itoa(i)), i >= 2*most; got != want {
			t.Errorf("%d is known as removed: got %v, want %v", i, got, want)
		}
	}
	if len(p.byID) != most || len(p.order) != most {
		t.Errorf("got %d and %d messages, want %d", len(p.byID), len(p.order), most)
	}
}

func TestConfig(t *testing.T) {
	with := func(change func(*Config)) Config {
		c := DefaultConfig()
		c.URL = "amqp://u:hidden@host/"
		change(&c)
		return c
	}
	for _, tt := range []struct {
		name string
		cfg  Config
		want string // a part of the mistake; empty for none
	}{
		{"the defaults and a URL", with(func(*Config) {}), ""},
		{"encrypted", with(func(c *Config) { c.URL = "amqps://u:hidden@host:5671/vhost" }), ""},
		{"classic", with(func(c *Config) { c.Type = classic }), ""},
		{"no URL", DefaultConfig(), "url: must not be empty"},
		{"another protocol", with(func(c *Config) { c.URL = "https://u:hidden@host" }), "url: is not like"},
		{"no URL at all", with(func(c *Config) { c.URL = "amqp://u:hidden@host:port:%zz" }), "url: is not like"},
		{"no queue", with(func(c *Config) { c.Queue = "" }), "queue: "},
		{"a reserved queue", with(func(c *Config) { c.Queue = "amq.mine" }), "queue: "},
		{"a long queue", with(func(c *Config) { c.Queue = strings.Repeat("q", 256) }), "queue: "},
		{"another type", with(func(c *Config) { c.Type = "stream" }), "type: "},
		{"all at once", Config{URL: secret.String(""), Queue: "", Type: ""}, "url: must not be empty: amqp://user:password@host:5672/vhost\nqueue: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.cfg.Validate()
			if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hidden") {
				t.Errorf("got %v, which shows the password", err)
			}
		})
	}
}
