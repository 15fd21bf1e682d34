package duckdb

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// engineError is what the engine said. Its interface gives most errors as text alone, which begins with their class.
type engineError struct {
	class string // "Parser", "Binder", "FATAL", …
	text  string // all of it, without stack traces
}

func (e *engineError) Error() string { return e.text }

func newEngineError(text string) *engineError {
	for _, tail := range [...]string{"\n\nStack Trace:", "\nStack Trace:", "\n\nPossible solutions:"} {
		text, _, _ = strings.Cut(text, tail)
	}
	text = strings.TrimSpace(text)
	class, _, found := strings.Cut(text, " Error:") // a message may be empty
	if !found || strings.Contains(class, "\n") {
		class = ""
	}
	return &engineError{class: class, text: text}
}

// typedError is newEngineError for the parts of the interface that give the class beside the text, which lacks it.
func typedError(t mapping.ErrorType, text string) *engineError {
	e := newEngineError(text)
	if class, ok := classOfType[t]; ok {
		e.class = class
	}
	return e
}

var classOfType = map[mapping.ErrorType]string{
	mapping.ErrorTypeCatalog: classCatalog, mapping.ErrorTypeConstraint: classConstraint, mapping.ErrorTypeConversion: classConversion,
	mapping.ErrorTypeDependency: classDependency, mapping.ErrorTypeErrorIO: classBusyFile, mapping.ErrorTypeFatal: classFatal,
	mapping.ErrorTypeInternal: classInternal, mapping.ErrorTypeInterrupt: classInterrupt, mapping.ErrorTypeOutOfMemory: classMemory,
	mapping.ErrorTypePermission: classPermission, mapping.ErrorTypeTransaction: classTransaction,
}

// The classes that code decides by.
const (
	classBusyFile    = "IO"
	classCatalog     = "Catalog"
	classConstraint  = "Constraint"
	classConversion  = "Conversion"
	classDependency  = "Dependency"
	classFatal       = "FATAL"
	classInternal    = "INTERNAL"
	classInterrupt   = "INTERRUPT"
	classMemory      = "Out of Memory"
	classPermission  = "Permission"
	classTransaction = "TransactionContext"
)

// busyAfter is when a call that met a full disk or full memory may try again.
const busyAfter = 10 * time.Second

// classOf returns err's class, "" when the engine did not make it.
func classOf(err error) string {
	var e *engineError
	if errors.As(err, &e) {
		return e.class
	}
	return ""
}

// invalidates reports whether the engine refuses all work after err, until the file is opened again.
func invalidates(err error) bool {
	c := classOf(err)
	return c == classFatal || c == classInternal
}

// queryFault says what kind of failure err is for the one who wrote the query.
func queryFault(ctx context.Context, err error) error {
	var e *engineError
	if !errors.As(err, &e) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch e.class {
	case classPermission:
		return fault.New(fault.Denied, "external_access", "queries cannot reach files or the network: %s", e.text)
	case classTransaction:
		return fault.New(fault.Denied, "read_only", "queries cannot change anything: %s", e.text)
	case classMemory:
		return fault.New(fault.Unprocessable, "out_of_memory", "the query needs more memory than it may use: %s", e.text)
	case classBusyFile:
		return fault.New(fault.Busy, "destination_io", "the database cannot use its disk now").Because(e).Retry(busyAfter)
	case classFatal, classInternal, classInterrupt, "":
		return e // internal: the text stays inside
	default:
		return fault.New(fault.Invalid, "bad_sql", "%s", e.text)
	}
}

// storeFault says what kind of failure err is for the one whose rows are stored.
func storeFault(ctx context.Context, err error) error {
	var e *engineError
	if !errors.As(err, &e) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch e.class {
	case classConstraint, classConversion:
		return fault.New(fault.Unprocessable, "refused_by_table", "the table refuses a row: %s", e.text)
	case classDependency:
		return fault.New(fault.Unprocessable, "refused_by_table", "the table cannot be changed: %s", e.text)
	case classMemory, classBusyFile, classTransaction:
		return fault.New(fault.Busy, "destination_busy", "the database cannot take rows now").Because(e).Retry(busyAfter)
	default:
		return e
	}
}
