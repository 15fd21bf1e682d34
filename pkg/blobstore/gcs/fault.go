package gcs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/oauth2"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// busyFor is when to come again if the store does not say.
const busyFor = 5 * time.Second

// refusal is an answer that is not a good one.
type refusal struct {
	status int
	reason string // the store's own word for it
	text   string
	after  time.Duration // 0: it does not say
}

// Error implements error.
func (r *refusal) Error() string {
	text := fmt.Sprintf("the store answers %d", r.status)
	if r.reason != "" {
		text += " " + r.reason
	}
	if r.text != "" {
		text += ": " + r.text
	}
	return text
}

// refused reads why, and closes the answer.
func refused(answer *http.Response) error {
	r := &refusal{status: answer.StatusCode}
	if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && seconds > 0 {
		r.after = time.Duration(seconds) * time.Second
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return errors.Join(r, err)
	}
	var said struct {
		Error struct {
			Message string
			Errors  []struct{ Reason string }
		}
	}
	if json.Unmarshal(body, &said) == nil { // something on the way may answer in other words
		r.text = said.Error.Message
		if len(said.Error.Errors) > 0 {
			r.reason = said.Error.Errors[0].Reason
		}
	}
	return r
}

// statusOf gives the status of the answer that err is, 0 when it is none.
func statusOf(err error) int {
	var r *refusal
	if errors.As(err, &r) {
		return r.status
	}
	return 0
}

// busy reports whether the store has too much to do, and when to come again.
func busy(err error) (after time.Duration, yes bool) {
	var r *refusal
	if !errors.As(err, &r) {
		return 0, false
	}
	if after = r.after; after == 0 {
		after = busyFor
	}
	switch r.status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return after, true
	case http.StatusForbidden:
		return after, r.reason == "rateLimitExceeded" || r.reason == "userRateLimitExceeded"
	}
	return 0, false
}

// failed says what was tried, on which key, and the kind of failure. It returns nil when err is. Refused credentials and a
// bucket that is gone are internal: they can be mended, and then the same call works.
func (s *store) failed(verb, key string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, errNoObject) {
		return fault.New(fault.NotFound, "unknown_blob", "no blob has the key %q", key)
	}
	wrapped := fmt.Errorf("%s blob %s: %w", verb, key, err)
	if after, yes := busy(err); yes {
		return fault.New(fault.Busy, "blob_store_busy", "the blob store asks to come again later").Because(wrapped).Retry(after)
	}
	return wrapped
}

// explain says why the bucket cannot be used, in the words of the settings.
func explain(err error) error {
	var token *oauth2.RetrieveError
	if errors.As(err, &token) && token.Response != nil && token.Response.StatusCode < http.StatusInternalServerError {
		return fmt.Errorf("the credentials are refused: %w", err)
	}
	if _, yes := busy(err); yes {
		return err
	}
	switch statusOf(err) {
	case http.StatusNotFound:
		return fmt.Errorf("the bucket does not exist: %w", err)
	case http.StatusUnauthorized:
		return fmt.Errorf("the credentials are refused: %w", err)
	case http.StatusForbidden:
		return fmt.Errorf("the credentials may not list the bucket (storage.objects.list): %w", err)
	default:
		return err
	}
}
