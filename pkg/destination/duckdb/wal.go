package duckdb

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// logsOf are the write-ahead logs that the engine may have beside a file, that of a checkpoint in progress among them.
func logsOf(path string) []string {
	return []string{path + ".wal", path + ".wal.checkpoint", path + ".wal.recovery"}
}

// The log has a head, and then entries: 8 bytes of size, 8 of checksum, and an object of fields, of which the first is the type.
const (
	entryHead  = 16
	smallest   = 5   // the size of an entry that has nothing but its type
	longestTop = 256 // within how many bytes the first entry begins
)

var (
	objectBegins = []byte{100, 0}
	objectEnds   = []byte{0xff, 0xff}
)

// Types of entries that end what is before them.
const (
	typeCommit     = 100
	typeCheckpoint = 99
)

// cutLog takes from a log what comes after its last commit, which a crash has cut off. The engine (1.5) drops that too, but not the row
// groups of a large transaction: these would be in the table without the note that the batch was loaded, and come again. A log that is of
// another form is left as it is.
func cutLog(name string) (err error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	whole, err := lastCommit(f, info.Size())
	if err != nil || whole == info.Size() {
		return err
	}
	if err := f.Truncate(whole); err != nil {
		return fmt.Errorf("cut the log %s after its last commit: %w", name, err)
	}
	return f.Sync()
}

// lastCommit is where the last commit of a log of that size ends, or size when it is not of the form that is known here.
func lastCommit(log io.ReaderAt, size int64) (end int64, err error) {
	top := make([]byte, min(size, longestTop+entryHead+smallest))
	if _, err := log.ReadAt(top, 0); err != nil && err != io.EOF {
		return 0, err
	}
	at := firstEntry(top, size)
	if at < 0 {
		return size, nil
	}
	in := bufio.NewReaderSize(io.NewSectionReader(log, at, size-at), 1<<20)
	for end = at; at+entryHead+smallest <= size; {
		head := make([]byte, entryHead+smallest)
		if _, err := io.ReadFull(in, head); err != nil {
			return 0, err
		}
		length := int64(binary.LittleEndian.Uint64(head))
		body := head[entryHead:]
		switch {
		case length == 0:
			if zero, err := onlyZeros(io.MultiReader(bytes.NewReader(head), in)); !zero || err != nil {
				return size, err
			}
			return end, nil // a power loss has taken what was written there
		case length < smallest || !bytes.HasPrefix(body, objectBegins):
			return size, nil // what that is the engine says
		case length > size-at-entryHead:
			return end, nil
		}
		if _, err := io.CopyN(io.Discard, in, length-smallest); err != nil {
			return 0, err
		}
		if at += entryHead + length; body[2] == typeCommit || body[2] == typeCheckpoint {
			end = at
		}
	}
	return end, nil
}

func onlyZeros(r io.Reader) (bool, error) {
	for in := bufio.NewReader(r); ; {
		switch b, err := in.ReadByte(); {
		case err == io.EOF:
			return true, nil
		case err != nil || b != 0:
			return false, err
		}
	}
}

// firstEntry is where the first entry of a log begins that begins so, -1 when there is none.
func firstEntry(top []byte, size int64) int64 {
	for at := bytes.Index(top, objectEnds) + len(objectEnds); at >= len(objectEnds) && at+entryHead+smallest <= len(top); at++ {
		length := binary.LittleEndian.Uint64(top[at:])
		if bytes.HasPrefix(top[at+entryHead:], objectBegins) && length >= smallest && length < 1<<40 && int64(at) < size {
			return int64(at)
		}
	}
	return -1
}
