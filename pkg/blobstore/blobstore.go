// Package blobstore is the port to the places where batches wait between the node that took them and the worker that
// loads them.
package blobstore

import (
	"context"
	"io"
)

// Store keeps immutable blobs under slash-separated keys made of letters, digits, '_', '-', '.', space and '/'. Safe for
// concurrent use.
type Store interface {
	// Put stores r's bytes under key, replacing what was there. The blob appears whole or not at all, and is durable
	// when Put returns; a reader that fails leaves nothing new.
	Put(ctx context.Context, key string, r io.Reader) error
	// Get opens the blob under key, or fault.NotFound. The caller closes it.
	Get(ctx context.Context, key string) (io.ReadCloser, error)
	// Delete removes the blob under key. Deleting an absent blob is not an error, so a retry after a crash succeeds.
	Delete(ctx context.Context, key string) error
	// Close frees what the store holds. Blobs stay, but for a store in memory.
	Close() error
}

// FilePutter is a Store on the same machine that takes a file over without copying it.
type FilePutter interface {
	Store
	// PutFile moves the synced file name to key with Put's promises. When it returns nil the file is gone from its old
	// place; when it returns an error the file is still there.
	PutFile(ctx context.Context, key, name string) error
}
