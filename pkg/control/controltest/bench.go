package controltest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/control"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// Bench measures what a store is asked for again and again, each in an empty store that open opens and the suite closes.
func Bench(b *testing.B, open func(b *testing.B) control.Store) {
	for _, tt := range []struct {
		name string
		once func(b *testing.B, s control.Store, n int)
	}{
		{"a batch is tried and loaded", benchLoad},
		{"1 key is remembered", func(b *testing.B, s control.Store, n int) { benchRemember(b, s, n, 1) }},
		{"1000 keys are remembered", func(b *testing.B, s control.Store, n int) { benchRemember(b, s, n, 1000) }},
		{"a key is not found", benchFindKey},
		{"a job is added, claimed and saved", benchJob},
		{"no job is there to claim", benchNoJob},
	} {
		b.Run(tt.name, func(b *testing.B) {
			s := open(b)
			for n := 0; b.Loop(); n++ {
				tt.once(b, s, n)
			}
			if err := s.Close(); err != nil {
				b.Error(err)
			}
		})
	}
}

func benchLoad(b *testing.B, s control.Store, n int) {
	batch := control.Batch{ID: fmt.Sprintf("%026d", n), Destination: "1", Rows: 1000, Message: make([]byte, 300), Created: time.Now()}
	_, err := s.Batches().Attempt(b.Context(), batch)
	err = errors.Join(err, s.Batches().Settle(b.Context(), batch.ID, control.Outcome{State: control.StateLoaded, Rows: 1000}))
	if err != nil {
		b.Fatal(err)
	}
}

func benchRemember(b *testing.B, s control.Store, n, many int) {
	inserts := make([]control.KeyedInsert, many)
	for i := range inserts {
		d := digest(fmt.Sprint(n, " ", i))
		inserts[i] = control.KeyedInsert{Destination: "events-eu", Key: d, Body: d, Receipt: "01J8ZQ4T3Y5V6W7X8Y9Z0A1B2C",
			Batch: "01J8ZQ4T3Y5V6W7X8Y9Z0A1B2D", Rows: 1, Made: time.Now()}
	}
	if _, err := s.Keys().Remember(b.Context(), inserts); err != nil {
		b.Fatal(err)
	}
}

func benchFindKey(b *testing.B, s control.Store, n int) {
	if _, err := s.Keys().Find(b.Context(), "1", digest(fmt.Sprint(n))); !errors.Is(err, fault.NotFound) {
		b.Fatal(err)
	}
}

func benchJob(b *testing.B, s control.Store, n int) {
	now := time.Now()
	err := s.Jobs().Add(b.Context(), control.Job{ID: fmt.Sprintf("%026d", n), Source: "1", State: control.JobQueued, Created: now})
	j, cerr := s.Jobs().Claim(b.Context(), now, now.Add(time.Minute))
	if err := errors.Join(err, cerr); err != nil {
		b.Fatal(err)
	}
	j.State = control.JobDone
	if _, err := s.Jobs().Save(b.Context(), j); err != nil {
		b.Fatal(err)
	}
}

func benchNoJob(b *testing.B, s control.Store, _ int) {
	if _, err := s.Jobs().Claim(b.Context(), time.Now(), time.Now()); !errors.Is(err, fault.NotFound) {
		b.Fatal(err)
	}
}
