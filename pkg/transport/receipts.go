package transport

import (
	"context"
	"errors"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/ingest"
	"github.com/scratchdata/scratchdata/pkg/rowid"
)

// The states of a receipt, in the order in which an insert passes them.
const (
	StateAccepted = "accepted" // with the writer, on this machine
	StateShipped  = string(control.StateShipped)
	StateLoaded   = string(control.StateLoaded)
	StateDead     = string(control.StateDead)
)

// How often Wait asks the control store.
const (
	pollOthers = 200 * time.Millisecond // the workers are other processes, who tell nobody here
	pollOwn    = time.Second            // the workers tell; asking is for a batch that another process took
)

// Receipt says where the rows of one insert are.
type Receipt struct {
	Receipt     string `json:"receipt"`
	Batch       string `json:"batch"`
	Destination string `json:"destination"`
	Table       string `json:"table"`
	State       string `json:"state"`
	Rows        int64  `json:"rows,omitempty"`       // of this insert; 0 while that is not known
	BatchRows   int64  `json:"batch_rows,omitempty"` // of all inserts that travel in the batch
	Rescued     int64  `json:"rescued"`              // values of the whole batch
	Reason      string `json:"reason,omitempty"`     // why it is dead, or why the last try failed
	Attempts    int    `json:"attempts"`
}

// Receipts finds out where accepted inserts are.
type Receipts struct {
	writer  *ingest.Writer
	batches control.Batches
	jobs    control.Jobs // nil when copies are not known
	news    *news
	poll    time.Duration
}

// NewReceipts returns the receipts of w's inserts, w being nil when this process takes none, and of those that batches
// knows.
func NewReceipts(w *ingest.Writer, batches control.Batches) *Receipts {
	return &Receipts{writer: w, batches: batches, news: newNews(), poll: pollOthers}
}

// Follow lets Wait learn at once what w, the workers of this process, have settled. It is called before the first Wait.
func (r *Receipts) Follow(w *Workers) {
	r.news, r.poll = w.news, pollOwn
}

// KnowCopies lets Find tell of copies as well: a column that was made for one has its receipt. It is called before the
// first Find.
func (r *Receipts) KnowCopies(jobs control.Jobs) { r.jobs = jobs }

// Find tells where the insert of receipt is, or fault.NotFound.
func (r *Receipts) Find(ctx context.Context, receipt string) (Receipt, error) {
	batch, _, count, err := rowid.ParseReceipt(receipt)
	if err != nil {
		return Receipt{}, err
	}
	b, err := r.find(ctx, batch)
	if err != nil {
		return Receipt{}, err
	}
	rec := Receipt{Receipt: receipt, Batch: batch, Destination: b.Destination, Table: b.Table.String(),
		State: string(b.State), Rows: int64(count), BatchRows: b.Rows, Rescued: b.Rescued, Reason: b.Reason, Attempts: b.Attempts}
	if count == rowid.WholeBatch {
		rec.Rows = b.Rows
	}
	return rec, nil
}

// find asks the control store, then the writer, then the control store again: a batch is recorded before the writer
// lets go of it, so one that neither knew was handed on in between, or does not exist.
func (r *Receipts) find(ctx context.Context, batch string) (control.Batch, error) {
	b, err := r.batches.Find(ctx, batch)
	if !errors.Is(err, fault.NotFound) {
		return b, err
	}
	if r.writer != nil {
		if d, table, ok := r.writer.Find(batch); ok {
			return control.Batch{ID: batch, Destination: d, Table: table, State: StateAccepted}, nil
		}
	}
	b, err = r.batches.Find(ctx, batch)
	if errors.Is(err, fault.NotFound) && r.jobs != nil {
		b, err = r.findCopy(ctx, batch)
	}
	if errors.Is(err, fault.NotFound) {
		return b, fault.New(fault.NotFound, "unknown_receipt", "no insert has this receipt")
	}
	return b, err
}

// findCopy gives a copy as if all of its rows were one batch.
func (r *Receipts) findCopy(ctx context.Context, id string) (control.Batch, error) {
	j, err := r.jobs.Find(ctx, id)
	if err != nil {
		return control.Batch{}, err
	}
	b := control.Batch{ID: id, Destination: j.Destination, Table: j.Table, State: control.StateShipped, Rows: j.Written.Rows,
		Rescued: j.Rescued, Reason: j.Error, Attempts: j.Run}
	switch j.State {
	case control.JobDone:
		b.State = control.StateLoaded
	case control.JobFailed, control.JobCanceled:
		b.State = control.StateDead
	}
	return b, nil
}

// Wait waits for at most timeout until the insert of receipt is loaded or dead, and returns how far it had come: that the
// time is over is no error. It looks at least once, for as long as ctx lets it. With an error it returns what it knew last.
func (r *Receipts) Wait(ctx context.Context, receipt string, timeout time.Duration) (last Receipt, err error) {
	batch, _, _, err := rowid.ParseReceipt(receipt)
	if err != nil {
		return Receipt{}, err
	}
	waiting, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	look := ctx // the first time, so that a short wait tells something too
	err = r.until(waiting, batch, func() (bool, error) {
		rec, err := r.Find(look, receipt)
		look = waiting
		if err != nil {
			if waiting.Err() != nil && last.State != "" {
				return true, nil
			}
			return false, err
		}
		last = rec
		return rec.State == StateLoaded || rec.State == StateDead, nil
	})
	return last, err
}

// WaitBatch waits until a batch that was sent is loaded or dead. When ctx ends first it returns how far the batch had come
// and ctx's error.
func (r *Receipts) WaitBatch(ctx context.Context, batch string) (b control.Batch, err error) {
	err = r.until(ctx, batch, func() (bool, error) {
		known, err := r.batches.Find(ctx, batch)
		if err == nil {
			b = known
		}
		return b.State == control.StateLoaded || b.State == control.StateDead, err
	})
	if err == nil && b.State == control.StateShipped {
		err = ctx.Err()
	}
	return b, err
}

// until looks again and again, whenever the batch may have been settled, until look says that it is, fails, or ctx ends.
func (r *Receipts) until(ctx context.Context, batch string, look func() (settled bool, err error)) error {
	tick := time.NewTicker(r.poll)
	defer tick.Stop()
	for {
		told, stop := r.news.watch(batch) // before looking, so that nothing is told in between
		settled, err := look()
		if settled || err != nil {
			stop()
			return err
		}
		select {
		case <-told:
		case <-tick.C:
		case <-ctx.Done():
		}
		stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}
