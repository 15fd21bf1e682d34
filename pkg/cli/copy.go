package cli

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/scratchdata/scratchdata/pkg/app"
	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/copier"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

type copyCommand struct {
	Query  string            `required:"" short:"q" help:"One SELECT; its answer is copied."`
	Table  string            `required:"" short:"t" help:"The table that gets the rows. It is made when it is missing."`
	To     string            `help:"The id of the destination that has the table; without it the one that is asked."`
	From   string            `help:"The id of the destination that is asked; without it the first one."`
	Param  map[string]string `placeholder:"NAME=VALUE" help:"The value of the query's parameter $NAME."`
	Config string            `name:"config" type:"path" placeholder:"FILE" help:"The server's configuration. The server may be running."`
}

// Run asks the server of this configuration for the copy, or, when none answers, one that lives as long as the copy, and
// shows how far it is until it has ended. An interrupt cancels it.
func (c *copyCommand) Run(ctx context.Context, e *env) error {
	cfg, err := e.load(c.Config)
	if err != nil {
		return err
	}
	from, err := destinationOf(cfg, c.From)
	if err != nil {
		return err
	}
	if len(from.APIKeys) == 0 {
		return fault.New(fault.Invalid, "no_key", "destination %s has no API key, so it cannot be asked", from.ID)
	}
	if r, ok := newRemote(cfg, from); ok {
		err := c.copy(ctx, e, r, from)
		if !nobodyThere(err) {
			return err
		}
	}
	cfg.Logging.Level = "warn" // what a server would say about opening its stores is not the answer
	interrupted := ctx
	return app.While(context.WithoutCancel(ctx), cfg, e.log(cfg), func(ctx context.Context, url string) error {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		defer context.AfterFunc(interrupted, stop)() // the server goes on until the copy is canceled
		return c.copy(ctx, e, &remote{url, from.APIKeys[0]}, from)
	})
}

// copyWish is what the API is asked for.
type copyWish struct {
	Query       string            `json:"query"`
	Params      map[string]string `json:"params,omitempty"`
	Destination string            `json:"destination_id"`
	Table       string            `json:"destination_table"`
}

// How a copy is followed.
const (
	copyLook   = 250 * time.Millisecond // how often the server is asked how far it is
	copyCancel = 2 * time.Minute        // how long a copy that was canceled may take to end
)

func (c *copyCommand) copy(ctx context.Context, e *env, r *remote, from config.Destination) error {
	wish := copyWish{Query: c.Query, Params: c.Param, Destination: c.To, Table: c.Table}
	if wish.Destination == "" {
		wish.Destination = from.ID
	}
	var made struct {
		JobID string `json:"job_id"`
	}
	if err := r.call(ctx, http.MethodPost, "/api/data/copy", wish, &made); err != nil {
		return err
	}
	show := newProgress(e.stderr)
	defer show.close()
	got, err := r.follow(ctx, made.JobID, show)
	if err != nil && ctx.Err() != nil {
		got, err = r.cancel(context.WithoutCancel(ctx), made.JobID, show)
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", made.JobID, err)
	}
	show.close()
	return e.tell(got)
}

// follow shows how far the job is until it has ended.
func (r *remote) follow(ctx context.Context, job string, show *progress) (got copier.Report, err error) {
	tick := time.NewTicker(copyLook)
	defer tick.Stop()
	for {
		if err := r.call(ctx, http.MethodGet, "/api/jobs/"+job, nil, &got); err != nil {
			return got, err
		}
		show.at(got)
		if control.JobState(got.State).Ended() {
			return got, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return got, ctx.Err()
		}
	}
}

// cancel cancels the job and waits for its end.
func (r *remote) cancel(ctx context.Context, job string, show *progress) (got copier.Report, err error) {
	ctx, stop := context.WithTimeout(ctx, copyCancel)
	defer stop()
	if err := r.call(ctx, http.MethodDelete, "/api/jobs/"+job, nil, &got); err != nil {
		return got, err
	}
	return r.follow(ctx, job, show)
}

// tell says how the copy has ended.
func (e *env) tell(got copier.Report) error {
	if got.State != string(control.JobDone) {
		return fmt.Errorf("copy %s %s: %s", got.JobID, got.State, got.Error)
	}
	counted := "not counted there"
	if got.RowsCounted != nil {
		counted = fmt.Sprintf("%d counted there", *got.RowsCounted)
	}
	text := fmt.Sprintf("%d rows read, %d written to %s of destination %s, %s", got.RowsRead, got.RowsWritten, got.DestinationTable,
		got.DestinationID, counted)
	if got.ValuesRescued > 0 {
		text += fmt.Sprintf("; %d values are in __rescued", got.ValuesRescued)
	}
	_, err := fmt.Fprintln(e.stdout, text)
	return err
}
