package control

import (
	"context"
	"time"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Jobs remembers copies: what is asked for, who works on it, and how far it is. Of jobs created at once the one whose id
// comes last is the newest.
type Jobs interface {
	// Add remembers j durably. An id that is taken is fault.Exists.
	Add(ctx context.Context, j Job) error
	// Find returns the job id, or fault.NotFound.
	Find(ctx context.Context, id string) (Job, error)
	// List gives up to most jobs that ask the destination source, newest first; an empty source means all, a most below 1
	// none.
	List(ctx context.Context, source string, most int) ([]Job, error)
	// Claim gives the oldest job that is not finished and was claimed by nobody until now, to its caller alone until that
	// time, with Run counted up by one; fault.NotFound when there is none. Besides Run and Until nothing changes, and the
	// same Run is never given twice. One whose Until is now is free.
	Claim(ctx context.Context, now, until time.Time) (Job, error)
	// Save notes durably how far j is: its State, Plan, counts, Error, Started, Finished and Until. It returns whether
	// somebody has asked to cancel it. When j is finished already, or was claimed again since j.Run, or is unknown, it
	// changes nothing and gives fault.Closed. That Until has passed is no reason as long as nobody has claimed it again.
	Save(ctx context.Context, j Job) (canceling bool, err error)
	// Cancel notes durably that the job id of source shall end, and returns it as it is then: Canceling. One that nobody
	// has claimed ever is JobCanceled at once too, Finished now, without an Error. One that is finished is returned as it
	// is. An unknown one is fault.NotFound.
	Cancel(ctx context.Context, source, id string, now time.Time) (Job, error)
}

// Staged remembers the batches of jobs that are in the blob store, before they are on their way. It asks no job whether it
// is there: a batch of one that Prune has forgotten before, or that was never added, is kept until it is forgotten.
type Staged interface {
	// Put notes durably that b is about to be stored for the job id. One that is known is replaced.
	Put(ctx context.Context, id string, b StagedBatch) error
	// List gives the batches of the job id in the order of their ids.
	List(ctx context.Context, id string) ([]StagedBatch, error)
	// Forget forgets the batches of the job id that were stored by claims before run; all of them for a negative one. None
	// is not an error.
	Forget(ctx context.Context, id string, run int) error
}

// Job is a copy of a query's answer into a table.
type Job struct {
	ID          string // ULID
	Source      string // the destination that is asked
	Key         string // the id of the key that asked for it
	Query       string
	Params      []byte // JSON object of the query's parameters; nil without any
	Destination string // where the rows go
	Table       schema.Table
	State       JobState
	Canceling   bool      // somebody has asked to cancel it
	Run         int       // how often it was claimed
	Plan        []byte    // what whoever works on it wants to know after a crash; nil at first
	Read        Amount    // of the answer
	Written     Amount    // that was loaded
	Rescued     int64     // values that went into __rescued
	Counted     int64     // rows of the copy that the table has in the end; -1 while that is not known
	Error       string    // why it failed or was canceled
	Created     time.Time // in microseconds, as are the others
	Started     time.Time // zero until whoever claimed it saves it
	Finished    time.Time // zero until then
	Until       time.Time // whoever claimed it works on it until then
}

// Amount is how much was moved.
type Amount struct{ Rows, Bytes, Batches int64 }

// JobState is how far a job is.
type JobState string

// The states of a job, in the order in which it passes them. The last three are its end.
const (
	JobQueued   JobState = "queued"
	JobReading  JobState = "reading" // nothing is in the table yet; after a crash it begins anew
	JobLoading  JobState = "loading" // all was read; after a crash it goes on
	JobDone     JobState = "done"
	JobFailed   JobState = "failed"
	JobCanceled JobState = "canceled"
)

// Ended reports whether the state is one that never changes.
func (s JobState) Ended() bool { return s == JobDone || s == JobFailed || s == JobCanceled }

// StagedBatch is a batch that waits in the blob store for its job.
type StagedBatch struct {
	ID    string // ULID
	Run   int    // the claim that stored it
	Rows  int64
	Bytes int64
}
