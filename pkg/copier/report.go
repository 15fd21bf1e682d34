package copier

import (
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
)

// Report tells how far a copy is.
type Report struct {
	JobID            string     `json:"job_id"`
	State            string     `json:"state"` // queued, reading, loading, done, failed or canceled
	Canceling        bool       `json:"canceling,omitempty"`
	Query            string     `json:"query"`
	SourceID         string     `json:"source_id"`
	DestinationID    string     `json:"destination_id"`
	DestinationTable string     `json:"destination_table"`
	RowsRead         int64      `json:"rows_read"`
	BytesRead        int64      `json:"bytes_read"` // as rows on their way: NDJSON
	RowsWritten      int64      `json:"rows_written"`
	BytesWritten     int64      `json:"bytes_written"`
	BatchesRead      int64      `json:"batches_read"`
	BatchesWritten   int64      `json:"batches_written"`
	ValuesRescued    int64      `json:"values_rescued"`
	RowsCounted      *int64     `json:"rows_counted"`     // of the copy in the table, counted in the end; null before, and where that cannot be asked
	Difference       *int64     `json:"difference"`       // rows read that are not there; null as long as rows_counted is
	RowsPerSecond    float64    `json:"rows_per_second"`  // read, and once all are, written; since it began
	BytesPerSecond   float64    `json:"bytes_per_second"` // likewise
	Error            string     `json:"error,omitempty"`
	CreatedAt        time.Time  `json:"created_at"`
	StartedAt        *time.Time `json:"started_at"`
	FinishedAt       *time.Time `json:"finished_at"`
}

// ReportOf tells how far j is now.
func ReportOf(j control.Job, now time.Time) Report {
	r := Report{JobID: j.ID, State: string(j.State), Canceling: j.Canceling && !j.State.Ended(), Query: j.Query, SourceID: j.Source,
		DestinationID: j.Destination, DestinationTable: j.Table.String(), RowsRead: j.Read.Rows, BytesRead: j.Read.Bytes,
		RowsWritten: j.Written.Rows, BytesWritten: j.Written.Bytes, BatchesRead: j.Read.Batches, BatchesWritten: j.Written.Batches,
		ValuesRescued: j.Rescued, Error: j.Error, CreatedAt: j.Created.UTC(), StartedAt: timeOf(j.Started), FinishedAt: timeOf(j.Finished)}
	if j.Counted >= 0 {
		difference := j.Read.Rows - j.Counted
		r.RowsCounted, r.Difference = &j.Counted, &difference
	}
	moved := j.Read
	if j.State != control.JobReading {
		moved = j.Written
	}
	if !j.Finished.IsZero() {
		now = j.Finished
	}
	if took := now.Sub(j.Started).Seconds(); !j.Started.IsZero() && took > 0 {
		r.RowsPerSecond, r.BytesPerSecond = float64(moved.Rows)/took, float64(moved.Bytes)/took
	}
	return r
}

func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
