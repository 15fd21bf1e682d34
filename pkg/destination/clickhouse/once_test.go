package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ClickHouse/ch-go/compress"

	"github.com/scratchdata/scratchdata/pkg/destination"
	"github.com/scratchdata/scratchdata/pkg/destination/destinationtest"
	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/rowid"
	"github.com/scratchdata/scratchdata/pkg/schema"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

func tableOf(t *testing.T, name string) schema.Table {
	t.Helper()
	table, err := schema.ParseTable(name)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// manyRows makes a batch of n rows.
func manyRows(n int) destination.Batch { return wideRows(n, 0) }

// wideRows makes a batch of n rows that are so many bytes longer.
func wideRows(n, more int) destination.Batch {
	rows := make([]string, n)
	pad := strings.Repeat(".", more)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"n":%d,"s":"row %d of needle%s"}`, i, i, pad)
	}
	return destinationtest.Batch(rowid.NewSource(), rows...)
}

// after gives b's rows and does something when so many bytes of them were read.
func after(b destination.Batch, bytes int, do func()) destination.Batch {
	open := b.Open
	b.Open = func(ctx context.Context) (io.ReadCloser, error) {
		r, err := open(ctx)
		return &tripwire{r, bytes, do}, err
	}
	return b
}

type tripwire struct {
	io.ReadCloser
	left int
	do   func()
}

func (w *tripwire) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p[:min(len(p), 4<<10)])
	if w.left -= n; w.left <= 0 && w.do != nil {
		w.do()
		w.do = nil
	}
	return n, err
}

// faulty opens a destination behind a proxy, with the table events in it.
func faulty(t *testing.T, server servertest.ClickHouseServer, protocol, create string) (*Destination, *servertest.Proxy, schema.Table) {
	t.Helper()
	server = server.Fresh(t)
	port := server.TCP
	if protocol == overHTTP {
		port = server.HTTP
	}
	proxy := servertest.NewProxy(t, fmt.Sprintf("%s:%d", server.Host, port))
	cfg := configOf(server)
	cfg.Hosts, cfg.Protocol = Hosts{proxy.Addr()}, protocol
	d := openWith(t, cfg)
	table := tableOf(t, "events")
	if create != "" {
		mustExec(t, d, create)
		return d, proxy, table
	}
	if err := d.CreateTable(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	cols := []schema.Column{{Name: "n", Kind: schema.Int}, {Name: "s", Kind: schema.Text}}
	if err := d.AddColumns(t.Context(), table, cols); err != nil {
		t.Fatal(err)
	}
	return d, proxy, table
}

func wantAnswer(t *testing.T, d *Destination, sql string, want ...string) {
	t.Helper()
	var got destinationtest.Rows
	if err := d.Query(t.Context(), sql, nil, &got); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if strings.Join(got.Rows, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\n got %q\nwant %q", sql, got.Rows, want)
	}
}

func wantOnce(t *testing.T, d *Destination, n int) {
	t.Helper()
	wantAnswer(t, d, "SELECT count(), uniqExact(__row_id), uniqExact(n), max(n) FROM events", fmt.Sprintf("%d|%d|%d|%d", n, n, n, n-1))
}

// Tables that people made, which do not know the blocks that they have had.
const (
	forgetful = "CREATE TABLE events (__row_id String, n Int64, s String) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 0"
	logLike   = "CREATE TABLE events (__row_id String, n Int64, s String) ENGINE = StripeLog"
)

func TestLoadIsOnceWhateverIsLost(t *testing.T) {
	const n, more = 20_000, 1000 // more than the driver reads ahead
	server := servertest.ClickHouse(t)
	for _, protocol := range []string{native, overHTTP} {
		for name, create := range map[string]string{"own": "", "forgetful": forgetful, "log": logLike} {
			t.Run(protocol+" "+name, func(t *testing.T) {
				t.Run("cut in the middle", func(t *testing.T) {
					d, proxy, table := faulty(t, server, protocol, create)
					b := wideRows(n, more)
					did, err := d.Load(t.Context(), table, after(b, 12<<20, func() {
						proxy.Refuse(true)
						proxy.Cut()
					}))
					proxy.Refuse(false)
					if err == nil {
						t.Fatalf("got %+v, want an error", did)
					}
					wantAnswer(t, d, "SELECT count() FROM events", "0")
					wantLoaded(t, d, table, b, n)
				})
				t.Run("the answer is lost", func(t *testing.T) {
					d, proxy, table := faulty(t, server, protocol, create)
					b := manyRows(10)
					met := proxy.CutAfter("of needle")
					if did, err := d.Load(t.Context(), table, b); err == nil {
						t.Fatalf("got %+v, want an error", did)
					}
					<-met
					wantAnswer(t, d, "SELECT count() IN (0, 10) FROM events", "1")
					wantLoaded(t, d, table, b, 10)
				})
				t.Run("the ledger is not written", func(t *testing.T) {
					d, _, table := faulty(t, server, protocol, create)
					b := manyRows(10)
					if err := d.makeLedger(t.Context()); err != nil {
						t.Fatal(err)
					}
					mustExec(t, d, "ALTER TABLE "+ledgerTable+" ADD CONSTRAINT full CHECK state != 'loaded'")
					if did, err := d.Load(t.Context(), table, b); err == nil {
						t.Fatalf("got %+v, want an error", did)
					}
					wantOnce(t, d, 10)
					mustExec(t, d, "ALTER TABLE "+ledgerTable+" DROP CONSTRAINT full")
					wantLoaded(t, d, table, b, 10)
				})
				t.Run("an old connection has ended", func(t *testing.T) {
					d, proxy, table := faulty(t, server, protocol, create)
					proxy.Cut()
					wantLoaded(t, d, table, manyRows(10), 10)
				})
			})
		}
	}
}

func mustExec(t *testing.T, d *Destination, sql string) {
	t.Helper()
	if err := exec(t.Context(), d, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// wantLoaded loads b, which has n rows, twice, and expects each row once.
func wantLoaded(t *testing.T, d *Destination, table schema.Table, b destination.Batch, n int) {
	t.Helper()
	for range 2 {
		if did, err := d.Load(t.Context(), table, b); err != nil || did.Rows != int64(n) {
			t.Errorf("got %+v, %v, want %d rows", did, err, n)
		}
		wantOnce(t, d, n)
	}
}

// TestServerKnowsBatch: the token alone keeps a batch from being there twice, also from two processes at once.
func TestServerKnowsBatch(t *testing.T) {
	server := servertest.ClickHouse(t)
	for _, protocol := range []string{native, overHTTP} {
		t.Run(protocol, func(t *testing.T) {
			d, _, table := faulty(t, server, protocol, "")
			b := manyRows(1000)
			wantLoaded(t, d, table, b, 1000)
			mustExec(t, d, "TRUNCATE TABLE "+ledgerTable)
			wantLoaded(t, d, table, b, 1000)

			other := manyRows(1000)
			var loads sync.WaitGroup
			for range 4 {
				one := openWith(t, d.cfg)
				loads.Go(func() {
					if did, err := one.Load(t.Context(), table, other); err != nil || did.Rows != 1000 {
						t.Errorf("got %+v, %v, want 1000 rows", did, err)
					}
				})
			}
			loads.Wait()
			wantAnswer(t, d, "SELECT count(), uniqExact(__row_id) FROM events", "2000|2000")
		})
	}
}

// TestLoadInPieces: what came into the table before a failure stays, and what comes after it is what is missing, also when the
// table has got another column meanwhile.
func TestLoadInPieces(t *testing.T) {
	server := servertest.ClickHouse(t)
	for name, create := range map[string]string{"own": "", "forgetful": forgetful,
		"defaults": "CREATE TABLE events (__row_id String, n Int64 DEFAULT 7, s String) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 100"} {
		t.Run(name, func(t *testing.T) {
			const n = 30_000
			d, proxy, table := faulty(t, server, native, create)
			d.pieceBytes = 300_000
			b := manyRows(n)
			did, err := d.Load(t.Context(), table, after(b, 1<<20, func() {
				proxy.Refuse(true)
				proxy.Cut()
			}))
			proxy.Refuse(false)
			if err == nil {
				t.Fatalf("got %+v, want an error", did)
			}
			wantAnswer(t, d, "SELECT count() > 0 AND count() < 30000 FROM events", "1")
			if err := d.AddColumns(t.Context(), table, []schema.Column{{Name: schema.BatchFile, Kind: schema.Text}}); err != nil {
				t.Fatal(err)
			}
			wantLoaded(t, d, table, b, n)
		})
	}
}

func TestPieces(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		size     int
		want     []string
	}{
		{"nothing", "", 3, nil},
		{"one", "a\nb\n", 100, []string{"a\nb\n"}},
		{"in a line", "aaaa\nbb\nc\n", 2, []string{"aaaa\n", "bb\n", "c\n"}},
		{"at a line's end", "aa\nbb\n", 3, []string{"aa\nbb\n"}},
		{"before a line's end", "aa\nbb\n", 2, []string{"aa\n", "bb\n"}},
		{"torn", "aa\nbb", 2, []string{"aa\n", "bb"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPieces(io.MultiReader(strings.NewReader(tt.in[:len(tt.in)/2]), strings.NewReader(tt.in[len(tt.in)/2:])), tt.size)
			var got []string
			for p.next() {
				text, err := io.ReadAll(p)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(text))
			}
			if strings.Join(got, "|") != strings.Join(tt.want, "|") || p.err != nil {
				t.Errorf("got %q, %v, want %q", got, p.err, tt.want)
			}
		})
	}
	lost := errors.New("the disk is gone")
	if p := newPieces(io.MultiReader(strings.NewReader(""), broken{lost}), 1); p.next() || !errors.Is(p.err, lost) {
		t.Errorf("got %v, want %v", p.err, lost)
	}
}

// broken is a reader that fails.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

func newIDs() *rowid.Source { return rowid.NewSource() }

// TestErrorAfterOKIsNotLoaded: over HTTP a server that has begun to answer says in the body that an INSERT has failed.
func TestErrorAfterOKIsNotLoaded(t *testing.T) {
	server := servertest.ClickHouse(t)
	const text = "Code: 469. DB::Exception: Constraint `few` for table d.events is violated. (VIOLATED_CONSTRAINT) (version 22.8.1.2097)"
	framed := compress.NewWriter(compress.LevelZero, compress.LZ4)
	if err := framed.Compress([]byte(text + "\n")); err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{"in words": text + "\n", "in a frame": string(framed.Data)} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Value
			pass := servertest.NewHTTPProxy(t, fmt.Sprintf("http://%s:%d", server.Host, server.HTTP))
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err == nil && bytes.Contains(body, []byte("of needle")) {
					asked.Store(r.URL.Query().Get("send_progress_in_http_headers") + r.URL.Query().Get("wait_end_of_query"))
					_, _ = io.WriteString(w, says) // after 200 OK
					return
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
				pass.ServeHTTP(w, r)
			}))
			defer front.Close()
			cfg := configOf(server.Fresh(t))
			cfg.Protocol, cfg.Hosts = overHTTP, Hosts{front.Listener.Addr().String()}
			d, table := openWith(t, cfg), tableOf(t, "events")
			if err := d.CreateTable(t.Context(), table); err != nil {
				t.Fatal(err)
			}
			if err := d.AddColumns(t.Context(), table, []schema.Column{{Name: "s", Kind: schema.Text}}); err != nil {
				t.Fatal(err)
			}
			b := destinationtest.Batch(rowid.NewSource(), `{"s":"a row of needle"}`)
			for range 2 { // the second one would be told by the ledger that it is there
				did, err := d.Load(t.Context(), table, b)
				if !errors.Is(err, fault.Unprocessable) || !strings.Contains(fault.TextOf(err), "few") {
					t.Errorf("got %+v, %v, want fault.Unprocessable with the server's words", did, err)
				}
			}
			wantAnswer(t, d, "SELECT count() FROM "+ledgerTable+" WHERE state = 'loaded'", "0")
			if got := asked.Load(); got != "01" {
				t.Errorf("got %v, want that the server is told to say nothing before it has done all", got)
			}
		})
	}
}

// TestTornRowsAreNotLoaded: what was sent before the rows turned out to be torn does not stay.
func TestTornRowsAreNotLoaded(t *testing.T) {
	server := servertest.ClickHouse(t)
	for _, protocol := range []string{native, overHTTP} {
		t.Run(protocol, func(t *testing.T) {
			d, _, table := faulty(t, server, protocol, "")
			lost := errors.New("the disk is gone")
			for _, rows := range []int{1, maxRows, maxRows + 1, 3 * maxRows, 100_000} {
				b := manyRows(rows)
				torn, open := b, b.Open
				torn.Open = func(ctx context.Context) (io.ReadCloser, error) {
					r, err := open(ctx)
					return io.NopCloser(io.MultiReader(r, broken{lost})), err
				}
				for range 5 {
					if did, err := d.Load(t.Context(), table, torn); !errors.Is(err, lost) {
						t.Fatalf("%d rows: got %+v, %v, want %v", rows, did, err, lost)
					}
				}
				wantAnswer(t, d, "SELECT count() FROM events", "0")
			}
		})
	}
}
