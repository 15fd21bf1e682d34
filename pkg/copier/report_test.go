package copier

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
)

func TestReports(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.FixedZone("", 3600))
	after := func(d time.Duration) time.Time { return start.Add(d) }
	read, written := control.Amount{Rows: 100, Bytes: 5000, Batches: 3}, control.Amount{Rows: 60, Bytes: 3000, Batches: 2}
	const head = `{"job_id":"J","state":`
	const of = `"query":"q","source_id":"1","destination_id":"2","destination_table":"shop.events",`
	for _, tt := range []struct {
		name string
		job  control.Job
		now  time.Time
		want string
	}{
		{"queued", control.Job{State: control.JobQueued, Counted: -1}, after(5 * time.Second),
			head + `"queued",` + of + `"rows_read":0,"bytes_read":0,"rows_written":0,"bytes_written":0,"batches_read":0,"batches_written":0,"values_rescued":0,` +
				`"rows_counted":null,"difference":null,"rows_per_second":0,"bytes_per_second":0,"created_at":"2026-01-02T02:04:05.678901Z","started_at":null,"finished_at":null}`},
		{"reading", control.Job{State: control.JobReading, Counted: -1, Read: read, Started: start, Canceling: true}, after(4 * time.Second),
			head + `"reading","canceling":true,` + of + `"rows_read":100,"bytes_read":5000,"rows_written":0,"bytes_written":0,"batches_read":3,"batches_written":0,"values_rescued":0,` +
				`"rows_counted":null,"difference":null,"rows_per_second":25,"bytes_per_second":1250,"created_at":"2026-01-02T02:04:05.678901Z","started_at":"2026-01-02T02:04:05.678901Z","finished_at":null}`},
		{"loading", control.Job{State: control.JobLoading, Counted: -1, Read: read, Written: written, Rescued: 7, Started: start}, after(10 * time.Second),
			head + `"loading",` + of + `"rows_read":100,"bytes_read":5000,"rows_written":60,"bytes_written":3000,"batches_read":3,"batches_written":2,"values_rescued":7,` +
				`"rows_counted":null,"difference":null,"rows_per_second":6,"bytes_per_second":300,"created_at":"2026-01-02T02:04:05.678901Z","started_at":"2026-01-02T02:04:05.678901Z","finished_at":null}`},
		{"done", control.Job{State: control.JobDone, Counted: 100, Read: read, Written: read, Started: start, Finished: after(20 * time.Second), Canceling: true}, after(time.Hour),
			head + `"done",` + of + `"rows_read":100,"bytes_read":5000,"rows_written":100,"bytes_written":5000,"batches_read":3,"batches_written":3,"values_rescued":0,` +
				`"rows_counted":100,"difference":0,"rows_per_second":5,"bytes_per_second":250,"created_at":"2026-01-02T02:04:05.678901Z","started_at":"2026-01-02T02:04:05.678901Z","finished_at":"2026-01-02T02:04:25.678901Z"}`},
		{"failed with a difference", control.Job{State: control.JobFailed, Counted: 97, Read: read, Written: read, Started: start, Finished: after(20 * time.Second), Error: "why"}, after(time.Hour),
			head + `"failed",` + of + `"rows_read":100,"bytes_read":5000,"rows_written":100,"bytes_written":5000,"batches_read":3,"batches_written":3,"values_rescued":0,` +
				`"rows_counted":97,"difference":3,"rows_per_second":5,"bytes_per_second":250,"error":"why","created_at":"2026-01-02T02:04:05.678901Z","started_at":"2026-01-02T02:04:05.678901Z","finished_at":"2026-01-02T02:04:25.678901Z"}`},
		{"failed while reading", control.Job{State: control.JobFailed, Counted: -1, Read: read, Started: start, Finished: after(20 * time.Second), Error: "why"}, after(time.Hour),
			head + `"failed",` + of + `"rows_read":100,"bytes_read":5000,"rows_written":0,"bytes_written":0,"batches_read":3,"batches_written":0,"values_rescued":0,` +
				`"rows_counted":null,"difference":null,"rows_per_second":0,"bytes_per_second":0,"error":"why","created_at":"2026-01-02T02:04:05.678901Z","started_at":"2026-01-02T02:04:05.678901Z","finished_at":"2026-01-02T02:04:25.678901Z"}`},
		{"canceled before it began", control.Job{State: control.JobCanceled, Counted: -1, Canceling: true, Finished: after(time.Second)}, after(time.Hour),
			head + `"canceled",` + of + `"rows_read":0,"bytes_read":0,"rows_written":0,"bytes_written":0,"batches_read":0,"batches_written":0,"values_rescued":0,` +
				`"rows_counted":null,"difference":null,"rows_per_second":0,"bytes_per_second":0,"created_at":"2026-01-02T02:04:05.678901Z","started_at":null,"finished_at":"2026-01-02T02:04:06.678901Z"}`},
		{"begun this moment", control.Job{State: control.JobReading, Counted: -1, Read: read, Started: start}, start,
			head + `"reading",` + of + `"rows_read":100,"bytes_read":5000,"rows_written":0,"bytes_written":0,"batches_read":3,"batches_written":0,"values_rescued":0,` +
				`"rows_counted":null,"difference":null,"rows_per_second":0,"bytes_per_second":0,"created_at":"2026-01-02T02:04:05.678901Z","started_at":"2026-01-02T02:04:05.678901Z","finished_at":null}`},
		{"begun by a clock that is ahead", control.Job{State: control.JobReading, Counted: -1, Read: read, Started: after(time.Second)}, start,
			head + `"reading",` + of + `"rows_read":100,"bytes_read":5000,"rows_written":0,"bytes_written":0,"batches_read":3,"batches_written":0,"values_rescued":0,` +
				`"rows_counted":null,"difference":null,"rows_per_second":0,"bytes_per_second":0,"created_at":"2026-01-02T02:04:05.678901Z","started_at":"2026-01-02T02:04:06.678901Z","finished_at":null}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := tt.job
			j.ID, j.Query, j.Source, j.Destination, j.Table, j.Created = "J", "q", "1", "2", tableOf(t, "shop.events"), start
			got, err := json.Marshal(ReportOf(j, tt.now))
			if err != nil || string(got) != tt.want {
				t.Errorf("%v\n got %s\nwant %s", err, got, tt.want)
			}
		})
	}
}
