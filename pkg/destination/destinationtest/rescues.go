package destinationtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/schema"
)

// promisesOfRescuers are those of destination.Rescuer.
func promisesOfRescuers() []promise {
	return []promise{
		{"RescuedGivesEachRow", rescuedGivesEachRow},
		{"RescuedStopsAtFirstErrorOfEach", rescuedStops},
		{"RescuedOfTableWithoutAnyIsNothing", rescuedOfNone},
		{"RescuedOfMissingTableIsNotFound", rescuedOfMissingTable},
		{"CountRescuedGivesEachKey", countRescued},
		{"RestorePutsValuesIntoTheirColumns", restorePutsBack},
		{"RestoreLeavesDuplicates", restoreLeavesDuplicates},
		{"RestoreLeavesWhatDoesNotFit", restoreLeavesMisfits},
		{"RestoreIsAllOrNone", restoreIsAllOrNone},
	}
}

func (s *suite) rescuer(t *testing.T) destination.Rescuer {
	t.Helper()
	r, ok := s.Destination.(destination.Rescuer)
	if !ok {
		t.Fatal("it is no destination.Rescuer")
	}
	return r
}

// rescuing makes the table events with a column of numbers and loads rows into it.
func (s *suite) rescuing(t *testing.T, rows ...string) schema.Table {
	t.Helper()
	table := s.create(t, "events", column("n", schema.Int), column(schema.Rescued, schema.Text))
	s.mustLoad(t, table, s.batch(rows...))
	return table
}

func rescuedGivesEachRow(t *testing.T, s *suite) {
	table := s.rescuing(t, `{"n":"x"}`, `{"n":1}`, `{"n":1.5,"é\"":[1,null]}`)
	var got, ids []string
	err := s.rescuer(t).Rescued(t.Context(), table, func(id, object string) error {
		got, ids = append(got, object), append(ids, id)
		return nil
	})
	if want := []string{`{"n":"x"}`, `{"n":1.5,"é\"":[1,null]}`}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	for i, id := range ids {
		s.wantRows(t, `SELECT "__rescued" FROM "events" WHERE "__row_id" = '`+id+`'`, got[i])
	}
}

func rescuedStops(t *testing.T, s *suite) {
	table := s.rescuing(t, `{"n":"x"}`, `{"n":"y"}`)
	enough, calls := errors.New("enough"), 0
	err := s.rescuer(t).Rescued(t.Context(), table, func(string, string) error {
		calls++
		return enough
	})
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("got %v after %d calls, want %v after 1", err, calls, enough)
	}
}

func rescuedOfNone(t *testing.T, s *suite) {
	r, plain := s.rescuer(t), s.create(t, "plain", column("n", schema.Int))
	s.mustLoad(t, plain, s.batch(`{"n":1}`))
	for _, table := range []schema.Table{plain, s.rescuing(t, `{"n":1}`)} {
		err := r.Rescued(t.Context(), table, func(id, object string) error { return fmt.Errorf("got %s of %s", object, id) })
		err = errors.Join(err, r.CountRescued(t.Context(), table, func(key string, n int64) error { return fmt.Errorf("got %d of %s", n, key) }))
		did, rerr := r.Restore(t.Context(), table, nil)
		if err != nil || rerr != nil || did != (destination.Restored{}) {
			t.Errorf("%s: %v, restored %+v, %v, want nothing", table, err, did, rerr)
		}
	}
}

func rescuedOfMissingTable(t *testing.T, s *suite) {
	r, table := s.rescuer(t), tableOf(t, "nowhere")
	errs := []error{
		r.Rescued(t.Context(), table, func(string, string) error { return nil }),
		r.CountRescued(t.Context(), table, func(string, int64) error { return nil }),
	}
	_, err := r.Restore(t.Context(), table, nil)
	for _, err := range append(errs, err) {
		if !errors.Is(err, fault.NotFound) {
			t.Errorf("got %v, want fault.NotFound", err)
		}
	}
}

func countRescued(t *testing.T, s *suite) {
	table := s.rescuing(t, `{"n":"x"}`, `{"n":1}`, `{"n":"y","m":1}`, `{"m":{"a":1},"é\"":2}`)
	got := map[string]int64{}
	err := s.rescuer(t).CountRescued(t.Context(), table, func(key string, rows int64) error {
		got[key] += rows
		return nil
	})
	if want := `map[m:2 n:2 é":1]`; err != nil || fmt.Sprint(got) != want {
		t.Errorf("got %v, %v, want %s", got, err, want)
	}
}

// restorePutsBack adds a column for values that had none. What columns of a person's own types do is the driver's to test.
func restorePutsBack(t *testing.T, s *suite) {
	table := s.rescuing(t, `{"n":1,"m":"a"}`, `{"n":2}`, `{"n":3,"m":4,"l":true}`)
	if err := s.AddColumns(t.Context(), table, []schema.Column{column("m", schema.Text)}); err != nil {
		t.Fatal(err)
	}
	s.wantRestored(t, table, nil, destination.Restored{Rows: 2, Values: 2, Left: 1})
	none := s.missing(schema.Text)
	s.wantRows(t, `SELECT "n", "m", "__rescued" FROM "events" ORDER BY "n"`, "1|a|"+none, "2|"+none+"|"+none, `3|4|{"l":true}`)
	s.wantRestored(t, table, nil, destination.Restored{Left: 1})
}

func (s *suite) wantRestored(t *testing.T, table schema.Table, was map[string]schema.Kind, want destination.Restored) {
	t.Helper()
	if did, err := s.rescuer(t).Restore(t.Context(), table, was); err != nil || did != want {
		t.Errorf("restored %+v, %v, want %+v", did, err, want)
	}
}

// restoreLeavesDuplicates: the second value of a key stays, also when the first is zero.
func restoreLeavesDuplicates(t *testing.T, s *suite) {
	table := s.create(t, "events", column("n", schema.Int), column(schema.Rescued, schema.Text))
	s.mustLoad(t, table, s.batch(`{"n":5,"__rescued":{"n":6}}`, `{"n":0,"__rescued":{"n":7}}`))
	s.wantRestored(t, table, map[string]schema.Kind{"n": schema.Int}, destination.Restored{Left: 2})
	s.wantRows(t, `SELECT "n", "__rescued" FROM "events" ORDER BY "n"`, `0|{"n":7}`, `5|{"n":6}`)
}

func restoreLeavesMisfits(t *testing.T, s *suite) {
	table := s.rescuing(t, `{"n":"x"}`, `{"n":2,"m":"y"}`)
	if err := s.AddColumns(t.Context(), table, []schema.Column{column("m", schema.Date)}); err != nil {
		t.Fatal(err)
	}
	s.wantRestored(t, table, map[string]schema.Kind{"n": schema.Int}, destination.Restored{Left: 2})
	s.wantRows(t, `SELECT "n", "__rescued" FROM "events" ORDER BY "n"`, `0|{"n":"x"}`, `2|{"m":"y"}`)
}

func restoreIsAllOrNone(t *testing.T, s *suite) {
	table := s.rescuing(t, `{"m":"a"}`, `{"m":"b"}`)
	if err := s.AddColumns(t.Context(), table, []schema.Column{column("m", schema.Text)}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.rescuer(t).Restore(ctx, table, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	s.wantRows(t, `SELECT COUNT(*) FROM "events" WHERE "m" = 'a' OR "m" = 'b'`, "0")
	s.wantRestored(t, table, nil, destination.Restored{Rows: 2, Values: 2})
}
