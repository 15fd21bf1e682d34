package ndjson

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// printed gives a value as text, NULL for none.
func printed(v *vector.Vector, row int) string {
	if v.IsNull(row) {
		return "NULL"
	}
	switch v.Type.Kind {
	case vector.Bool:
		return strconv.FormatBool(v.Bools[row])
	case vector.Uint:
		return strconv.FormatUint(v.Uints[row], 10)
	case vector.Int:
		return strconv.FormatInt(v.Ints[row], 10)
	case vector.Float:
		return strconv.FormatFloat(v.Floats[row], 'g', -1, v.Type.Bits)
	case vector.Timestamp:
		return time.UnixMicro(v.Ints[row]).UTC().Format(time.RFC3339Nano)
	case vector.Date:
		return time.Unix(v.Ints[row]*86400, 0).UTC().Format(time.DateOnly)
	}
	return strings.Clone(v.Texts[row]) // the batch is used again
}

// table gives b's rows, each with its values joined by a bar.
func table(b *Batch) []string {
	rows := make([]string, b.Rows)
	for i := range rows {
		var cells []string
		for _, v := range b.Cols {
			cells = append(cells, printed(v, i))
		}
		rows[i] = strings.Join(cells, "|")
	}
	return rows
}

// readAll reads all rows in batches of at most limit.
func readAll(d *Decoder, limit int) ([]string, error) {
	var b Batch
	var rows []string
	for {
		err := d.Next(&b, limit)
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		if b.Rows < 1 || b.Rows > limit {
			return rows, fmt.Errorf("a batch has %d rows, want 1 to %d", b.Rows, limit)
		}
		rows = append(rows, table(&b)...)
	}
}

// columns makes columns of "name kind" each.
func columns(t testing.TB, list ...string) []schema.Column {
	t.Helper()
	var cols []schema.Column
	for _, s := range list {
		name, kind, _ := strings.Cut(s, " ")
		k := schema.Null
		for k.String() != kind {
			k++
		}
		cols = append(cols, schema.Column{Name: name, Kind: k})
	}
	return cols
}

func wantRows(t *testing.T, got, want []string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got rows\n%s\nwant\n%s", g, w)
	}
}
