package blobstore

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

func TestCheckKey(t *testing.T) {
	for _, tt := range []struct {
		name, key string
		ok        bool
	}{
		{"one part", "a", true},
		{"batch", "1/events/01J8Z3V0000000000000000000.ndjson", true},
		{"qualified table with a space", "1/main.my table-2/x_y", true},
		{"dots inside", "a..b/...", true},
		{"longest part", strings.Repeat("a", MaxPart), true},
		{"longest", strings.Repeat("abcdefg/", MaxKey/8-1) + "abcdefgh", true},
		{"empty", "", false},
		{"part too long", strings.Repeat("a", MaxPart+1), false},
		{"too long", strings.Repeat("a/", MaxKey/2) + "a", false},
		{"absolute", "/a", false},
		{"folder", "a/", false},
		{"empty part", "a//b", false},
		{"this folder", "./a", false},
		{"parent folder", "a/../b", false},
		{"parent at the end", "a/..", false},
		{"backslash", `a\..\b`, false},
		{"colon", "C:a", false},
		{"null byte", "a\x00", false},
		{"newline", "a\n", false},
		{"tilde", "~tmp/a", false},
		{"not ASCII", "ä", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := CheckKey(tt.key)
			if (err == nil) != tt.ok || err != nil && !errors.Is(err, fault.Invalid) {
				t.Errorf("CheckKey(%.40q): got %v, want ok %t, else fault.Invalid", tt.key, err, tt.ok)
			}
		})
	}
}

func FuzzCheckKey(f *testing.F) {
	for _, key := range []string{"a", "1/events/b.ndjson", "../a", "a/./b", "a//b", "/", "a\x00/b"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if CheckKey(key) != nil {
			return
		}
		if !filepath.IsLocal(key) || filepath.ToSlash(filepath.Clean(key)) != key {
			t.Errorf("%q passes, and is not the clean name of something below a folder", key)
		}
	})
}

func TestReaderEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := Reader(ctx, strings.NewReader("abc"))
	if got, err := r.Read(make([]byte, 1)); got != 1 || err != nil {
		t.Fatalf("got %d bytes and %v, want 1 and none", got, err)
	}
	cancel()
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context canceled", err)
	}
}
