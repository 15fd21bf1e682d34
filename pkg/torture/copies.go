package torture

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

// copyist copies answers of known sizes into one table, one after the other.
type copyist struct {
	fleet *fleet
	rng   *rand.Rand
	http  *http.Client
}

func newCopyist(seed uint64, f *fleet) *copyist {
	return &copyist{fleet: f, rng: rand.New(rand.NewPCG(seed, 1<<32)), http: &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}}
}

// copied is the query of a copy of so many rows, which DuckDB and ClickHouse understand.
const copied = "select generate_series as n, 'row ' || cast(generate_series as varchar) as t, cast(generate_series / 7 as decimal(18,3)) as d" +
	" from generate_series(1, %d)"

// copiesFound is the query for how many rows there are of each copy, and how many different ones.
const copiesFound = "select __batch_file, count(*), count(distinct n) from copied group by __batch_file"

// run starts copies until load ends. One whose answer is lost is among the jobs, or was never begun.
func (c *copyist) run(load context.Context) {
	defer c.http.CloseIdleConnections()
	for load.Err() == nil {
		body := fmt.Sprintf(`{"query":%q,"destination_id":%s,"destination_table":"copied"}`, fmt.Sprintf(copied, 1+c.rng.IntN(200_000)), destinationID)
		_, _, _ = c.fleet.any(c.rng).Post(load, c.http, "/api/data/copy", bytes.NewReader([]byte(body))) // the jobs tell what became of it
		_ = pause(load, time.Duration(c.rng.IntN(2000))*time.Millisecond)                                // the loop ends with load
	}
}

// job is what the server says of a copy.
type job struct {
	ID    string `json:"job_id"`
	State string `json:"state"`
	Query string `json:"query"`
	Error string `json:"error"`
}

// accountCopies waits until all copies have ended, and compares each with what the table has of it.
func accountCopies(ctx context.Context, srv *rig.Server, a *Account) error {
	jobs, err := ended(ctx, srv)
	if err != nil || len(jobs) == 0 {
		return err
	}
	rows, numbers := map[string]int64{}, map[string]int64{}
	err = srv.Lines(ctx, copiesFound, func(line []byte) error {
		f := bytes.Split(line, []byte(","))
		if len(f) != 3 {
			return fmt.Errorf("line %q", line)
		}
		var err error
		if rows[string(f[0])], err = strconv.ParseInt(string(f[1]), 10, 64); err == nil {
			numbers[string(f[0])], err = strconv.ParseInt(string(f[2]), 10, 64)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if err := a.copy(j, rows[j.ID], numbers[j.ID]); err != nil {
			return err
		}
	}
	return nil
}

// copy counts one copy, of which the table has rows rows, with so many different numbers.
func (a *Account) copy(j job, rows, numbers int64) error {
	var want int64
	if _, err := fmt.Sscanf(j.Query, copied, &want); err != nil {
		return fmt.Errorf("job %s copies %q: %w", j.ID, j.Query, err)
	}
	if j.State == "done" && rows == want && numbers == want {
		a.Copies++
	} else {
		a.BadCopies++
	}
	return nil
}

// ended waits until no copy is left to be done, and lists all.
func ended(ctx context.Context, srv *rig.Server) (jobs []job, err error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		left := 0
		if err := srv.JSON(ctx, "/api/jobs", &jobs); err != nil {
			return nil, err
		}
		for _, j := range jobs {
			if j.State != "done" && j.State != "failed" {
				left++
			}
		}
		if left == 0 {
			return jobs, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%d copies are not done: %w", left, ctx.Err())
		}
	}
}
