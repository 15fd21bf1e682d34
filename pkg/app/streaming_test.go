package app

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/result"
)

// download reads the whole answer to sql, which must have rows rows.
func (c *client) download(sql, format string, rows int) {
	c.t.Helper()
	req, err := http.NewRequest(http.MethodPost, c.url+"/api/data/query?format="+format, strings.NewReader(sql))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer local")
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	n, err := io.Copy(io.Discard, resp.Body)
	got := resp.Trailer.Get("X-Scratch-Rows") + " " + resp.Trailer.Get("X-Scratch-Status")
	if want := strconv.Itoa(rows) + " complete"; err != nil || resp.StatusCode != http.StatusOK || got != want {
		c.t.Fatalf("%s: got %d, %d bytes, trailers %q, %v, want %q", format, resp.StatusCode, n, got, err, want)
	}
}

// peak is the most memory that a process has had, in MiB: Go's, the engine's, and all else.
func peak(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		t.Skipf("this system does not tell a process's memory: %v", err)
	}
	defer f.Close() //nolint:errcheck // of a reader
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(text, "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return kb >> 10
		}
	}
	t.Fatal("a process without VmHWM")
	return 0
}

// raced reports whether the race detector is at work.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// TestTenMillionRowsNeedNoMoreMemoryThanOneMillion, in each format, by a process that does nothing else. A million rows are
// more than a row group of Parquet. The race detector takes seven times as long, and memory of its own: there it is two
// millions, and .ci/run has ten without it.
func TestTenMillionRowsNeedNoMoreMemoryThanOneMillion(t *testing.T) {
	few, many, most := 1_100_000, 10_000_000, 24
	if raced() {
		many, most = 2_200_000, 96
	}
	for _, f := range result.Formats() {
		t.Run(f.Name, func(t *testing.T) {
			c, cmd := spawn(t, t.TempDir())
			sql := "select i, 'row ' || (i %% 100) as s from range(%d) t(i)"
			c.download(fmt.Sprintf(sql, few), f.Name, few)
			first := peak(t, cmd)
			c.download(fmt.Sprintf(sql, many), f.Name, many)
			last := peak(t, cmd)
			t.Logf("%d MiB after %d rows, %d MiB after %d", first, few, last, many)
			if last-first > most {
				t.Errorf("%d rows needed %d MiB more than %d, want at most %d", many, last-first, few, most)
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			_ = cmd.Wait() // killed
		})
	}
}

// endless has more rows than anybody waits for, silent is a query of as long that has none before its end.
const (
	endless = "select i, 'row ' || i as s from range(1000000000000) t(i)"
	silent  = "select count(*) from range(1000000000) a(i), range(1000000000) b(i) where a.i * b.i = 7"
)

// observed is a server whose metrics are at hand.
type observed struct {
	*running
	metrics string
}

func observe(t *testing.T, more ...string) *observed {
	t.Helper()
	port := freePort(t)
	r := serve(t, load(t, environ(t.TempDir(), append(more, "SCRATCH_PROMETHEUS_PORT="+port)...)))
	return &observed{r, "http://127.0.0.1:" + port + "/metrics"}
}

// awaitRunning waits until n queries run. One has ended when the engine has: the driver's call returns after it.
func (o *observed) awaitRunning(n int) {
	o.t.Helper()
	var got float64
	ok := until(o.t, func() bool {
		_, text := get(o.t, o.metrics, "", "")
		if !strings.Contains(text, `scratchdata_queries_running{destination="1"}`) {
			return n == 0 // nobody has asked it anything yet
		}
		got = metric(o.t, text, `scratchdata_queries_running{destination="1"}`)
		return got == float64(n)
	})
	if !ok {
		o.t.Fatalf("%v queries run, want %d", got, n)
	}
}

// dial asks sql on a connection of its own, by a request that is written by hand.
func (o *observed) dial(sql, format, coding string) *net.TCPConn {
	o.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(o.url, "http://"))
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { _ = c.Close() }) // closed already, in most tests
	_, err = fmt.Fprintf(c, "POST /api/data/query?format=%s HTTP/1.1\r\nHost: x\r\nX-API-Key: local\r\nAccept-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s",
		format, coding, len(sql), sql)
	if err != nil {
		o.t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// firstBytes reads the header of an answer and the begin of its body.
func firstBytes(t *testing.T, c net.Conn) (answer *bufio.Reader, header, body string) {
	t.Helper()
	answer = bufio.NewReader(c)
	for !strings.HasSuffix(header, "\r\n\r\n") {
		line, err := answer.ReadString('\n')
		if header += line; err != nil {
			t.Fatalf("got %q and then %v, want a header", header, err)
		}
	}
	first := make([]byte, 16)
	if _, err := io.ReadFull(httputil.NewChunkedReader(answer), first); err != nil {
		t.Fatalf("after %q: %v", header, err)
	}
	return answer, header, string(first)
}

// TestFirstBytesLeaveWhileTheQueryRuns, in each format and coding; and a reader that then goes away ends the query.
func TestFirstBytesLeaveWhileTheQueryRuns(t *testing.T) {
	o := observe(t)
	begins := map[string]string{"json": "[\n{\"i\":0,\"s\":\"ro", "ndjson": "{\"i\":0,\"s\":\"row ", "csv": "i,s\r\n0,row 0\r\n1,", "parquet": "PAR1", "arrow": "\xff\xff\xff\xff",
		"gzip": "\x1f\x8b", "zstd": "\x28\xb5\x2f\xfd"}
	for _, coding := range []string{"identity", "gzip", "zstd"} {
		for _, f := range result.Formats() {
			if coding != "identity" && f.Name == "parquet" {
				continue // its first bytes wait for a million rows, which is long enough once
			}
			t.Run(coding+" "+f.Name, func(t *testing.T) {
				c := o.dial(endless, f.Name, coding)
				want := begins[coding]
				if coding == "identity" {
					want = begins[f.Name]
				}
				if _, header, got := firstBytes(t, c); !strings.HasPrefix(header, "HTTP/1.1 200 ") || !strings.HasPrefix(got, want) {
					t.Errorf("got %q %q, want the begin %q", header, got, want)
				}
				o.awaitRunning(1) // it has 10^12 rows to go
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
				o.awaitRunning(0)
			})
		}
	}
	o.mustStop() // which waits for whatever the engine still does
}

// TestReadersThatGoAwayEndTheirQueries, also before there is a row, and more of them than may run at a time.
func TestReadersThatGoAwayEndTheirQueries(t *testing.T) {
	o := observe(t)
	for name, sql := range map[string]string{"after the first row": endless, "before the first row": silent} {
		t.Run(name, func(t *testing.T) {
			const places = 8 // query.concurrent, and the engine's connections
			for range 2 {
				var conns []net.Conn
				for range places {
					conns = append(conns, o.dial(sql, "csv", "identity"))
				}
				o.awaitRunning(places)
				for _, c := range conns {
					if err := c.Close(); err != nil {
						t.Fatal(err)
					}
				}
				o.awaitRunning(0)
			}
			o.query("select 1 as one", "one\n1\n")
		})
	}
	o.mustStop()
}

// TestReadersThatStallEndTheirQueries: whoever takes nothing for as long as timeouts.write is cut off, and what he finds when
// he reads on is no whole answer.
func TestReadersThatStallEndTheirQueries(t *testing.T) {
	o := observe(t, "SCRATCH_TIMEOUTS_WRITE=300ms")
	for _, f := range result.Formats() {
		t.Run(f.Name, func(t *testing.T) {
			c := o.dial(endless, f.Name, "identity")
			answer, _, _ := firstBytes(t, c) // so it runs
			o.awaitRunning(0)
			rest, err := io.ReadAll(answer)
			if bytes.HasSuffix(rest, []byte("\r\n0\r\n\r\n")) || bytes.Contains(rest[max(0, len(rest)-200):], []byte("X-Scratch-Status")) {
				t.Errorf("the answer ends with %q, %v, want no end", rest[max(0, len(rest)-50):], err)
			}
		})
	}
	o.mustStop()
}
