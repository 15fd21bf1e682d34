// Package queue is the port to the messages that say where batches wait.
package queue

import (
	"context"
	"time"
)

// Queue gives each message to a receiver at least once, in no promised order. Safe for concurrent use.
type Queue interface {
	// Send adds a message; it is durable when Send returns.
	Send(ctx context.Context, body []byte) error
	// Receive waits for a message and hides it from other receivers for lease. It returns ctx's error when ctx ends
	// first, and then has hidden nothing. A lease may end early with the connection to a server that is lost or closed.
	Receive(ctx context.Context, lease time.Duration) (Message, error)
	// Hide hides a received message for d from now: longer to extend its lease, shorter to give it back. A message
	// that was deleted or delivered again meanwhile is fault.NotFound.
	Hide(ctx context.Context, m Message, d time.Duration) error
	// Delete removes a received message for good, also when its lease has ended meanwhile: its work is done. Deleting it
	// again is not an error.
	Delete(ctx context.Context, m Message) error
	// Close frees what the queue holds. Messages stay, but for a queue in memory.
	Close() error
}

// Message is one delivery of a message.
type Message struct {
	Body    []byte
	Attempt int    // 1 at the first delivery, one more at each later one
	Receipt string // the driver's own handle on this delivery
}

// Recoverer is a Queue whose messages no other process receives. After a crash it need not wait for leases to end.
type Recoverer interface {
	Queue
	// Recover makes every message receivable at once. Call it before the first Receive, and only while no other process
	// receives from the queue.
	Recover(ctx context.Context) error
}

// Limited is a Queue that does not take bodies of any size.
type Limited interface {
	Queue
	// MaxBody is how many bytes a body may have, whatever they are. Send of a longer one may be fault.TooLarge.
	MaxBody() int
}
