package sqlite

import (
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

func TestNoteIsAllOrNone(t *testing.T) {
	s := openNew(t)
	run(t, s, `create trigger broken before insert on columns when new.name = 'bad' begin select raise(abort, 'broken'); end`)
	table, err := schema.ParseTable("events")
	if err != nil {
		t.Fatal(err)
	}
	var cols []control.Column
	for _, name := range []string{"a", "b", "bad", "c"} {
		cols = append(cols, control.Column{Destination: "1", Table: table, Name: name, Made: time.Now()})
	}
	err = s.Columns().Note(t.Context(), cols)
	if err == nil || !strings.Contains(err.Error(), `column "bad" of table events: `) || !strings.Contains(err.Error(), "broken") {
		t.Errorf("got %v, want an error that says the column and what is wrong", err)
	}
	if list, err := s.Columns().List(t.Context(), "1", table); err != nil || len(list) != 0 {
		t.Errorf("got %v and %v, want none", list, err)
	}
}

func TestListRefusesOtherKinds(t *testing.T) {
	s := openNew(t)
	run(t, s, `insert into columns values ('1', 'events', 'a', 'number', 'b', 0)`)
	table, err := schema.ParseTable("events")
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Columns().List(t.Context(), "1", table)
	if list != nil || err == nil || !strings.Contains(err.Error(), `"number" is not a kind`) {
		t.Errorf("got %v and %v, want an error that says the kind", list, err)
	}
}
