// Package fileserver keeps blobs as files of a server that is asked over sessions, whatever their protocol.
package fileserver

import (
	"io"
	"time"
)

// Session is a connection to a server, logged in. One call at a time uses it. The names of files and folders are whole, from the
// server's root on.
type Session interface {
	// Alive asks the server for a sign of life.
	Alive() error
	// Folder gives the whole name of a folder, which must exist: of one below the user's own when it does not begin with a
	// slash. An empty name is the user's own.
	Folder(name string) (whole string, err error)
	// Create makes a file of what r gives, as durable as the protocol has it, and gives the size that the server says it has.
	Create(name string, r io.Reader) (size int64, err error)
	// Open gives a file's content and its size. A transfer that was cut does not end with io.EOF.
	Open(name string) (body io.ReadCloser, size int64, err error)
	// Rename gives a file another name, also that of another file where the server has that in one step; else it fails.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(name string) error
	// MakeFolders makes a folder and those above it, where they are missing.
	MakeFolders(name string) error
	// RemoveFolder removes a folder that is empty.
	RemoveFolder(name string) error
	// Find tells what has the name, or gives an error that is fs.ErrNotExist.
	Find(name string) (Entry, error)
	// List tells what is in a folder.
	List(folder string) ([]Entry, error)
	// Sync makes the names in folders durable, where the protocol has that. A folder may be missing.
	Sync(folders []string) error
	// Close frees what the session holds. The line that it is on is closed by others.
	Close() error
}

// Entry is a file or a folder.
type Entry struct {
	Name   string // without the folder
	Folder bool
	Time   time.Time // of its last change, by a clock of the server's
}
