// Package memory keeps blobs in memory, for tests.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// Config is the settings of a blob store in memory: none.
type Config struct{}

// DefaultConfig returns the settings.
func DefaultConfig() Config { return Config{} }

// Validate finds nothing wrong.
func (Config) Validate() error { return nil }

type store struct {
	mu     sync.RWMutex
	blobs  map[string][]byte // guarded by mu; a blob's bytes never change
	closed bool              // guarded by mu
}

// Open returns an empty store. Its blobs are lost when it is closed.
func Open(context.Context, Config, *slog.Logger) (blobstore.Store, error) {
	return &store{blobs: make(map[string][]byte)}, nil
}

// Put implements blobstore.Store.
func (s *store) Put(ctx context.Context, key string, r io.Reader) error {
	if err := blobstore.CheckKey(key); err != nil {
		return err
	}
	blob, err := io.ReadAll(blobstore.Reader(ctx, r))
	if err != nil {
		return fmt.Errorf("put blob %s: %w", key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("put blob %s: %w", key, fault.Closed)
	}
	s.blobs[key] = blob
	return nil
}

// Get implements blobstore.Store.
func (s *store) Get(_ context.Context, key string) (io.ReadCloser, error) {
	if err := blobstore.CheckKey(key); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, fmt.Errorf("get blob %s: %w", key, fault.Closed)
	}
	blob, ok := s.blobs[key]
	if !ok {
		return nil, fault.New(fault.NotFound, "unknown_blob", "no blob has the key %q", key)
	}
	return io.NopCloser(bytes.NewReader(blob)), nil
}

// Delete implements blobstore.Store.
func (s *store) Delete(_ context.Context, key string) error {
	if err := blobstore.CheckKey(key); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("delete blob %s: %w", key, fault.Closed)
	}
	delete(s.blobs, key)
	return nil
}

// Close implements blobstore.Store.
func (s *store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs, s.closed = nil, true
	return nil
}
