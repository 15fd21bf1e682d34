package endtoend

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

// roads are the pairs of stores and queues that the faults come between, and the parts that they strike: each once.
var roads = []struct {
	name   string
	lay    func(t *testing.T, r *road)
	struck []string
}{
	{"s3 and redis", func(t *testing.T, r *road) {
		r.onS3(t)
		r.throughRedis(t)
	}, []string{"the blob store", "the queue"}},
	{"s3 and sqs", func(t *testing.T, r *road) {
		r.onS3(t)
		r.throughSQS(t)
	}, []string{"the queue"}},
	{"gcs and rabbitmq", func(t *testing.T, r *road) {
		r.onGCS(t)
		r.throughRabbitMQ(t)
	}, []string{"the blob store", "the queue"}},
	{"local and postgres", func(t *testing.T, r *road) {
		r.onFiles(t)
		r.throughPostgres(t)
	}, []string{"the queue", "the database"}},
}

// TestFaultsBetweenTheStages lets the network and the servers between a node that takes rows and one that loads them fail, in
// every way, one after the other. All the while inserts are acknowledged. After each fault every row must be in its table
// once, and in the end nothing be left on the way, in memory or on disk.
func TestFaultsBetweenTheStages(t *testing.T) {
	for _, pair := range roads {
		t.Run(pair.name, func(t *testing.T) {
			t.Parallel()
			var r road
			pair.lay(t, &r)
			r.inPostgres(t)
			r.start(t)
			r.numbers(t, "before").quietly()
			idle := r.usage(t)
			var sent []*numbers
			for i, f := range r.faults(pair.struck) {
				t.Run(f.name, func(t *testing.T) {
					n := r.numbers(t, fmt.Sprintf("fault_%d", i))
					f.strike(n)
					n.awaitOnce()
					sent = append(sent, n)
				})
			}
			r.wantUsage(t, idle)
			for _, n := range sent {
				n.on(t).wantOnce() // what a fault has left may have come since
			}
			r.wantNothingLeft(t)
		})
	}
}

// strike is one fault: it sends rows while it strikes, and all works again when it returns.
type strike struct {
	name   string
	strike func(n *numbers)
}

// faults are all that can happen to some parts of the road, and to what is on it.
func (r *road) faults(struck []string) (list []strike) {
	parts := map[string]part{"the blob store": r.blobs, "the queue": r.queue, "the database": r.database}
	for _, name := range struck {
		for _, f := range parts[name].faults() {
			list = append(list, strike{name + " " + f.name, f.strike})
		}
	}
	return append(list, strike{"the queue delivers thrice, and out of order", (*numbers).shuffled},
		strike{"the queue delivers after the lease has ended", (*numbers).stolen},
		strike{"a blob has vanished", (*numbers).vanished})
}

// faults are what can happen to one part.
func (p part) faults() (list []strike) {
	list = []strike{
		{"is slow", func(n *numbers) {
			p.tcp.Slow(slowLatency, slowRate)
			defer p.tcp.Slow(0, 0)
			n.quietly()
		}},
		{"is cut off", func(n *numbers) { n.sendUntilAll(p.tcp.CutBefore) }},
		{"resets connections", func(n *numbers) { n.sendUntilAll(p.tcp.ResetBefore) }},
		{"loses answers", func(n *numbers) { n.sendUntilAll(p.tcp.CutAfter) }},
		{"is silent", func(n *numbers) { n.duringSilence(p.tcp) }},
		{"is away", func(n *numbers) { n.whileRefused(p.tcp) }},
	}
	for _, name := range slices.Sorted(maps.Keys(p.answers)) {
		list = append(list, strike{"answers " + name, func(n *numbers) { n.sendUntil(p.http.Answer(answersInARow, p.answers[name])) }})
	}
	if p.http != nil {
		list = append(list, strike{"is asked twice", func(n *numbers) {
			p.http.Twice(true)
			defer p.http.Twice(false)
			n.quietly()
		}})
	}
	return list
}
