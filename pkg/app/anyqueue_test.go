package app

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// Any queue goes with any blob store: rows come to their table through each pair, chosen by the configuration alone, each with
// its own vendor, endpoint and credentials.
func TestAnyQueueWithAnyBlobStore(t *testing.T) {
	queues, stores := queueSections(t), storeSections(t)
	for queue, queueText := range queues {
		for store, storeText := range stores {
			t.Run(queue+" and "+store, func(t *testing.T) {
				dir := t.TempDir()
				name := filepath.Join(dir, "config.yaml")
				if err := os.WriteFile(name, []byte("queue: "+queueText(t)+"\nblob_store: "+storeText(t)+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				cfg, err := Load(name, environ(dir))
				if err != nil {
					t.Fatal(err)
				}
				s := serve(t, cfg)
				for i := range 3 {
					s.insert("events?wait=true", fmt.Sprintf(`[{"n":%d,"text":"ö"},{"n":%d}]`, 2*i, 2*i+1))
				}
				s.query("select count(*) as n, sum(n) as s, count(distinct __batch_file) > 1 as batches from events", "n,s,batches\n6,15,true\n")
				s.mustStop()
			})
		}
	}
}

// section gives a section of the configuration with a place of its own.
type section func(t *testing.T) string

func queueSections(t *testing.T) map[string]section {
	t.Helper()
	redis, rabbit := servertest.Redis(t), servertest.RabbitMQ(t)
	return map[string]section{
		"local": func(*testing.T) string { return "{type: local}" },
		"redis": func(t *testing.T) string {
			return fmt.Sprintf("{type: redis, settings: {url: %q, stream: %q}}", redis, t.Name())
		},
		"rabbitmq": func(t *testing.T) string {
			return fmt.Sprintf("{type: rabbitmq, settings: {url: %q, queue: %q}}", rabbit, t.Name())
		},
		"postgres": func(t *testing.T) string {
			return fmt.Sprintf("{type: postgres, settings: {dsn: %q}}", servertest.Postgres(t))
		},
	}
}
