package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

// bodySize is how large the bodies of the bulk figures are.
const bodySize = 8 << 20

// writeEvents writes n events to a file and gives its path and size.
func (b *bench) writeEvents(n int) (path string, size int64, err error) {
	return b.write("events", n, rig.AppendEvent)
}

// write writes n lines of appendLine to a file and gives its path and size.
func (b *bench) write(name string, n int, appendLine func(b []byte, i int) []byte) (path string, size int64, err error) {
	path = filepath.Join(b.cfg.Dir, fmt.Sprintf("%s-%d.ndjson", name, n))
	f, err := os.Create(path)
	if err != nil {
		return "", 0, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	var line []byte
	for i := range n {
		line = appendLine(line[:0], i)
		size += int64(len(line))
		if _, err := w.Write(line); err != nil {
			return "", 0, err
		}
	}
	if err := w.Flush(); err != nil {
		return "", 0, err
	}
	return path, size, f.Close()
}

// bodies reads the file in pieces of whole lines, about size bytes each, and gives each to a call of each.
func bodies(path string, size int, each func(body []byte) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	rest := []byte(nil)
	for {
		buf := make([]byte, size)
		n := copy(buf, rest)
		m, err := f.Read(buf[n:])
		for err == nil && n+m < size {
			var k int
			k, err = f.Read(buf[n+m:])
			m += k
		}
		buf = buf[:n+m]
		if err != nil { // the end of the file
			if len(buf) == 0 {
				return nil
			}
			return each(buf)
		}
		cut := bytes.LastIndexByte(buf, '\n') + 1
		rest = bytes.Clone(buf[cut:])
		if err := each(buf[:cut]); err != nil {
			return err
		}
	}
}
