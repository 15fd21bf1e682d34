package postgres

import (
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
)

func TestNoteIsAllOrNone(t *testing.T) {
	s := openNew(t)
	breaks(t, s, "columns", "insert", "new.name = 'bad'")
	var cols []control.Column
	for _, name := range []string{"a", "b", "bad", "c"} {
		cols = append(cols, control.Column{Destination: "1", Table: tableOf(t, "events"), Name: name, Made: time.Now()})
	}
	if err := s.Columns().Note(t.Context(), cols); err == nil || !strings.Contains(err.Error(), "note columns: ") {
		t.Errorf("got %v, want an error that says what was tried", err)
	}
	if list, err := s.Columns().List(t.Context(), "1", tableOf(t, "events")); err != nil || len(list) != 0 {
		t.Errorf("got %v and %v, want none", list, err)
	}
}

// TestNoteOfTheSameColumnTwice holds that the last one counts, as when they are noted one after another.
func TestNoteOfTheSameColumnTwice(t *testing.T) {
	s := openNew(t)
	var cols []control.Column
	for _, batch := range []string{"1", "3", "2"} {
		cols = append(cols, control.Column{Name: "a", Batch: batch}, control.Column{Name: "b", Batch: "b" + batch})
	}
	if err := s.Columns().Note(t.Context(), cols); err != nil {
		t.Fatal(err)
	}
	list, err := s.Columns().List(t.Context(), "", control.Column{}.Table)
	if err != nil || len(list) != 2 {
		t.Fatalf("got %v and %v, want two columns", list, err)
	}
	for _, c := range list {
		if want := map[string]string{"a": "2", "b": "b2"}[c.Name]; c.Batch != want {
			t.Errorf("column %s: got batch %s, want %s", c.Name, c.Batch, want)
		}
	}
	if cols[0].Batch != "1" || cols[1].Name != "b" {
		t.Error("the caller's columns were changed")
	}
}
