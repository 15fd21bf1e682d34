package app

import (
	"context"
	"io"
	"log/slog"

	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/httpapi"
)

// NewLog returns the logger that c asks for. It writes to w. Each line that belongs to a request has its id.
func NewLog(c config.Logging, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // config knows the four names only; anything else is info
	o := &slog.HandlerOptions{Level: level}
	if c.JSONFormat {
		return slog.New(requestLog{slog.NewJSONHandler(w, o)})
	}
	return slog.New(requestLog{slog.NewTextHandler(w, o)})
}

// requestLog adds the id of the context's request to each line.
type requestLog struct{ slog.Handler }

// Handle writes r.
func (l requestLog) Handle(ctx context.Context, r slog.Record) error {
	if id := httpapi.RequestID(ctx); id != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("request_id", id))
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs keeps the wrapping.
func (l requestLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestLog{l.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the wrapping.
func (l requestLog) WithGroup(name string) slog.Handler { return requestLog{l.Handler.WithGroup(name)} }
