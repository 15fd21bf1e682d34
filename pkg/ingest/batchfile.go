package ingest

import (
	"errors"
	"io/fs"
	"os"

	"github.com/scratchdata/scratchdata/pkg/durable"
)

// file is what a batch needs of its file. Tests let it fail.
type file interface {
	Write(b []byte) (int, error) // after what was written before
	Sync() error
	Truncate(size int64) error
	Close() error
}

// opener opens the batch file path, whose first length bytes are rows, and makes it when it is not there.
type opener func(path string, length int64) (file, error)

// Zeros are written ahead of the rows once a file has had fillAfter writes, of fillBelow bytes or less on average: as much
// as the next fillFor writes are likely to need. Over blocks that are there already, a sync takes about two thirds of
// the time: the file's length and its map of blocks need not be written too. Files of which less is known, and those
// with large writes, where a sync has enough else to do, stay as they are.
const (
	fillAfter = 4
	fillBelow = 16 << 10
	fillFor   = 64
)

// zeros is what is written ahead, at most.
var zeros [1 << 20]byte

// batchFile is a batch file on disk.
type batchFile struct {
	f      *os.File
	end    int64 // of the rows
	ahead  int64 // up to here there are zeros, or none when it is not more than end
	filled bool  // the file may be longer than end
	writes int64
	bytes  int64 // of the writes
}

// openBatchFile is the opener of files on disk.
func openBatchFile(path string, length int64) (file, error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = durable.Create(path)
	}
	if err != nil {
		return nil, err
	}
	return &batchFile{f: f, end: length}, nil
}

func (f *batchFile) Write(b []byte) (int, error) {
	n, err := f.f.WriteAt(b, f.end)
	f.end += int64(n)
	f.writes++
	f.bytes += int64(n)
	if err == nil {
		f.fill()
	}
	return n, err
}

// fill writes zeros ahead when it pays and they are used up. It only saves time: where it fails, as on a full disk, the
// rows are no less safe.
func (f *batchFile) fill() {
	if f.end < f.ahead || f.writes < fillAfter || f.bytes > f.writes*fillBelow {
		return
	}
	f.filled = true
	n, err := f.f.WriteAt(zeros[:min(f.bytes/f.writes*fillFor, int64(len(zeros)))], f.end)
	if err == nil {
		f.ahead = f.end + int64(n)
	}
}

// Sync makes the content durable; the name was made durable when the file was created.
func (f *batchFile) Sync() error { return durable.Data(f.f) }

// Truncate cuts the file, the zeros too.
func (f *batchFile) Truncate(size int64) error {
	f.end, f.ahead = size, size
	return f.f.Truncate(size)
}

// Close cuts what was written ahead, durably, and closes the file.
func (f *batchFile) Close() (err error) {
	if f.filled {
		if err = f.f.Truncate(f.end); err == nil {
			err = durable.Data(f.f)
		}
	}
	return errors.Join(err, f.f.Close())
}
