package copier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/query"
)

func TestCopiesThatAreRefused(t *testing.T) {
	good := Wish{Source: "1", Key: "k", Query: "some", Destination: "2"}
	for _, tt := range []struct {
		name   string
		change func(p *plant, w *Wish)
		kind   fault.Kind
		code   string
	}{
		{"an unknown destination", func(_ *plant, w *Wish) { w.Destination = "9" }, fault.Invalid, "unknown_destination"},
		{"no destination", func(_ *plant, w *Wish) { w.Destination = "" }, fault.Invalid, "unknown_destination"},
		{"an unknown source", func(_ *plant, w *Wish) { w.Source = "9" }, fault.NotFound, "unknown_destination"},
		{"one that takes no copies from there", func(_ *plant, w *Wish) { w.Source = "nobody" }, fault.Denied, "copy_not_allowed"},
		{"wrong SQL", func(_ *plant, w *Wish) { w.Query = "wrong" }, fault.Invalid, "invalid_sql"},
		{"a wrong parameter", func(_ *plant, w *Wish) { w.Params = query.Params{"a": json.RawMessage(`[]`)} }, fault.Invalid, "bad_param"},
		{"a table that nobody may write", func(p *plant, _ *Wish) { p.to.odd = fault.New(fault.Denied, "reserved_table", "the table is ours") },
			fault.Denied, "reserved_table"},
		{"a destination that does not answer", func(p *plant, _ *Wish) { p.to.odd = errors.New("gone") }, fault.Internal, "internal"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, some(), func(t *testing.T, p *plant) {
				w := good
				w.Table = tableOf(t, "events")
				tt.change(p, &w)
				_, err := p.copies.Start(t.Context(), w)
				if !errors.Is(err, tt.kind) && fault.Of(err) != tt.kind || fault.CodeOf(err) != tt.code {
					t.Errorf("got %v (%v, %s), want %v, %s", err, fault.Of(err), fault.CodeOf(err), tt.kind, tt.code)
				}
				if list, err := p.stores.Control.Jobs().List(t.Context(), "", 10); err != nil || len(list) > 0 {
					t.Errorf("got the jobs %+v, %v, want none", list, err)
				}
			})
		})
	}
}

// Nobody needs to be allowed to copy within a destination.
func TestCopyWithinADestinationIsAllowed(t *testing.T) {
	bubble(t, some(), func(t *testing.T, p *plant) {
		none := New(p.copies.dests, p.stores.Control.Jobs(), p.copies.runner, func(_, _ string) bool { return false }, quiet())
		w := Wish{Source: "1", Query: "some", Destination: "1", Table: tableOf(t, "events")}
		if _, err := none.Start(t.Context(), w); err != nil {
			t.Errorf("got %v, want none", err)
		}
		w.Destination = "2"
		if _, err := none.Start(t.Context(), w); !errors.Is(err, fault.Denied) {
			t.Errorf("got %v, want %v", err, fault.Denied)
		}
	})
}

func TestCopyThatIsBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, "memory", some())
		w := Wish{Source: "1", Key: "k", Query: "some", Params: query.Params{"n": json.RawMessage(`12345678901234567890`), "s": query.Text("x")},
			Destination: "2", Table: tableOf(t, "shop.events")}
		j, err := p.copies.Start(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		p.ids = append(p.ids, j.ID)
		found, err := p.copies.Find(t.Context(), "1", j.ID)
		if err != nil || found.State != control.JobQueued || found.Source != "1" || found.Key != "k" || found.Query != "some" || found.Destination != "2" ||
			found.Table != w.Table || found.Counted != -1 || !found.Created.Equal(time.Now()) || !found.Started.IsZero() || found.Run != 0 {
			t.Errorf("got %+v, %v", found, err)
		}
		args, err := argsOf(found)
		if got := fmt.Sprint(args); err != nil || got != "[{n 12345678901234567890} {s x}]" {
			t.Errorf("got the parameters %s, %v", got, err)
		}
		p.start(nil)
		p.wantTruth(p.awaitEnd(j.ID, control.JobDone), someRows)
		p.wantNothingLeft()
		p.close()
	})
}

// Only who asks a destination sees the copies that ask it.
func TestCopiesAreFound(t *testing.T) {
	bubble(t, some(), func(t *testing.T, p *plant) {
		first := p.copy("some", "a")
		if err := rest(t.Context(), time.Second); err != nil {
			t.Fatal(err)
		}
		second := p.copy("some", "b")
		list, err := p.copies.List(t.Context(), "1")
		if err != nil || len(list) != 2 || list[0].ID != second || list[1].ID != first {
			t.Errorf("got %+v, %v, want the second and the first", list, err)
		}
		if list, err := p.copies.List(t.Context(), "2"); err != nil || len(list) != 0 {
			t.Errorf("got %+v, %v, want none", list, err)
		}
		for _, tt := range []struct{ source, id string }{{"2", first}, {"1", "none"}, {"1", ""}} {
			if _, err := p.copies.Find(t.Context(), tt.source, tt.id); !errors.Is(err, fault.NotFound) || fault.CodeOf(err) != "unknown_job" {
				t.Errorf("%q of %q: got %v, want it unknown", tt.id, tt.source, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := p.copies.Find(ctx, "1", first); err == nil || errors.Is(err, fault.NotFound) {
			t.Errorf("got %v of a store that was not asked", err)
		}
	})
}
