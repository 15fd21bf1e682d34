// Package control is the port to what the server remembers about itself.
package control

import (
	"context"
	"time"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Store is the server's memory. It is split by subject; each part is safe for concurrent use.
type Store interface {
	Clock
	// Batches remembers what became of each batch.
	Batches() Batches
	// Dead keeps the batches that could not be loaded.
	Dead() Dead
	// Columns remembers which batch made a column.
	Columns() Columns
	// Keys remembers inserts by their idempotency keys.
	Keys() Keys
	// Shares remembers share links.
	Shares() Shares
	// Queries remembers named queries.
	Queries() Queries
	// Jobs remembers copies.
	Jobs() Jobs
	// Staged remembers the batches of copies that are not on their way yet.
	Staged() Staged
	// Prune forgets the loaded batches that were settled before the time, the shares that expired before it, and the jobs
	// that were finished before it, with their staged batches. Others are kept.
	Prune(ctx context.Context, before time.Time) error
	// Close frees the connections.
	Close() error
}

// Shared is a Store that may be other servers' too.
type Shared interface {
	// Shared reports whether it may.
	Shared() bool
}

// Batches remembers batches from the moment they are shipped.
type Batches interface {
	// Shipped notes that b is in the blob store and on its way into the queue. One that is known already, in any state,
	// is left as it is.
	Shipped(ctx context.Context, b Batch) error
	// Attempt counts one more try to load b and returns how far it had come before, with the new count, 1 at the
	// first. An unknown batch is noted as by Shipped first.
	Attempt(ctx context.Context, b Batch) (Batch, error)
	// Settle notes the outcome of a try: StateLoaded with rows and rescued values, StateDead with the reason, or
	// StateShipped with the reason why this try failed. StateLoaded is never changed again, and StateDead, with its
	// first reason, by StateLoaded alone: settling them again is not an error. An unknown id is fault.NotFound.
	Settle(ctx context.Context, id string, o Outcome) error
	// Find returns the batch id, or fault.NotFound.
	Find(ctx context.Context, id string) (Batch, error)
	// Pending counts the batches in StateShipped and tells when the oldest of them was created (zero if none).
	Pending(ctx context.Context) (n int, oldest time.Time, err error)
	// Waiting gives the bytes of the batches in StateShipped and StateDead, by destination.
	Waiting(ctx context.Context) (bytes map[string]int64, err error)
}

// Dead keeps the batches whose load was given up, until a person replays or drops them.
type Dead interface {
	// List gives the dead batches of destination, oldest first; an empty destination means all.
	List(ctx context.Context, destination string) ([]Batch, error)
	// Revive makes the dead batch id StateShipped again with no attempts counted; one that is not dead is
	// fault.NotFound.
	Revive(ctx context.Context, id string) error
	// Forget removes the record of the dead batch id; one that is not dead is fault.NotFound.
	Forget(ctx context.Context, id string) error
}

// Columns remembers which batch made a column, and of what kind it was then.
type Columns interface {
	// Note remembers the columns, all or none. What was noted of the same column before is replaced: it was never made,
	// or was dropped since.
	Note(ctx context.Context, cols []Column) error
	// List gives the columns noted of destination's table, in no order.
	List(ctx context.Context, destination string, table schema.Table) ([]Column, error)
}

// Column is a column that was made for a batch.
type Column struct {
	Destination string
	Table       schema.Table
	Name        string
	Kind        schema.Kind
	Batch       string    // the first one with a value for it
	Made        time.Time // in microseconds
}

// Keys remembers inserts by their idempotency keys, so that one that is sent again is answered again and not stored
// again.
type Keys interface {
	Clock
	// Remember notes the inserts durably, all or none. One whose key is known already is left as it was; those that are
	// known of another batch are given as they are known, in any order.
	Remember(ctx context.Context, inserts []KeyedInsert) (elsewhere []KeyedInsert, err error)
	// Find returns the insert of destination with that key, or fault.NotFound.
	Find(ctx context.Context, destination string, key Digest) (KeyedInsert, error)
	// Forget forgets the inserts made before the time, and of the others the oldest while there are more than most. It
	// returns how many are left, when the oldest of them was made (zero if none), and how many went early, for most.
	Forget(ctx context.Context, before time.Time, most int) (KeysLeft, error)
}

// Digest stands for an idempotency key or a body: the first 128 bits of its SHA-256.
type Digest [16]byte

// KeyedInsert is an insert that had an idempotency key, with what it was answered.
type KeyedInsert struct {
	Destination string
	Key         Digest
	Body        Digest // of the body and all else that makes two inserts the same
	Receipt     string
	Batch       string
	Rows        int
	RowIDs      []string  // when they were asked for
	Made        time.Time // by the store's clock
}

// KeysLeft is what Forget left.
type KeysLeft struct {
	Count  int
	Oldest time.Time
	Early  int
}

// Shares remembers share links: who has one may see the answer of its query, without a key, until it expires.
type Shares interface {
	// Add remembers s durably. An id that is taken is fault.Exists.
	Add(ctx context.Context, s Share) error
	// Find returns the share id, also one that has expired, or fault.NotFound.
	Find(ctx context.Context, id string) (Share, error)
	// List gives destination's shares that expire after now, newest first.
	List(ctx context.Context, destination string, now time.Time) ([]Share, error)
	// Revoke forgets destination's share id durably, or fault.NotFound.
	Revoke(ctx context.Context, destination, id string) error
}

// Share is one share link.
type Share struct {
	ID          string // unguessable
	Destination string // that is asked
	Key         string // the id of the key that made it
	Name        string // may be empty
	Query       string
	Params      []byte    // JSON object of the query's parameters; nil without any
	Created     time.Time // in microseconds, as Expires
	Expires     time.Time
}

// Queries remembers named queries. Each change of one is a version of its own; earlier ones stay until it is deleted.
type Queries interface {
	// Save remembers q durably as the next version of its name, and returns that: 1 for a new name. With fresh a name that
	// is there already is fault.Exists. q's own Version is not read.
	Save(ctx context.Context, q NamedQuery, fresh bool) (version int, err error)
	// Find returns a version of destination's query name, the last one for 0, or fault.NotFound.
	Find(ctx context.Context, destination, name string, version int) (NamedQuery, error)
	// FindPublic returns the query whose last version has that public id, or fault.NotFound.
	FindPublic(ctx context.Context, public string) (NamedQuery, error)
	// List gives the last versions of destination's queries, by name.
	List(ctx context.Context, destination string) ([]NamedQuery, error)
	// Delete forgets all versions of destination's query name durably, or fault.NotFound.
	Delete(ctx context.Context, destination, name string) error
}

// NamedQuery is one version of a named query.
type NamedQuery struct {
	Destination string // that is asked
	Name        string
	Version     int
	Description string
	Query       string
	Params      []byte    // JSON: what its parameters are; nil without any
	Public      string    // unguessable; empty when it has no public link
	Fixed       []byte    // JSON object of the values that the public link sets; nil without any
	Saved       time.Time // in microseconds
}

// State is how far a batch has come.
type State string

// The states that Batches keeps. Before them a batch is "accepted", which the node that took it knows.
const (
	StateShipped State = "shipped"
	StateLoaded  State = "loaded"
	StateDead    State = "dead"
)

// Batch is one batch as the server remembers it.
type Batch struct {
	ID          string
	Destination string
	Table       schema.Table
	State       State
	Rows        int64 // rows in the file; once loaded, rows in the table
	Bytes       int64
	Rescued     int64
	Attempts    int
	Reason      string    // why it is dead, or why the last attempt failed
	Message     []byte    // the queue message, kept until the batch is loaded so that a dead one can be replayed
	Created     time.Time // when it was opened for rows
	Settled     time.Time // zero until loaded or dead
}

// Outcome is how a try to load a batch ended.
type Outcome struct {
	State   State
	Rows    int64
	Rescued int64
	Reason  string
}
