//go:build !linux

package durable

import "os"

// Data makes f's content durable. Where there is no fdatasync it is a full sync.
func Data(f *os.File) error { return f.Sync() }
