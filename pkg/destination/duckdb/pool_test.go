package duckdb

import (
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// connected tells how many connections the engine has, the one that asks it among them.
func (d *Destination) connected(t *testing.T) (n int) {
	t.Helper()
	err := d.call(t.Context(), func(e *engine) error {
		c, err := e.looker.take(t.Context())
		if err != nil {
			return err
		}
		defer e.looker.put(c)
		rows, err := c.rows("SELECT count::VARCHAR FROM duckdb_connection_count()")
		if err != nil {
			return err
		}
		n, err = strconv.Atoi(rows[0][0])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// askers asks for the connections that many queries run on.
type askers struct {
	d  *Destination
	mu sync.Mutex
	on map[string]int // how many queries each connection answered; guarded by mu
}

func (a *askers) ask(t *testing.T, out *pausing) {
	if err := a.d.Query(t.Context(), "SELECT current_connection_id()::VARCHAR", nil, out); err != nil {
		t.Error(err)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.on[strings.Join(out.Rows.Rows, " ")]++
}

// A thousand queries, fifty at a time, open fifty connections; idle ones are closed.
func TestPoolReusesConnections(t *testing.T) {
	const queries, atATime = 1000, 50
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.File = filepath.Join(t.TempDir(), "test.duckdb")
		d := openWith(t, cfg)
		d.connected(t)               // makes the looker's, which stays
		before := d.connected(t)     // the loader's, the looker's, one for queries
		few := before - 1 + keptIdle // how many stay
		a := &askers{d: d, on: make(map[string]int)}
		standing, release := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		for range atATime {
			wg.Go(func() {
				a.ask(t, &pausing{at: standing, until: release})
				for range queries/atATime - 1 {
					a.ask(t, &pausing{at: make(chan struct{}, 1), until: release})
				}
			})
		}
		for range atATime {
			<-standing
		}
		if got, want := d.connected(t), before-1+atATime; got != want {
			t.Errorf("%d queries at a time: got %d connections, want %d", atATime, got, want)
		}
		close(release)
		wg.Wait()
		total := 0
		for _, n := range a.on {
			total += n
		}
		if len(a.on) != atATime || total != queries {
			t.Errorf("got %d connections for %d queries, want %d for %d", len(a.on), total, atATime, queries)
		}
		time.Sleep(idleFor - time.Second)
		synctest.Wait()
		if got, want := d.connected(t), before-1+atATime; got != want {
			t.Errorf("idle for less than %v: got %d connections, want %d", idleFor, got, want)
		}
		a.ask(t, &pausing{at: make(chan struct{}, 1), until: release}) // one of them is in use now and then
		time.Sleep(time.Second)
		synctest.Wait()
		if got := d.connected(t); got != few {
			t.Errorf("idle for %v: got %d connections, want %d", idleFor, got, few)
		}
		for range 2 {
			a.ask(t, &pausing{at: make(chan struct{}, 1), until: release})
		}
		if len(a.on) != atATime {
			t.Errorf("got %d connections, want no more than the %d that there were", len(a.on), atATime)
		}
	})
}

// A connection that may have a transaction open is closed when it comes back, and another takes its place.
func TestPoolReplacesBrokenConnections(t *testing.T) {
	d := open(t)
	d.connected(t)
	before := d.connected(t)
	err := d.call(t.Context(), func(e *engine) error {
		c, err := e.queries.take(t.Context())
		if err != nil {
			return err
		}
		again, err := use(t, e, c)
		if err != nil || again != c {
			t.Errorf("got another connection, %v, want the one that came back well", err)
		}
		c.broken = true
		other, err := use(t, e, c)
		if err != nil || other == c || other.broken {
			t.Errorf("got the broken connection, %v, want another", err)
		}
		if err := other.exec("SELECT 1"); err != nil {
			t.Error(err)
		}
		e.queries.put(other)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := d.connected(t); got != before {
		t.Errorf("got %d connections, want %d as before", got, before)
	}
}

// use gives c back and takes the next.
func use(t *testing.T, e *engine, c *conn) (*conn, error) {
	t.Helper()
	e.queries.put(c)
	return e.queries.take(t.Context())
}

// Close and the closing of idle connections do not meet.
func TestPoolClosesWhileItTrims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.InMemory = true
		d := openWith(t, cfg)
		e := d.current(t)
		var taken []*conn
		for range 2 * keptIdle {
			c, err := e.queries.take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			taken = append(taken, c)
		}
		for _, c := range taken {
			e.queries.put(c)
		}
		time.Sleep(idleFor) // trim begins now, as does Close
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := len(e.queries.idle); n != 0 {
			t.Errorf("got %d connections after Close, want none", n)
		}
	})
}
