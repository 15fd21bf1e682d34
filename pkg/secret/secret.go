// Package secret holds values that must not be printed.
package secret

import "log/slog"

const mask = "[secret]"

// String is text that fmt, log/slog, JSON and YAML print as "[secret]".
type String string

// Reveal returns the text itself. Each call is a place to look at in a review.
func (s String) Reveal() string { return string(s) }

// String returns the mask, so that fmt never prints the text.
func (String) String() string { return mask }

// GoString returns the mask for %#v.
func (String) GoString() string { return mask }

// LogValue returns the mask, so that slog never prints the text.
func (String) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalText returns the mask, so that JSON and YAML never hold the text. An empty secret stays empty.
func (s String) MarshalText() ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	return []byte(mask), nil
}
