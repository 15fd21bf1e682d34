package endtoend

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rabbitmq/amqp091-go"
	goredis "github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite" // reads the local queue's file

	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// section is one of the configuration: a queue or a store that no other test has to do with.
type section struct {
	yaml string
	left func(t testing.TB) int // counts what is kept there; nil when that is only in the node's memory
}

// queues are all that there are, by type.
var queues = map[string]func(t testing.TB) section{
	"local":    localQueue,
	"memory":   func(testing.TB) section { return section{yaml: "queue: {type: memory}\n"} },
	"postgres": postgresQueue,
	"rabbitmq": rabbitQueue,
	"redis":    redisQueue,
	"sqs":      sqsQueue,
}

// newQueue makes a queue of a type, on a server that the package's tests share.
func newQueue(t testing.TB, kind string) section {
	t.Helper()
	if queues[kind] == nil {
		t.Fatalf("no queue of the type %s", kind)
	}
	return queues[kind](t)
}

// secret is how passwords and keys are written in sections.
var secret = regexp.MustCompile(`(?:secret_access_key|password): "([^"]+)"|//[^/@"]*(:[^/@":]+@)`)

// secretsOf gives those of a configuration.
func secretsOf(yaml string) (words []string) {
	for _, found := range secret.FindAllStringSubmatch(yaml, -1) {
		words = append(words, found[1]+found[2])
	}
	return words
}

// unique gives a name that nothing else has.
func unique() string { return "test_" + strings.ToLower(rand.Text()) }

func localQueue(t testing.TB) section {
	file := filepath.Join(t.TempDir(), "queue.db")
	return section{fmt.Sprintf("queue: {type: local, settings: {file: %q}}\n", file), func(t testing.TB) int {
		db, err := sql.Open("sqlite", file)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close() //nolint:errcheck // only read
		var n int
		if err := db.QueryRowContext(t.Context(), "select count(*) from goqite").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}}
}

func postgresQueue(t testing.TB) section {
	servers.Need(t, "POSTGRES")
	dsn := servertest.Postgres(t)
	return section{fmt.Sprintf("queue: {type: postgres, settings: {dsn: %q}}\n", dsn), func(t testing.TB) int {
		ctx := context.Background()
		c, err := pgx.Connect(ctx, dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(ctx) //nolint:errcheck // only read
		var n int
		if err := c.QueryRow(ctx, "select count(*) from scratchdata_queue").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}}
}

func rabbitQueue(t testing.TB) section {
	servers.Need(t, "RABBITMQ")
	url, name := servertest.RabbitMQ(t), unique()
	ask := func(t testing.TB, do func(*amqp091.Channel) error) {
		c, err := amqp091.Dial(url)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close() //nolint:errcheck // what it was asked was answered
		channel, err := c.Channel()
		if err != nil {
			t.Fatal(err)
		}
		if err := do(channel); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		ask(t, func(c *amqp091.Channel) error { _, err := c.QueueDelete(name, false, false, false); return err })
	})
	// When nobody is connected any more, no message is on its way to somebody: all are ready, and counted.
	return section{fmt.Sprintf("queue: {type: rabbitmq, settings: {url: %q, queue: %q}}\n", url, name), func(t testing.TB) (n int) {
		ask(t, func(c *amqp091.Channel) error {
			q, err := c.QueueDeclarePassive(name, true, false, false, false, nil)
			n = q.Messages
			return err
		})
		return n
	}}
}

func redisQueue(t testing.TB) section {
	servers.Need(t, "REDIS")
	url, stream := servertest.Redis(t), unique()
	return section{fmt.Sprintf("queue: {type: redis, settings: {url: %q, stream: %q}}\n", url, stream), func(t testing.TB) int {
		options, err := goredis.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		c := goredis.NewClient(options)
		defer c.Close() //nolint:errcheck // only read
		n, err := c.XLen(t.Context(), stream).Result()
		if err != nil {
			t.Fatal(err)
		}
		return int(n)
	}}
}

func sqsQueue(t testing.TB) section {
	servers.Need(t, "SQS")
	s := servertest.SQS(t)
	url := s.Queue(t, nil)
	return section{"queue: {type: sqs, settings: {" + sqsSettings(url, s.Endpoint, "queue-secret") + "}}\n", func(t testing.TB) int {
		return s.Messages(t, url)
	}}
}

// sqsSettings are those of a queue that answers soon when nothing is in it, so that a stop is quick.
func sqsSettings(url, endpoint, secret string) string {
	return fmt.Sprintf("url: %q, endpoint: %q, region: us-east-1, access_key_id: queue-key, secret_access_key: %q, wait: 1s", url, endpoint, secret)
}
