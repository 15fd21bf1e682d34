// Package fault says what kind of failure an error is, so that callers decide by kind and never by text.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind is a class of failure. It is itself an error, so it is attached with %w and asked for with errors.Is.
//
// An error of any kind but Internal may be shown to the caller: give a kind only when its text is fit for that.
type Kind string

// The kinds. Delivery maps each to one HTTP status.
const (
	Invalid       Kind = "invalid"       // the request is malformed; the text says what and where
	Unauthorized  Kind = "unauthorized"  // no key, or one that is not known
	Denied        Kind = "denied"        // a known key that may not do this
	NotFound      Kind = "not found"     // the thing asked for does not exist
	Exists        Kind = "exists"        // the thing to be made is there already
	Gone          Kind = "gone"          // it existed and has ended
	TooLarge      Kind = "too large"     // a cap on bytes was passed
	Unprocessable Kind = "unprocessable" // well-formed, but past a cap or against an earlier request
	Limited       Kind = "limited"       // the caller's own quota is used up; later may work
	Busy          Kind = "busy"          // the server cannot take it now; the same call later may work
	Unsupported   Kind = "unsupported"   // an encoding, format or feature that is not spoken here
	Closed        Kind = "closed"        // the part is stopping or stopped
	Canceled      Kind = "canceled"      // the caller went away
	Internal      Kind = "internal"      // everything else; the text stays inside
)

// Error makes a Kind an error.
func (k Kind) Error() string { return string(k) }

// Error is a failure with a stable code and a text for the caller.
type Error struct {
	Kind  Kind
	Code  string        // stable, snake_case: part of the HTTP contract
	Text  string        // says what and where
	Hint  string        // what may help, beside the text; empty when nobody knows
	After time.Duration // when trying again makes sense; 0 when nobody knows
	Cause error         // kept for logs, never shown
}

// New makes an Error. Its text is shown to the caller.
func New(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Text: fmt.Sprintf(format, args...)}
}

// Because attaches the cause, which is for logs only, and returns e.
func (e *Error) Because(cause error) *Error {
	e.Cause = cause
	return e
}

// Suggest attaches what may help the caller and returns e.
func (e *Error) Suggest(hint string) *Error {
	e.Hint = hint
	return e
}

// Retry says after how long the same call may succeed, and returns e.
func (e *Error) Retry(after time.Duration) *Error {
	e.After = after
	return e
}

// Error gives the text, then the cause.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Text + ": " + e.Cause.Error()
	}
	return e.Text
}

// Unwrap lets errors.Is find both the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause != nil {
		return []error{e.Kind, e.Cause}
	}
	return []error{e.Kind}
}

// Of returns err's kind: that of the first Kind in its tree, Canceled for an ended context, else Internal.
func Of(err error) Kind {
	var k Kind
	if errors.As(err, &k) {
		return k
	}
	if errors.Is(err, context.Canceled) {
		return Canceled
	}
	return Internal
}

// CodeOf returns err's stable code: its own, or one made from its kind.
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Code != "" {
		return e.Code
	}
	switch k := Of(err); k {
	case NotFound:
		return "not_found"
	case TooLarge:
		return "too_large"
	default:
		return string(k)
	}
}

// TextOf returns what the caller may read of err; it is empty when the kind is Internal.
func TextOf(err error) string {
	var e *Error
	var k Kind
	switch {
	case Of(err) == Internal:
		return ""
	case errors.As(err, &e):
		return e.Text
	case errors.As(err, &k):
		return err.Error()
	default: // an ended context, wrapped in words that were not meant for the caller
		return string(Canceled)
	}
}

// HintOf returns what may help the caller, empty when err does not say or its kind is Internal.
func HintOf(err error) string {
	var e *Error
	if Of(err) != Internal && errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

// AfterOf returns when the same call may succeed, 0 when err does not say.
func AfterOf(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.After
	}
	return 0
}

// Retryable reports whether the same call may succeed later: a mistake of the caller's never does.
func Retryable(err error) bool {
	switch Of(err) {
	case Busy, Limited, Closed, Canceled, Internal:
		return err != nil
	default:
		return false
	}
}
