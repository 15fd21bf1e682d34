package postgres

import (
	"errors"
	"fmt"
	"time"

	"github.com/scratchdata/scratchdata/pkg/schema"
)

// text is a string that may have any bytes: it goes into a bytea and comes back as it was.
type text string

// BytesValue implements pgtype.BytesValuer.
func (t text) BytesValue() ([]byte, error) { return []byte(t), nil }

var errNull = errors.New("a text is null")

// ScanBytes implements pgtype.BytesScanner.
func (t *text) ScanBytes(b []byte) error {
	if b == nil {
		return errNull
	}
	*t = text(b)
	return nil
}

// table reads a table's name into a Table. It is empty for no table, as of a message that could not be read.
type table struct{ to *schema.Table }

// ScanBytes implements pgtype.BytesScanner.
func (v table) ScanBytes(b []byte) (err error) {
	*v.to = schema.Table{}
	if len(b) > 0 {
		*v.to, err = schema.ParseTable(string(b))
	}
	return err
}

// orNull is null for the zero time.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// orZero is the zero time for null.
func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// parseKind reads a kind's name. Kinds are kept by name, as their numbers may change with the program.
func parseKind(name string) (schema.Kind, error) {
	for k := schema.Null; k <= schema.Foreign; k++ {
		if k.String() == name {
			return k, nil
		}
	}
	return 0, fmt.Errorf("%.40q is not a kind", name)
}
