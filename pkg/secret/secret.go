// Package secret holds values that must not be printed.
package secret

import (
	"fmt"
	"io"
	"log/slog"
)

const mask = "[secret]"

// String is text that fmt, log/slog, JSON and YAML print as "[secret]". Two places do not ask it and print the text: an
// unexported field in fmt, and a map's key in JSON.
type String string

// Reveal returns the text itself. Each call is a place to look at in a review.
func (s String) Reveal() string { return string(s) }

// String returns the mask.
func (String) String() string { return mask }

// Format writes the mask for every verb. Without it fmt would print the text with a verb that is not for strings, as %d.
func (String) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, mask) // fmt's own buffer, which takes all
}

// LogValue returns the mask, so that slog never prints the text.
func (String) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalText returns the mask, so that JSON and YAML never hold the text. An empty secret stays empty.
func (s String) MarshalText() ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	return []byte(mask), nil
}
