package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// serverError is what the server said.
type serverError struct {
	code int
	text string
}

func (e *serverError) Error() string {
	return fmt.Sprintf("ClickHouse says (code %d): %s", e.code, e.text)
}

// newServerError takes what is said of the server's inside, and not of the mistake, out of its text.
func newServerError(code int, text string) *serverError {
	text = strings.TrimPrefix(text, "DB::Exception: ")
	if at := strings.Index(text, " Stack trace:"); at > 0 {
		text = text[:at]
	}
	return &serverError{code, strings.TrimSpace(text)}
}

// The server's codes that code decides by: https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
const (
	codeArguments       = 42 // how many there are
	codeUnknownFunction = 46
	codeLogical         = 49
	codeUnknownTable    = 60
	codeSyntax          = 62
	codeUnknownDatabase = 81
	codeTimeout         = 159
	codeReadOnly        = 164
	codeTooManyQueries  = 202
	codeSocketTimeout   = 209
	codeNetwork         = 210
	codeNoZooKeeper     = 225
	codeMemory          = 241
	codeTableReadOnly   = 242
	codeNoSpace         = 243
	codeTooManyParts    = 252
	codeAllTriesFailed  = 279
	codeTooFewReplicas  = 285
	codeUnknownInsert   = 319
	codeProhibited      = 392
	codeCanceled        = 394
	codeOutfile         = 358
	codeConstraint      = 469
	codeAccessDenied    = 497
	codeOtherAlter      = 517 // of the same table, by another host
	codeAuthentication  = 516
	codeDatabaseDenied  = 291
	codeTooManyRows     = 158
	codeTooManyBytes    = 307
	codeTooManyInResult = 396
	codeTooSlow         = 160
	codeQuota           = 201
	codeKeeper          = 999
	codePoco            = 1000
	codeStd             = 1001
	codeUnknown         = 1002
	codeNotImplemented  = 48
)

// busyAfter is when a call may try again that met a server without room for it.
const busyAfter = 5 * time.Second

// codeOf returns the server's code in err, 0 when the server did not make it.
func codeOf(err error) int {
	var e *serverError
	if errors.As(err, &e) {
		return e.code
	}
	return 0
}

// lostError is that a request over HTTP has found no answer.
type lostError struct{ cause error }

func (e *lostError) Error() string { return e.cause.Error() }
func (e *lostError) Unwrap() error { return e.cause }

// lostConnection reports whether err is of the way to the server, so that another try, or another host, may succeed.
func lostConnection(err error) bool {
	var n net.Error
	var op *net.OpError
	var lost *lostError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &op) || errors.As(err, &n) || errors.As(err, &lost)
}

// cannotWork reports whether err is of a server that was reached, and that lacks what the others may have: its keeper.
func cannotWork(err error) bool {
	switch codeOf(err) {
	case codeNoZooKeeper, codeTableReadOnly, codeKeeper:
		return true
	}
	return false
}

// ended gives why ctx ended in place of err, which came of it.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// busy is what is said of a server that cannot work now, whatever is asked of it; nil when err is not that.
func busy(e *serverError) error {
	switch e.code {
	case codeTooManyQueries, codeSocketTimeout, codeNetwork, codeNoZooKeeper, codeTableReadOnly, codeNoSpace, codeTooManyParts,
		codeAllTriesFailed, codeTooFewReplicas, codeUnknownInsert, codeKeeper, codeQuota, codeOtherAlter:
		return fault.New(fault.Busy, "destination_busy", "the database cannot do this now").Because(e).Retry(busyAfter)
	}
	return nil
}

// queryFault says what kind of failure err is for the one who wrote the query.
func queryFault(ctx context.Context, err error) error {
	var e *serverError
	if ctx.Err() != nil || !errors.As(err, &e) {
		return ended(ctx, err)
	}
	if err := busy(e); err != nil {
		return err
	}
	switch e.code {
	case codeReadOnly, codeOutfile:
		return fault.New(fault.Denied, "read_only", "queries cannot change anything, nor settings: %s", e.text)
	case codeAccessDenied, codeDatabaseDenied, codeProhibited:
		return fault.New(fault.Denied, "access_denied", "the database does not allow this: %s", e.text)
	case codeMemory:
		return fault.New(fault.Unprocessable, "out_of_memory", "the query needs more memory than it may use: %s", e.text)
	case codeTimeout, codeTooSlow, codeTooManyRows, codeTooManyBytes, codeTooManyInResult:
		return fault.New(fault.Unprocessable, "query_limit", "the query passes a limit of the database: %s", e.text)
	case codeLogical, codePoco, codeStd, codeUnknown, codeCanceled, codeAuthentication:
		return e // internal: the text stays inside
	default:
		return fault.New(fault.Invalid, "bad_sql", "%s", e.text)
	}
}

// storeFault says what kind of failure err is for the one whose rows are stored.
func storeFault(ctx context.Context, err error) error {
	var e *serverError
	if ctx.Err() != nil || !errors.As(err, &e) {
		return ended(ctx, err)
	}
	if err := busy(e); err != nil {
		return err
	}
	switch e.code {
	case codeConstraint:
		return fault.New(fault.Unprocessable, "refused_by_table", "the table refuses a row: %s", e.text)
	case codeMemory:
		return fault.New(fault.Busy, "destination_busy", "the database has no memory for this now").Because(e).Retry(busyAfter)
	case codeAccessDenied, codeDatabaseDenied, codeReadOnly:
		return fault.New(fault.Denied, "access_denied", "the database does not allow this: %s", e.text)
	case codeNotImplemented:
		return fault.New(fault.Unsupported, "not_supported", "the table's engine cannot do this: %s", e.text)
	}
	return e
}
