package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// shareFields is what scanShare reads.
const shareFields = `id, destination, key, name, query, params, created, expires`

const (
	addShare = `insert into shares (` + shareFields + `) values ($1, $2, $3, $4, $5, $6, $7, $8)
		on conflict (sha256(id)) do nothing`
	findShare  = `select ` + shareFields + ` from shares where sha256(id) = sha256($1)`
	listShares = `select ` + shareFields + ` from shares where sha256(destination) = sha256($1) and expires > $2
		order by created desc, added desc`
	revokeShare = `delete from shares where sha256(id) = sha256($1) and destination = $2`
	pruneShares = `delete from shares where ctid = any(array(select ctid from shares where expires < $1
		order by expires limit $2 for update))`
)

// shares never says an id in an error: errors are logged, and who has the id may see the answer.
type shares struct{ s *store }

// Add implements control.Shares.
func (v shares) Add(ctx context.Context, s control.Share) error {
	added, err := v.s.exec(ctx, addShare, text(s.ID), text(s.Destination), text(s.Key), text(s.Name), text(s.Query), s.Params,
		s.Created, s.Expires)
	if err != nil {
		return v.s.failed("add share of destination "+s.Destination, err)
	}
	if added == 0 {
		return fault.New(fault.Exists, "share_exists", "another share has this id")
	}
	return nil
}

// Find implements control.Shares.
func (v shares) Find(ctx context.Context, id string) (control.Share, error) {
	s, err := one(ctx, v.s, scanShare, findShare, text(id))
	if errors.Is(err, pgx.ErrNoRows) {
		return s, fault.New(fault.NotFound, "unknown_share", "no share has this id")
	}
	if err != nil {
		return s, v.s.failed("find share", err)
	}
	return s, nil
}

// List implements control.Shares.
func (v shares) List(ctx context.Context, destination string, now time.Time) ([]control.Share, error) {
	list, err := listOf(ctx, v.s, scanShare, listShares, text(destination), now)
	if err != nil {
		return nil, v.s.failed("list shares of destination "+destination, err)
	}
	return list, nil
}

// Revoke implements control.Shares.
func (v shares) Revoke(ctx context.Context, destination, id string) error {
	revoked, err := v.s.exec(ctx, revokeShare, text(id), text(destination))
	if err != nil {
		return v.s.failed("revoke share of destination "+destination, err)
	}
	if revoked == 0 {
		return fault.New(fault.NotFound, "unknown_share", "no share of destination %.40q has this id", destination)
	}
	return nil
}

// scanShare reads shareFields.
func scanShare(row pgx.CollectableRow) (s control.Share, err error) {
	err = row.Scan((*text)(&s.ID), (*text)(&s.Destination), (*text)(&s.Key), (*text)(&s.Name), (*text)(&s.Query), &s.Params,
		&s.Created, &s.Expires)
	if err != nil {
		return control.Share{}, err
	}
	return s, nil
}
