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

// FilePutter is a Store on the same machine that takes a file in without copying it.
type FilePutter interface {
	Store
	// PutFile links the synced file name under key, with Put's promises: the old name stays until the caller removes
	// it, so a crash before the message about the blob is sent loses nothing. The file must never be written again.
	// Calling it again with the same file and key, as after a crash, leaves the blob as it is. Deleting the blob leaves
	// the old name.
	PutFile(ctx context.Context, key, name string) error
}
