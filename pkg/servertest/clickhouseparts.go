package servertest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/go-faster/city"
)

// partsProtocol is the version of the exchange of parts that is spoken here: with sizes, times to live, the part's kind, an id and
// projections.
const partsProtocol = 8

// parts gives other replicas the parts of a node's replicated tables, as a server's interserver port does, which the library does
// not have. It asks the engine where a part is, and sends its files; all else of replication is the engine's.
type parts struct{ of ClickHouseServer }

func (p parts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	replica, ok := strings.CutPrefix(query.Get("endpoint"), "DataPartsExchange:")
	version, err := strconv.Atoi(query.Get("client_protocol_version"))
	if !ok || err != nil || version < partsProtocol {
		http.Error(w, "only parts are given here, by a newer protocol", http.StatusNotImplemented)
		return
	}
	at, err := p.of.ask(r.Context(), "SELECT path, part_type FROM system.parts WHERE name = "+quoted(query.Get("part"))+" AND (database, table) IN "+
		"(SELECT database, table FROM system.replicas WHERE replica_path = "+quoted(replica)+") FORMAT TSVRaw")
	dir, kind, found := strings.Cut(strings.TrimSuffix(at, "\n"), "\t")
	if err != nil || !found {
		http.Error(w, fmt.Sprintf("no part %s of %s is here: %v", query.Get("part"), replica, err), http.StatusInternalServerError)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: "server_protocol_version", Value: strconv.Itoa(partsProtocol)})
	if sendPart(w, dir, kind) != nil {
		panic(http.ErrAbortHandler) // the other replica must not take a piece for the whole
	}
}

func quoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

// sendPart sends the part in dir.
func sendPart(w io.Writer, dir, kind string) error {
	files, size, err := openPart(dir)
	defer func() {
		for _, f := range files {
			_ = f.Close() // it was only read
		}
	}()
	if err != nil {
		return err
	}
	lives, err := os.ReadFile(filepath.Join(dir, "ttl.txt"))
	if errors.Is(err, os.ErrNotExist) {
		lives, err = []byte("ttl format version: 1\n{}"), nil
	}
	if err != nil {
		return err
	}
	head := binary.LittleEndian.AppendUint64(nil, size)
	head = putText(head, string(lives))
	head = putText(head, kind)
	head = append(head, "00000000-0000-0000-0000-000000000000"...) // the part's id, which is not used
	head = binary.LittleEndian.AppendUint64(head, 0)               // projections
	head = binary.LittleEndian.AppendUint64(head, uint64(len(files)))
	if _, err := w.Write(head); err != nil {
		return err
	}
	for _, f := range files {
		if err := sendFile(w, f); err != nil {
			return err
		}
	}
	return nil
}

// openPart opens the files of a part, which stay then when the engine removes it, and gives their size.
func openPart(dir string) (files []*os.File, size uint64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, 0, err
	}
	for _, e := range entries {
		if e.IsDir() {
			return files, 0, fmt.Errorf("%s has a projection, which is not sent here", dir)
		}
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			return files, 0, err
		}
		files = append(files, f)
		info, err := f.Stat()
		if err != nil {
			return files, 0, err
		}
		size += uint64(info.Size())
	}
	return files, size, nil
}

func putText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

// sendFile sends a file with its name, size and checksum.
func sendFile(w io.Writer, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint64(putText(nil, filepath.Base(f.Name())), uint64(info.Size()))); err != nil {
		return err
	}
	in, block := bufio.NewReaderSize(f, 1<<20), make([]byte, 2048) // each of which the checksum of the file goes on with
	var sum city.U128
	for left := info.Size(); left > 0; left -= int64(len(block)) {
		block = block[:min(int64(len(block)), left)]
		if _, err := io.ReadFull(in, block); err != nil {
			return err
		}
		sum = city.CH128Seed(block, sum)
		if _, err := w.Write(block); err != nil {
			return err
		}
	}
	_, err = w.Write(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, sum.Low), sum.High))
	return err
}
