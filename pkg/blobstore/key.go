package blobstore

import (
	"context"
	"io"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// The longest key and the longest part of one, in bytes: what file systems and object stores take.
const (
	MaxKey  = 1024
	MaxPart = 255
)

// CheckKey says, as fault.Invalid, why key is not one. Every driver asks it first, so that a key which one store takes
// no other refuses, and none leaves the store's folder.
func CheckKey(key string) error {
	if key == "" || len(key) > MaxKey {
		return badKey(key, "it must have 1 to %d bytes, has %d", MaxKey, len(key))
	}
	for i, c := range []byte(key) {
		if !keyByte(c) {
			return badKey(key, "%q at byte %d is not allowed", c, i)
		}
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part == "." || part == ".." {
			return badKey(key, "a part must not be %q", part)
		}
		if len(part) > MaxPart {
			return badKey(key, "a part has %d bytes, may have %d", len(part), MaxPart)
		}
	}
	return nil
}

func badKey(key, format string, args ...any) error {
	return fault.New(fault.Invalid, "bad_blob_key", "blob key %.140q: "+format, append([]any{key}, args...)...)
}

func keyByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '_' || c == '-' || c == '.' || c == ' ' || c == '/'
}

// Reader gives r until ctx ends, so that a Put that copies from it stops then.
func Reader(ctx context.Context, r io.Reader) io.Reader { return &reader{ctx, r} }

type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
