// Package idlist writes row ids as bytes, for databases that have no lists of bytes or cannot take many at once.
package idlist

import (
	"encoding/binary"
	"errors"
)

// Pack writes how many ids there are, and each with its length before it: a caller's own may have any bytes. Nil, as of
// ids that were not asked for, stays nil, which is SQL's null.
func Pack(ids []string) []byte {
	if ids == nil {
		return nil
	}
	size := binary.MaxVarintLen64
	for _, id := range ids {
		size += len(id) + 1
	}
	b := binary.AppendUvarint(make([]byte, 0, size), uint64(len(ids)))
	for _, id := range ids {
		b = binary.AppendUvarint(b, uint64(len(id)))
		b = append(b, id...)
	}
	return b
}

var errBroken = errors.New("the row ids are not as they were written")

// Unpack reads what Pack wrote.
func Unpack(b []byte) ([]string, error) {
	if b == nil {
		return nil, nil
	}
	count, width := binary.Uvarint(b)
	if width <= 0 || count > uint64(len(b)-width) { // an id has at least its length
		return nil, errBroken
	}
	b = b[width:]
	ids := make([]string, 0, count)
	for range count {
		n, width := binary.Uvarint(b)
		if width <= 0 || n > uint64(len(b)-width) {
			return nil, errBroken
		}
		b = b[width:]
		ids = append(ids, string(b[:n]))
		b = b[n:]
	}
	if len(b) > 0 {
		return nil, errBroken
	}
	return ids, nil
}
