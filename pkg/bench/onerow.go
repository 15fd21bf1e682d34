package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/textproto"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/scratchdata/scratchdata/pkg/account"
	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/httpapi"
	"github.com/scratchdata/scratchdata/pkg/rig"
	"github.com/scratchdata/scratchdata/pkg/secret"
)

const (
	connections = 32
	roundTime   = 2 * time.Second
)

// oneRow measures durable one-row inserts against the same HTTP stack with a handler that reads the body and answers,
// and, for the record, against the bare router on net/http with such a handler.
func (b *bench) oneRow(ctx context.Context) ([]figure, error) {
	srv, stop, err := b.server(ctx, "one-row")
	if err != nil {
		return nil, err
	}
	null, stopNull, err := b.null(ctx)
	if err != nil {
		return nil, err
	}
	bare, stopBare, err := b.null(ctx, "--bare")
	if err != nil {
		return nil, err
	}
	rates := make(map[string][]float64)
	for range b.cfg.Rounds {
		for name, addr := range map[string]string{"ours": strings.TrimPrefix(srv.URL, "http://"), "null": null, "bare": bare} {
			rate, err := hammer(ctx, addr)
			if err != nil {
				return nil, err
			}
			rates[name] = append(rates[name], rate)
		}
	}
	if err := errors.Join(stopNull(), stopBare(), stop()); err != nil {
		return nil, err
	}
	o, n, r := median(rates["ours"]), median(rates["null"]), median(rates["bare"])
	f := figure{name: "one-row inserts, durable, 32 connections", got: fmt.Sprintf("%.0f/s", o),
		against: fmt.Sprintf("the same stack, null handler %.0f/s", n), ratio: o / n, bar: 0.5}
	plain := f
	plain.against, plain.ratio, plain.bar = fmt.Sprintf("bare router, null handler %.0f/s", r), o/r, 0
	return []figure{f, plain}, nil
}

// null starts a server that does nothing, and gives its address.
func (b *bench) null(ctx context.Context, flags ...string) (addr string, stop func() error, err error) {
	cmd := exec.CommandContext(ctx, b.cfg.Program, append([]string{"bench", "null"}, flags...)...)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	if addr, err = bufio.NewReader(pipe).ReadString('\n'); err != nil {
		return "", nil, fmt.Errorf("start the null server: %w", err)
	}
	return strings.TrimSpace(addr), func() error {
		err := cmd.Process.Kill()
		_ = cmd.Wait() // ended by our own kill
		return err
	}, nil
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
		body = rig.AppendEvent(body[:0], id*1_000_000+n)
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

// Null serves an insert that reads its body and answers, on the API's own stack, or, if bare, on no more than a router and
// net/http. It prints its address and runs until it is killed.
func Null(ctx context.Context, bare bool, out io.Writer) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, l.Addr())
	if bare {
		return http.Serve(l, bareNull())
	}
	log, d := slog.New(slog.DiscardHandler), config.Default().Timeouts
	null := httpapi.NewNull(httpapi.DefaultConfig(), httpapi.Deps{Log: log, Registry: prometheus.NewRegistry(),
		Keys: account.New(map[secret.String]string{rig.Key: "1"})})
	return httpapi.NewHTTPServer(null, httpapi.Timeouts{Header: d.Header, Read: d.Read, Idle: d.Idle}, log).Serve(l)
}

func bareNull() http.Handler {
	r := chi.NewRouter()
	r.Post("/api/data/insert/{table}", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"rows":1,"receipt":"01JABCDEFGHJKMNPQRSTVWXYZ0"}`+"\n") // the client counts answers
	})
	return r
}
