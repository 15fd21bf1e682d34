package postgres

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// busyRetry is when a call may succeed that the database had no room or time for.
const busyRetry = time.Second

// Codes of Postgres, https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	uniqueViolation      = "23505"
	readOnlyTransaction  = "25006"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	tooManyConnections   = "53300"
	lockNotAvailable     = "55P03"
	queryCanceled        = "57014" // by its own timeout, or by a person
	cannotConnectNow     = "57P03" // it is starting or stopping
)

// failed says what was tried, with the kind of failure that it is. A connection that was lost has none: nobody knows whether
// the call was done.
func (s *store) failed(what string, err error) error {
	select {
	case <-s.closed:
		return fmt.Errorf("%s: %w", what, errors.Join(fault.Closed, err))
	default:
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return fmt.Errorf("%s: %w", what, err)
	}
	switch pg.Code {
	case uniqueViolation:
		return fmt.Errorf("%s: %w", what, fault.New(fault.Exists, "exists", "another has the id already").Because(err))
	case serializationFailure, deadlockDetected, tooManyConnections, lockNotAvailable, queryCanceled, cannotConnectNow:
		return fmt.Errorf("%s: %w", what,
			fault.New(fault.Busy, "database_busy", "the server's own database is busy").Retry(busyRetry).Because(err))
	case readOnlyTransaction: // the server has become a standby: the one that took its place is asked by new connections
		s.pool.Reset()
	}
	return fmt.Errorf("%s: %w", what, err)
}
