package controltest

import (
	"context"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// Calls asks a store for all that it can be asked for and gives what it says, for tests of one that is closed or cannot be reached.
func Calls(ctx context.Context, s control.Store) map[string]error {
	b := control.Batch{ID: "a"}
	_, now := s.Now(ctx)
	_, keysNow := s.Keys().Now(ctx)
	_, attempt := s.Batches().Attempt(ctx, b)
	_, find := s.Batches().Find(ctx, b.ID)
	_, _, pending := s.Batches().Pending(ctx)
	_, waiting := s.Batches().Waiting(ctx)
	_, list := s.Dead().List(ctx, "")
	_, noted := s.Columns().List(ctx, "1", schema.Table{})
	_, key := s.Keys().Find(ctx, "1", control.Digest{})
	_, left := s.Keys().Forget(ctx, time.Now(), 1)
	_, share := s.Shares().Find(ctx, "a")
	_, shares := s.Shares().List(ctx, "1", time.Now())
	_, saved := s.Queries().Save(ctx, control.NamedQuery{Name: "a"}, false)
	_, query := s.Queries().Find(ctx, "1", "a", 0)
	_, version := s.Queries().Find(ctx, "1", "a", 1)
	_, public := s.Queries().FindPublic(ctx, "a")
	_, queries := s.Queries().List(ctx, "1")
	_, job := s.Jobs().Find(ctx, "a")
	_, jobs := s.Jobs().List(ctx, "1", 9)
	_, all := s.Jobs().List(ctx, "", 9)
	_, claimed := s.Jobs().Claim(ctx, time.Now(), time.Now())
	_, progress := s.Jobs().Save(ctx, control.Job{ID: "a"})
	_, canceled := s.Jobs().Cancel(ctx, "1", "a", time.Now())
	_, staged := s.Staged().List(ctx, "a")
	_, remembered := s.Keys().Remember(ctx, []control.KeyedInsert{{Receipt: "a"}})
	return map[string]error{
		"Now": now, "Now of keys": keysNow,
		"Shipped": s.Batches().Shipped(ctx, b),
		"Attempt": attempt, "Find": find, "Pending": pending, "Waiting": waiting, "List": list,
		"Settle loaded": s.Batches().Settle(ctx, b.ID, control.Outcome{State: control.StateLoaded}),
		"Settle dead":   s.Batches().Settle(ctx, b.ID, control.Outcome{State: control.StateDead}),
		"Settle failed": s.Batches().Settle(ctx, b.ID, control.Outcome{State: control.StateShipped}),
		"Revive":        s.Dead().Revive(ctx, b.ID),
		"Forget":        s.Dead().Forget(ctx, b.ID),
		"Prune":         s.Prune(ctx, time.Now()),
		"Note":          s.Columns().Note(ctx, []control.Column{{Name: "a"}}),
		"List columns":  noted,
		"Remember":      remembered,
		"Find key":      key,
		"Forget keys":   left,
		"Add share":     s.Shares().Add(ctx, control.Share{ID: "a"}),
		"Find share":    share,
		"List shares":   shares,
		"Revoke share":  s.Shares().Revoke(ctx, "1", "a"),
		"Save query":    saved,
		"Find query":    query,
		"Find version":  version,
		"Find public":   public,
		"List queries":  queries,
		"Delete query":  s.Queries().Delete(ctx, "1", "a"),
		"Add job":       s.Jobs().Add(ctx, control.Job{ID: "a"}),
		"Find job":      job,
		"List jobs":     jobs,
		"List all jobs": all,
		"Claim job":     claimed,
		"Save job":      progress,
		"Cancel job":    canceled,
		"Put":           s.Staged().Put(ctx, "a", control.StagedBatch{ID: "a"}),
		"List staged":   staged,
		"Forget staged": s.Staged().Forget(ctx, "a", 1),
	}
}
