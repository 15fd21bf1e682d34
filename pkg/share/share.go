// Package share makes links that show the answer of one query, without a key, for a time.
package share

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/query"
)

// Bounds of a link.
const (
	DefaultDuration = 24 * time.Hour
	MaxDuration     = 366 * 24 * time.Hour
	maxName         = 200 // characters
)

// Links makes and opens share links. Safe for concurrent use.
type Links struct {
	shares control.Shares
	runner *query.Runner
}

// New returns the links that shares remembers, whose queries runner runs.
func New(shares control.Shares, runner *query.Runner) *Links { return &Links{shares, runner} }

// Wish is the link that somebody asks for.
type Wish struct {
	Destination string
	Key         string // the id of the key
	Name        string
	Query       string
	Params      query.Params
	Duration    time.Duration
}

// Make makes a link. A mistake in the query is told now, and not to those who follow the link.
func (l *Links) Make(ctx context.Context, w Wish) (control.Share, error) {
	if w.Duration < time.Second || w.Duration > MaxDuration {
		return control.Share{}, fault.New(fault.Invalid, "bad_duration", "duration: a share lasts from 1 to %d seconds", int64(MaxDuration/time.Second))
	}
	if utf8.RuneCountInString(w.Name) > maxName || strings.ContainsFunc(w.Name, func(c rune) bool { return c < ' ' }) {
		return control.Share{}, fault.New(fault.Invalid, "bad_name", "name: at most %d characters, and none that cannot be seen", maxName)
	}
	args, err := w.Params.Args()
	if err != nil {
		return control.Share{}, err
	}
	if err := l.runner.Check(ctx, w.Destination, w.Query, args); err != nil {
		return control.Share{}, err
	}
	now := time.Now().Truncate(time.Microsecond) // as it is kept
	s := control.Share{ID: rand.Text(), Destination: w.Destination, Key: w.Key, Name: w.Name, Query: w.Query, Created: now,
		Expires: now.Add(w.Duration)}
	if len(w.Params) > 0 {
		if s.Params, err = json.Marshal(w.Params); err != nil {
			return control.Share{}, fmt.Errorf("keep the parameters of a share: %w", err)
		}
	}
	return s, l.shares.Add(ctx, s)
}

// Open gives the share id and the arguments of its query: fault.NotFound for one that does not exist, fault.Gone for one
// that has expired.
func (l *Links) Open(ctx context.Context, id string) (s control.Share, args []any, err error) {
	s, err = l.shares.Find(ctx, id)
	if errors.Is(err, fault.NotFound) {
		return s, nil, notThere()
	}
	if err != nil {
		return s, nil, err
	}
	if !time.Now().Before(s.Expires) {
		return s, nil, fault.New(fault.Gone, "share_expired", "this share expired at %s", s.Expires.UTC().Format(time.RFC3339))
	}
	var params query.Params
	if len(s.Params) > 0 {
		if err := json.Unmarshal(s.Params, &params); err != nil {
			return s, nil, fmt.Errorf("read the parameters of a share: %w", err)
		}
	}
	args, err = params.Args()
	return s, args, err
}

func notThere() error {
	return fault.New(fault.NotFound, "unknown_share", "there is no such share: it never was, or it was revoked")
}

// List gives destination's shares that have not expired, newest first.
func (l *Links) List(ctx context.Context, destination string) ([]control.Share, error) {
	return l.shares.List(ctx, destination, time.Now())
}

// Revoke ends destination's share id at once, or gives fault.NotFound.
func (l *Links) Revoke(ctx context.Context, destination, id string) error {
	err := l.shares.Revoke(ctx, destination, id)
	if errors.Is(err, fault.NotFound) {
		return notThere()
	}
	return err
}
