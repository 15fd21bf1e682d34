package redis

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

//go:embed scripts/*.lua
var files embed.FS

// script runs in the server, as one step.
type script struct{ *goredis.Script }

// scripts are those of the files.
type scripts struct {
	taking                              script
	hide, giveBack, delete, adopt, tidy script
}

func loadScripts() (s scripts, err error) {
	prelude, err := files.ReadFile("scripts/prelude.lua")
	if err != nil {
		return s, err
	}
	for name, to := range map[string]*script{"take": &s.taking, "hide": &s.hide, "giveback": &s.giveBack, "delete": &s.delete,
		"adopt": &s.adopt, "tidy": &s.tidy} {
		text, err := files.ReadFile("scripts/" + name + ".lua")
		if err != nil {
			return s, err
		}
		to.Script = goredis.NewScript(string(prelude) + "\n" + string(text))
	}
	return s, nil
}

// run runs the script with the queue's keys and group.
func (s script) run(ctx context.Context, r *redis, args ...any) *goredis.Cmd {
	return s.Run(ctx, r.client, r.keys, append([]any{r.cfg.Group}, args...)...)
}

// taken is what take finds.
type taken struct {
	id      string // empty when there is no message
	attempt int
	fields  []string // names and values

	last string        // without a message: the id of the stream's last entry
	next time.Duration // without a message: when the next lease ends, negative when there is none
}

// take takes a message if there is one. When the group is gone it is made again.
func (s scripts) take(ctx context.Context, r *redis, lease time.Duration) (taken, error) {
	reply, err := s.taking.run(ctx, r, r.consumer, millis(lease)).Slice()
	if isNoGroup(err) {
		if err := r.mend(ctx); err != nil {
			return taken{}, err
		}
		reply, err = s.taking.run(ctx, r, r.consumer, millis(lease)).Slice()
	}
	if err != nil {
		return taken{}, err
	}
	return parseTaken(reply)
}

var errReply = errors.New("the script's reply has another form")

func parseTaken(reply []any) (t taken, err error) {
	if len(reply) == 2 {
		last, ok1 := reply[0].(string)
		next, ok2 := reply[1].(int64)
		if !ok1 || !ok2 {
			return taken{}, errReply
		}
		return taken{last: last, next: time.Duration(next) * time.Millisecond}, nil
	}
	if len(reply) != 3 {
		return taken{}, errReply
	}
	id, ok1 := reply[0].(string)
	attempt, ok2 := reply[1].(int64)
	fields, ok3 := reply[2].([]any)
	if !ok1 || !ok2 || !ok3 {
		return taken{}, errReply
	}
	t = taken{id: id, attempt: int(attempt)}
	for _, f := range fields {
		t.fields = append(t.fields, fmt.Sprint(f))
	}
	return t, nil
}

// isNoGroup reports whether the stream or its group is gone. Redis has no other name for that.
func isNoGroup(err error) bool { return goredis.HasErrorPrefix(err, "NOGROUP") }
