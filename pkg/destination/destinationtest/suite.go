package destinationtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/vector"
)

// suite is one open destination and what the checks ask of it.
type suite struct {
	destination.Destination
	dialect Dialect
	ids     *rowid.Source
}

func newSuite(d destination.Destination, dialect Dialect) *suite {
	return &suite{d, dialect, rowid.NewSource()}
}

func tableOf(t *testing.T, name string) schema.Table {
	t.Helper()
	table, err := schema.ParseTable(name)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// create makes a table with the columns cols, each "name kind".
func (s *suite) create(t *testing.T, name string, cols ...schema.Column) schema.Table {
	t.Helper()
	table := tableOf(t, name)
	if err := s.CreateTable(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	if len(cols) > 0 {
		if err := s.AddColumns(t.Context(), table, cols); err != nil {
			t.Fatal(err)
		}
	}
	return table
}

func column(name string, k schema.Kind) schema.Column { return schema.Column{Name: name, Kind: k} }

// batch makes a batch of rows, each a JSON object without its row id.
func (s *suite) batch(rows ...string) destination.Batch {
	return Batch(s.ids, rows...)
}

// Batch makes a batch as ingest would: rows are JSON objects in canonical form, which get their row ids here.
func Batch(ids *rowid.Source, rows ...string) destination.Batch {
	list := make([]string, len(rows))
	for i := range rows {
		list[i] = ids.New()
	}
	return batchOf(ids, list, rows)
}

// batchOf is Batch with row ids of the caller's.
func batchOf(ids *rowid.Source, rowIDs, rows []string) destination.Batch {
	var text strings.Builder
	for i, row := range rows {
		text.WriteString(`{"__row_id":"` + rowIDs[i] + `"`)
		if row != "{}" {
			text.WriteString("," + row[1:len(row)-1])
		}
		text.WriteString("}\n")
	}
	body := text.String()
	return destination.Batch{
		ID: ids.Batch(), Rows: int64(len(rows)), Seen: seenIn(rows),
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil },
	}
}

// seenIn notes the columns of rows and their values' kinds, as the flattener does.
func seenIn(rows []string) []schema.Seen {
	seen := []schema.Seen{{Name: schema.RowID, Kinds: schema.Kinds(0).With(schema.Text)}}
	for _, row := range rows {
		var members map[string]json.RawMessage
		if err := json.Unmarshal([]byte(row), &members); err != nil {
			panic(fmt.Sprintf("row %s: %v", row, err))
		}
		for name, value := range members {
			at := slices.IndexFunc(seen, func(s schema.Seen) bool { return s.Name == name })
			if at < 0 {
				at = len(seen)
				seen = append(seen, schema.Seen{Name: name})
			}
			seen[at].Kinds = seen[at].Kinds.With(kindOf(value))
		}
	}
	return seen
}

func kindOf(value json.RawMessage) schema.Kind {
	switch value[0] {
	case 'n':
		return schema.Null
	case 't', 'f':
		return schema.Bool
	case '{', '[':
		return schema.Nested
	case '"':
		return schema.KindOfString(value[1 : len(value)-1])
	default:
		return schema.KindOfNumber(value)
	}
}

// mustLoad loads b.
func (s *suite) mustLoad(t *testing.T, table schema.Table, b destination.Batch) destination.Loaded {
	t.Helper()
	did, err := s.Load(t.Context(), table, b)
	if err != nil {
		t.Fatal(err)
	}
	return did
}

// loaded is what Load says of rows new rows, with a value rescued for each reason.
func loaded(rows int64, why ...schema.Reason) destination.Loaded {
	did := destination.Loaded{Rows: rows, Rescued: int64(len(why))}
	for _, reason := range why {
		did.Why[reason]++
	}
	return did
}

// wantRows runs sql and compares its rows, as Rows gives them.
func (s *suite) wantRows(t *testing.T, sql string, want ...string) {
	t.Helper()
	var got Rows
	if err := s.Query(t.Context(), sql, nil, &got); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if !slices.Equal(got.Rows, want) {
		t.Errorf("%s\n got %q\nwant %q", sql, got.Rows, want)
	}
}

// wantCount compares the number of table's rows.
func (s *suite) wantCount(t *testing.T, table schema.Table, want int) {
	t.Helper()
	s.wantRows(t, "SELECT COUNT(*) FROM "+quote(table.Name()), strconv.Itoa(want))
}

// quote makes an identifier of a column's name.
func (s *suite) quote(name string) string {
	if s.dialect.Quote != nil {
		return s.dialect.Quote(name)
	}
	return quote(name)
}

// quote makes an identifier of a table's name, or a column's that is as simple.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Rows is a result.Writer that keeps each row as its values' texts, joined by '|'.
type Rows struct {
	Columns []string
	Rows    []string
	Began   bool
	Ended   bool
	// Hook, when set, is called for each batch before it is kept; its error is Write's.
	Hook func(*vector.Batch) error
}

// Begin notes the columns.
func (r *Rows) Begin(cols []vector.Field) error {
	r.Began = true
	for _, c := range cols {
		r.Columns = append(r.Columns, c.Name)
	}
	return nil
}

// Write keeps b's rows.
func (r *Rows) Write(b *vector.Batch) error {
	if r.Hook != nil {
		if err := r.Hook(b); err != nil {
			return err
		}
	}
	for i := range b.Rows {
		values := make([]string, len(b.Cols))
		for j, v := range b.Cols {
			values[j] = textOf(v, i)
		}
		r.Rows = append(r.Rows, strings.Join(values, "|"))
	}
	return nil
}

// End notes that the answer is complete.
func (r *Rows) End() error {
	r.Ended = true
	return nil
}

// textOf gives row i's value in one form for every database.
func textOf(v *vector.Vector, i int) string {
	if v.IsNull(i) {
		return "NULL"
	}
	switch v.Type.Kind {
	case vector.Bool:
		return strconv.FormatBool(v.Bools[i])
	case vector.Int:
		return strconv.FormatInt(v.Ints[i], 10)
	case vector.Uint:
		return strconv.FormatUint(v.Uints[i], 10)
	case vector.Float:
		return strconv.FormatFloat(v.Floats[i], 'g', -1, v.Type.Bits)
	case vector.Int128:
		if v.Wides[i].Hi == 0 {
			return strconv.FormatUint(v.Wides[i].Lo, 10)
		}
	case vector.Number, vector.Text, vector.JSON, vector.Blob:
		return strings.Clone(v.Texts[i])
	case vector.Decimal:
		if v.Ints == nil {
			return fmt.Sprintf("%d*2^64+%de-%d", v.Wides[i].Hi, v.Wides[i].Lo, v.Type.Scale)
		}
		return strconv.FormatInt(v.Ints[i], 10) + "e-" + strconv.Itoa(v.Type.Scale)
	case vector.Date:
		return time.Unix(v.Ints[i]*24*60*60, 0).UTC().Format(time.DateOnly)
	case vector.Timestamp:
		perUnit := int64(v.Type.Unit)
		perSecond := int64(time.Second) / perUnit
		at := time.Unix(v.Ints[i]/perSecond, v.Ints[i]%perSecond*perUnit).UTC()
		if v.Type.Zone {
			return at.Format(time.RFC3339Nano)
		}
		return at.Format("2006-01-02T15:04:05.999999999")
	}
	return fmt.Sprintf("<%s>", v.Type.Name)
}
