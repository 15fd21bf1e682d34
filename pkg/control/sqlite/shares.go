package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// shares never says an id in an error: errors are logged, and who has the id may see the answer.
type shares struct{ s *store }

// Add implements control.Shares.
func (v shares) Add(ctx context.Context, s control.Share) error {
	added, err := v.s.exec(ctx, v.s.stmts.share, s.ID, s.Destination, s.Key, s.Name, s.Query, s.Params,
		s.Created.UnixMicro(), s.Expires.UnixMicro())
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
	s, err := scanShare(v.s.stmts.findShare.QueryRowContext(ctx, id))
	if errors.Is(err, sql.ErrNoRows) {
		return s, fault.New(fault.NotFound, "unknown_share", "no share has this id")
	}
	if err != nil {
		return s, v.s.failed("find share", err)
	}
	return s, nil
}

// List implements control.Shares.
func (v shares) List(ctx context.Context, destination string, now time.Time) ([]control.Share, error) {
	list, err := listOf(ctx, v.s.stmts.shares, scanShare, destination, now.UnixMicro())
	if err != nil {
		return nil, v.s.failed("list shares of destination "+destination, err)
	}
	return list, nil
}

// Revoke implements control.Shares.
func (v shares) Revoke(ctx context.Context, destination, id string) error {
	revoked, err := v.s.exec(ctx, v.s.stmts.revoke, id, destination)
	if err != nil {
		return v.s.failed("revoke share of destination "+destination, err)
	}
	if revoked == 0 {
		return fault.New(fault.NotFound, "unknown_share", "no share of destination %.40q has this id", destination)
	}
	return nil
}

// scanShare reads shareFields.
func scanShare(row row) (s control.Share, err error) {
	var created, expires int64
	err = row.Scan(&s.ID, &s.Destination, &s.Key, &s.Name, &s.Query, &s.Params, &created, &expires)
	if err != nil {
		return control.Share{}, err
	}
	s.Created, s.Expires = time.UnixMicro(created).UTC(), time.UnixMicro(expires).UTC()
	return s, nil
}
