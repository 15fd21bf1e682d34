package servertest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// echo is a server that says each line again. It keeps what it has heard.
type echo struct {
	listener net.Listener
	mu       sync.Mutex
	heard    []string // guarded by mu
}

func newEcho(t *testing.T) *echo {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{listener: l}
	var serve sync.WaitGroup
	serve.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve.Go(func() { e.answer(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // ends accept
		serve.Wait()
	})
	return e
}

func (e *echo) answer(c net.Conn) {
	defer c.Close() //nolint:errcheck // the proxy may have closed it
	for lines := bufio.NewScanner(c); lines.Scan(); {
		e.mu.Lock()
		e.heard = append(e.heard, lines.Text())
		e.mu.Unlock()
		if _, err := io.WriteString(c, lines.Text()+"\n"); err != nil {
			return
		}
	}
}

func (e *echo) has(line string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Contains(e.heard, line)
}

// talk dials the proxy; what it returns says a line and gives the answer.
func talk(t *testing.T, p *Proxy) (net.Conn, func(string) (string, error)) {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // the proxy may have closed it
	r := bufio.NewReader(c)
	return c, func(line string) (string, error) {
		if _, err := io.WriteString(c, line+"\n"); err != nil {
			return "", err
		}
		return r.ReadString('\n')
	}
}

func TestProxyLosesWhatItIsTold(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(*Proxy) <-chan struct{}
		heard bool
	}{
		{"before", func(p *Proxy) <-chan struct{} { return p.CutBefore("this") }, false},
		{"after", func(p *Proxy) <-chan struct{} { return p.CutAfter("this") }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEcho(t)
			p := NewProxy(t, e.listener.Addr().String())
			met := tt.fault(p)
			_, say := talk(t, p)
			if got, err := say("that"); got != "that\n" || err != nil {
				t.Fatalf("got %q and %v, want that", got, err)
			}
			if got, err := say("this"); err == nil {
				t.Errorf("got %q, want an error", got)
			}
			<-met
			if got := e.has("this"); got != tt.heard {
				t.Errorf("the server has heard it: got %v, want %v", got, tt.heard)
			}
			_, say = talk(t, p)
			if got, err := say("this"); got != "this\n" || err != nil {
				t.Errorf("the next time: got %q and %v, want this", got, err)
			}
		})
	}
}

func TestProxyCutsRefusesAndHolds(t *testing.T) {
	p := NewProxy(t, newEcho(t).listener.Addr().String())
	_, say := talk(t, p)
	if _, err := say("one"); err != nil {
		t.Fatal(err)
	}
	p.Cut()
	if got, err := say("two"); err == nil {
		t.Errorf("cut: got %q, want an error", got)
	}
	p.Refuse(true)
	_, say = talk(t, p)
	if got, err := say("three"); err == nil {
		t.Errorf("refused: got %q, want an error", got)
	}
	p.Refuse(false)
	c, say := talk(t, p)
	p.Hold()
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if got, err := say("four"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("held: got %q and %v, want no answer", got, err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	p.Release()
	if got, err := say("five"); got != "four\n" || err != nil {
		t.Errorf("released: got %q and %v, want four", got, err)
	}
}

func TestProxyResets(t *testing.T) {
	for name, reset := range map[string]func(*Proxy){
		"all":           func(p *Proxy) { p.Reset() },
		"one that fits": func(p *Proxy) { p.ResetBefore("two") },
	} {
		t.Run(name, func(t *testing.T) {
			e := newEcho(t)
			p := NewProxy(t, e.listener.Addr().String())
			_, say := talk(t, p)
			if _, err := say("one"); err != nil {
				t.Fatal(err)
			}
			reset(p)
			if got, err := say("two"); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("got %q and %v, want the connection reset", got, err)
			}
			if e.has("two") {
				t.Error("the server has heard it, want not")
			}
		})
	}
}

func TestProxyIsSlow(t *testing.T) {
	p := NewProxy(t, newEcho(t).listener.Addr().String())
	_, say := talk(t, p)
	p.Slow(20*time.Millisecond, 1000) // each way 20 ms, and a millisecond a byte
	begun := time.Now()
	if got, err := say("twenty characters."); err != nil {
		t.Errorf("got %q and %v, want it back", got, err)
	}
	if took := time.Since(begun); took < 78*time.Millisecond {
		t.Errorf("it took %v, want 78ms or more", took)
	}
	p.Slow(0, 0)
	if got, err := say("more"); got != "more\n" || err != nil {
		t.Errorf("got %q and %v, want more", got, err)
	}
}

// An answer that never comes, as the client leaves before, is lost like another.
func TestProxyLosesAnAnswerThatNeverComes(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() }) // nobody accepts: the kernel does
	p := NewProxy(t, mute.Addr().String())
	met := p.CutAfter("")
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	<-met
}
