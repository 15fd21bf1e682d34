package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"testing"
	"time"
)

var kinds = []Kind{Invalid, Unauthorized, Denied, NotFound, Exists, Gone, TooLarge, Unprocessable, Limited, Busy, Unsupported,
	Closed, Canceled, Internal}

var (
	errPlain = errors.New("disk on fire")
	errCoded = New(Invalid, "bad_name", "the name %q has a space", "a b")
)

// TestOf asks everything that can be asked of an error.
func TestOf(t *testing.T) {
	for _, tt := range []struct {
		name       string
		err        error
		kind       Kind
		code, text string
	}{
		{"plain", errPlain, Internal, "internal", ""},
		{"a kind alone", NotFound, NotFound, "not_found", "not found"},
		{"attached to a text", fmt.Errorf("table events: %w", NotFound), NotFound, "not_found", "table events: not found"},
		{"attached deep", fmt.Errorf("a: %w", fmt.Errorf("b: %w", TooLarge)), TooLarge, "too_large", "a: b: too large"},
		{"joined", errors.Join(errPlain, Closed), Closed, "closed", "disk on fire\nclosed"},
		{"internal by name", fmt.Errorf("password is x: %w", Internal), Internal, "internal", ""},
		{"with a code", errCoded, Invalid, "bad_name", `the name "a b" has a space`},
		{"with a code, wrapped", fmt.Errorf("insert: %w", errCoded), Invalid, "bad_name", `the name "a b" has a space`},
		{"without a code", New(NotFound, "", "no table"), NotFound, "not_found", "no table"},
		{"with a code, internal", New(Internal, "odd", "stays inside"), Internal, "odd", ""},
		{"a cause stays inside", New(Busy, "full", "disk full").Because(errPlain), Busy, "full", "disk full"},
		{"a cause of another kind", New(Invalid, "bad", "bad").Because(fmt.Errorf("c: %w", NotFound)), Invalid, "bad", "bad"},
		{"the first of two kinds", fmt.Errorf("%w, %w", Busy, NotFound), Busy, "busy", "busy, not found"},
		{"a canceled context", fmt.Errorf("query: %w", context.Canceled), Canceled, "canceled", "canceled"},
		{"a kind before a canceled context", fmt.Errorf("%w: %w", context.Canceled, Closed), Closed, "closed", "context canceled: closed"},
		{"a deadline", fmt.Errorf("query: %w", context.DeadlineExceeded), Internal, "internal", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Of(tt.err); got != tt.kind {
				t.Errorf("kind: got %s, want %s", got, tt.kind)
			}
			if got := CodeOf(tt.err); got != tt.code {
				t.Errorf("code: got %s, want %s", got, tt.code)
			}
			if got := TextOf(tt.err); got != tt.text {
				t.Errorf("text: got %q, want %q", got, tt.text)
			}
		})
	}
}

func TestKindsAreErrors(t *testing.T) {
	for _, k := range kinds {
		wrapped := fmt.Errorf("load batch 1: %w", k)
		for _, other := range kinds {
			if got, want := errors.Is(wrapped, other), k == other; got != want {
				t.Errorf("%s is %s: got %t, want %t", k, other, got, want)
			}
		}
		if got := Of(wrapped); got != k {
			t.Errorf("%s: got %s", k, got)
		}
	}
}

// TestCodesAreSnakeCase holds it for the codes made from kinds, which are part of the HTTP contract too.
func TestCodesAreSnakeCase(t *testing.T) {
	snake := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen := make(map[string]Kind)
	for _, k := range kinds {
		code := CodeOf(k)
		if other, taken := seen[code]; taken || !snake.MatchString(code) {
			t.Errorf("%s: got the code %q (of %q too), want one of its own in snake_case", k, code, other)
		}
		seen[code] = k
	}
}

func TestRetryable(t *testing.T) {
	later := map[Kind]bool{Busy: true, Limited: true, Closed: true, Canceled: true, Internal: true}
	for _, k := range kinds {
		for _, err := range []error{k, fmt.Errorf("a: %w", k), New(k, "c", "t").Because(errPlain)} {
			if got := Retryable(err); got != later[k] {
				t.Errorf("%v of kind %s: got %t, want %t", err, k, got, later[k])
			}
		}
	}
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"no error", nil, false}, {"plain", errPlain, true}, {"canceled", context.Canceled, true}, {"deadline", context.DeadlineExceeded, true},
		{"torn stream", fmt.Errorf("read: %w", io.ErrUnexpectedEOF), true},
	} {
		if got := Retryable(tt.err); got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.name, got, tt.want)
		}
	}
}

func TestError(t *testing.T) {
	err := New(Invalid, "c", "row %d", 7)
	if got, want := err.Error(), "row 7"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	err = err.Because(errPlain)
	if got, want := err.Error(), "row 7: disk on fire"; got != want {
		t.Errorf("with a cause: got %q, want %q", got, want)
	}
	for _, is := range []error{Invalid, errPlain, err} {
		if !errors.Is(fmt.Errorf("insert: %w", err), is) {
			t.Errorf("it is not %v", is)
		}
	}
	if errors.Is(err, NotFound) {
		t.Error("it is NotFound, want Invalid only")
	}
	var e *Error
	if !errors.As(fmt.Errorf("insert: %w", err), &e) || e.Code != "c" {
		t.Errorf("got %+v, want the error itself", e)
	}
}

// TestTextIsNoFormat has a text that looks like one, given as an argument.
func TestTextIsNoFormat(t *testing.T) {
	if got, want := New(Invalid, "c", "%s", "100%d").Text, "100%d"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHintOf(t *testing.T) {
	hinted := New(Invalid, "c", "t").Suggest("try the other door")
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"none", nil, ""}, {"plain", errPlain, ""}, {"kind", Busy, ""}, {"not said", errCoded, ""},
		{"said", hinted, "try the other door"}, {"wrapped", fmt.Errorf("a: %w", hinted), "try the other door"},
		{"internal", New(Internal, "c", "t").Suggest("stays inside"), ""},
	} {
		if got := HintOf(tt.err); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := hinted.Error(); got != "t" {
		t.Errorf("got %q, want the text without the hint", got)
	}
}

func TestAfterOf(t *testing.T) {
	limited := New(Limited, "quota", "used up").Retry(3 * time.Second)
	for _, tt := range []struct {
		name string
		err  error
		want time.Duration
	}{
		{"none", nil, 0}, {"plain", errPlain, 0}, {"kind", Busy, 0}, {"not said", New(Busy, "c", "t"), 0},
		{"said", limited, 3 * time.Second}, {"wrapped", fmt.Errorf("a: %w", limited), 3 * time.Second},
		{"with a cause", New(Busy, "c", "t").Because(errPlain).Retry(time.Minute), time.Minute},
	} {
		if got := AfterOf(tt.err); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
