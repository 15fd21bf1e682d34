package httpapi

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// archive is a shelf with rescued values, which the test lays there. It compares names whatever their case, and has no
// spaces in them.
type archive struct {
	*shelf
	laid   map[string][]laid      // by table; not changed while the archive is in use, but by Restore
	mended []string               // keys whose columns can hold their values by now
	was    map[string]schema.Kind // what the last Restore was told
}

// laid is a row with rescued values.
type laid struct {
	id     string
	object string
}

var (
	_ destination.Rescuer = (*archive)(nil)
	_ destination.Rules   = (*archive)(nil)
)

func newArchive(s *shelf) *archive { return &archive{shelf: s, laid: make(map[string][]laid)} }

func (*archive) ColumnName(key string) string { return strings.ReplaceAll(key, " ", "_") }
func (*archive) Fold(name string) string      { return strings.ToLower(name) }

func (*archive) ColumnKind(k schema.Kind) schema.Kind { return k }

func (a *archive) Rescued(ctx context.Context, table schema.Table, each func(rowID, object string) error) error {
	if _, err := a.Columns(ctx, table); err != nil {
		return err
	}
	for _, row := range a.laid[table.String()] {
		if err := each(row.id, row.object); err != nil {
			return err
		}
	}
	return nil
}

func (a *archive) CountRescued(ctx context.Context, table schema.Table, each func(key string, rows int64) error) error {
	count := make(map[string]int64)
	err := a.Rescued(ctx, table, func(_, object string) error {
		for key := range members(object) {
			count[key]++
		}
		return nil
	})
	for key, n := range count {
		if err == nil {
			err = each(key, n)
		}
	}
	return err
}

// Restore takes the mended keys out of the rows' rescued values.
func (a *archive) Restore(ctx context.Context, table schema.Table, was map[string]schema.Kind) (did destination.Restored, err error) {
	a.was = was
	var left []laid
	err = a.Rescued(ctx, table, func(id, object string) error {
		values := members(object)
		had := len(values)
		maps.DeleteFunc(values, func(key string, _ json.RawMessage) bool { return slices.Contains(a.mended, key) })
		did.Left += int64(len(values))
		if gone := had - len(values); gone > 0 {
			did.Rows++
			did.Values += int64(gone)
		}
		if len(values) > 0 {
			b, err := json.Marshal(values)
			left = append(left, laid{id, string(b)})
			return err
		}
		return nil
	})
	a.laid[table.String()] = left
	return did, err
}

// members reads an object; a text that is none has none.
func members(object string) (values map[string]json.RawMessage) {
	if json.Unmarshal([]byte(object), &values) != nil {
		return nil
	}
	return values
}
