package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/scratchdata/scratchdata/pkg/rig"
)

const (
	connections = 32
	roundTime   = 2 * time.Second
)

// oneRow measures durable one-row inserts against the same HTTP stack with a handler that reads the body and answers.
func (b *bench) oneRow(ctx context.Context) ([]figure, error) {
	srv, stop, err := b.server(ctx, "one-row")
	if err != nil {
		return nil, err
	}
	null := exec.CommandContext(ctx, b.cfg.Program, "bench", "null")
	pipe, err := null.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := null.Start(); err != nil {
		return nil, err
	}
	addr, err := bufio.NewReader(pipe).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("start the null server: %w", err)
	}
	addr = strings.TrimSpace(addr)
	var ours, nulls []float64
	for range b.cfg.Rounds {
		o, err := hammer(ctx, strings.TrimPrefix(srv.URL, "http://"))
		if err != nil {
			return nil, err
		}
		n, err := hammer(ctx, addr)
		if err != nil {
			return nil, err
		}
		ours, nulls = append(ours, o), append(nulls, n)
	}
	if err := errors.Join(null.Process.Kill(), stop()); err != nil {
		return nil, err
	}
	_ = null.Wait() // ended by our own kill
	o, n := median(ours), median(nulls)
	return []figure{{name: "one-row inserts, durable, 32 connections", got: fmt.Sprintf("%.0f/s", o),
		against: fmt.Sprintf("null handler %.0f/s", n), ratio: o / n, bar: 0.5}}, nil
}

// hammer posts one-row inserts over 32 connections and gives how many were answered a second. Its client writes raw
// requests and reads little, so that the two cores go to the server.
func hammer(ctx context.Context, addr string) (float64, error) {
	var done atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, connections)
	end := time.Now().Add(roundTime)
	start := time.Now()
	for i := range connections {
		wg.Go(func() {
			if err := hammerOne(ctx, addr, i, end, &done); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	return float64(done.Load()) / seconds(start), <-errs
}

func hammerOne(ctx context.Context, addr string, id int, end time.Time, done *atomic.Int64) (err error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	r := textproto.NewReader(bufio.NewReader(conn))
	var req, body []byte
	for n := 0; time.Now().Before(end); n++ {
		body = appendEvent(body[:0], id*1_000_000+n)
		req = fmt.Appendf(req[:0], "POST /api/data/insert/one HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", addr, rig.Key, len(body))
		if _, err := conn.Write(append(req, body...)); err != nil {
			return err
		}
		if err := readAnswer(r); err != nil {
			return err
		}
		done.Add(1)
	}
	return nil
}

// readAnswer reads one answer with a Content-Length, and fails when its status is not 200.
func readAnswer(r *textproto.Reader) error {
	status, err := r.ReadLine()
	if err != nil {
		return err
	}
	length := 0
	for {
		line, err := r.ReadLineBytes()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			break
		}
		if v, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
			if _, err := fmt.Sscan(v, &length); err != nil {
				return err
			}
		}
	}
	if !strings.Contains(status, " 200 ") {
		return fmt.Errorf("answer %q", status)
	}
	_, err = r.R.Discard(length)
	return err
}

// Null serves a handler that reads the body and answers as an insert does, on the same HTTP stack. It prints its
// address and runs until it is killed.
func Null(out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r := chi.NewRouter()
	r.Post("/api/data/insert/{table}", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"rows":1,"receipt":"01JABCDEFGHJKMNPQRSTVWXYZ0"}`+"\n") // the client counts answers
	})
	fmt.Fprintln(out, l.Addr())
	return http.Serve(l, r)
}
