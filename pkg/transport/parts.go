package transport

import (
	"cmp"
	"context"
	"io"
	"sync/atomic"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/ndjson"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// part is what a shipment has for one table. Each part is loaded by itself and has an id of its own, so that a shipment
// whose load was interrupted goes on where it was.
type part struct {
	id     string
	mixed  bool // the blob has rows for other tables too
	tagged bool // its rows have the table's tag
	schema.Part
}

// parts lists what s has for each table, its own first. The order and with it the ids are the same each time.
func (s Shipment) parts() []part {
	own := part{id: s.Batch, mixed: len(s.Parts) > 0, Part: schema.Part{Table: s.Table, Rows: s.Rows, Seen: s.Seen}}
	list := []part{own}
	for i, p := range s.Parts {
		list[0].Rows -= p.Rows
		list = append(list, part{id: rowid.Part(s.Batch, i+1), mixed: true, tagged: true, Part: p})
	}
	if list[0].Rows == 0 && len(list) > 1 {
		return list[1:]
	}
	return list
}

// rows gives the part's rows out of all those of the blob.
func (p part) rows(all io.ReadCloser) io.ReadCloser {
	if !p.mixed {
		return all
	}
	tag := ""
	if p.tagged {
		tag = p.Table.String()
	}
	return struct {
		io.Reader
		io.Closer
	}{ndjson.Only(all, tag), all}
}

// loadParts inserts the parts of s one after the other, and says in all what was done. It sets missing when a part's rows
// are gone.
func (w *Workers) loadParts(ctx context.Context, d destination.Destination, s Shipment, missing *atomic.Bool) (sum destination.Loaded, err error) {
	sum.Already = true
	file := cmp.Or(s.File, s.Batch)
	for _, p := range s.parts() {
		loaded, err := w.catalog.Insert(ctx, s.Destination, d, p.Table, destination.Batch{
			ID: p.id, File: file, Rows: p.Rows, Seen: p.Seen,
			Open: func(ctx context.Context) (io.ReadCloser, error) {
				all, err := w.open(ctx, s, missing)
				if err != nil {
					return nil, err
				}
				return p.rows(all), nil
			},
		})
		if err != nil {
			return destination.Loaded{}, err
		}
		sum.Rows += loaded.Rows
		sum.Rescued += loaded.Rescued
		sum.Already = sum.Already && loaded.Already
		for reason, n := range loaded.Why {
			sum.Why[reason] += n
		}
	}
	return sum, nil
}
