package httpapi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/ingest"
)

// probe is a request whose answer shows that the connection goes on where the body before it ended.
const probe = "GET /healthcheck HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

// smuggled is a whole insert that hides in another request's body: it must never be run.
const smuggled = "POST /api/data/insert/smuggled HTTP/1.1\r\nHost: x\r\nX-API-Key: " + keyOne + "\r\nContent-Length: 8\r\n\r\n" + row

// answersTo gives all that the server answers to text until it closes the connection. A client that ends its side seems
// to leave, so it does so only where text is cut.
func (p *plant) answersTo(text string, cut bool) (all []reply) {
	p.t.Helper()
	c := p.dial(text)
	if cut {
		_ = c.CloseWrite() // fails when the server has closed the connection already
	}
	for in := bufio.NewReader(c); ; {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return all // the end, or a reset because the server left some of text unread
		}
		b, err := io.ReadAll(resp.Body)
		all = append(all, reply{resp.StatusCode, resp.Header, string(b), resp.Trailer, errors.Join(err, resp.Body.Close())})
	}
}

func statuses(all []reply) (s []int) {
	for _, r := range all {
		s = append(s, r.status)
	}
	return s
}

// framed are bytes on a connection, and the statuses of the answers to them.
type framed struct {
	name, text string
	want       []int
}

// wantRows checks that of all inserts rows arrive in t, and none of those that were smuggled.
func (p *plant) wantRows(rows int) {
	p.t.Helper()
	p.ship()
	p.load()
	p.insert("last?wait=true", row) // batches are loaded in the order of their rows, or in vain waited for below
	p.await(fmt.Sprintf("%d rows arrive", rows), func() bool { return p.one.Count("t") >= rows })
	if got := p.one.Count("t"); got != rows {
		p.t.Errorf("%d rows arrived, want %d", got, rows)
	}
	if got := p.one.Count("smuggled"); got != 0 {
		p.t.Errorf("%d rows of smuggled inserts arrived", got)
	}
}

// Each of these is one insert of one row, and leaves the connection ready for the next request.
func TestChunkedBodies(t *testing.T) {
	p := newPlant(t, setup{})
	all := fmt.Sprintf("%x", rowLen)
	var tiny strings.Builder
	for _, c := range row {
		fmt.Fprintf(&tiny, "1\r\n%c\r\n", c)
	}
	many := "1000\r\n" + strings.Repeat(" ", 0x1000) + "\r\n"
	cases := []framed{
		{"one chunk", all + "\r\n" + row + "\r\n0\r\n\r\n", nil},
		{"tiny chunks", tiny.String() + "0\r\n\r\n", nil},
		{"thousands of chunks", strings.Repeat("1\r\n \r\n", 5_000) + all + "\r\n" + row + "\r\n0\r\n\r\n", nil},
		{"upper and lower case", "1F\r\n" + strings.Repeat("\n", 0x1f) + "\r\n1f\r\n" + strings.Repeat("\n", 0x1f) + "\r\n" + chunks(row), nil},
		{"zeros ahead", "0000000" + all + "\r\n" + row + "\r\n0000\r\n\r\n", nil},
		{"large chunks", strings.Repeat(many, 20) + chunks(row), nil},
		{"extension", all + ";a\r\n" + row + "\r\n0;b=c\r\n\r\n", nil},
		{"quoted extension", all + `;a="x;y z\"";b` + "\r\n" + row + "\r\n0\r\n\r\n", nil},
		{"trailers", all + "\r\n" + row + "\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n", nil},
		{"trailers that are none", all + "\r\n" + row + "\r\n0\r\nContent-Encoding: br\r\nX-API-Key: " + noKey + "\r\nContent-Length: 900\r\n\r\n", nil},
	}
	heads := []string{"Transfer-Encoding: chunked", "transfer-encoding: Chunked\r\nTrailer: X-Sum\r\nContent-Type: text/plain"}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			for _, head := range heads {
				got := p.answersTo(insertHead(head)+tt.text+probe, false)
				if !slices.Equal(statuses(got), []int{200, 200}) || !strings.Contains(got[0].body, `"rows":1,`) {
					t.Errorf("got %+v, want one row and the probe's answer", got)
				}
			}
		})
	}
	p.wantRows(len(cases) * len(heads))
}

// A body whose chunks are no chunks is refused whole, and nothing after it is read as a request.
func TestMalformedChunks(t *testing.T) {
	p := newPlant(t, small())
	one := fmt.Sprintf("%x\r\n%s\r\n", rowLen, row)
	for _, tt := range []struct{ name, body, code string }{
		{"negative", one + "-1\r\n" + row, "bad_transfer_encoding"},
		{"plus", one + "+8\r\n" + row + "\r\n0\r\n\r\n", "bad_transfer_encoding"},
		{"with its base", "0x8\r\n" + row + "\r\n0\r\n\r\n", "bad_transfer_encoding"},
		{"no hexadecimal", one + "g\r\n" + row, "bad_transfer_encoding"},
		{"no size", one + "\r\n" + row + "\r\n0\r\n\r\n", "bad_transfer_encoding"},
		{"no size before an extension", one + ";a=b\r\n" + row + "\r\n0\r\n\r\n", "bad_transfer_encoding"},
		{"space ahead", one + " 8\r\n" + row + "\r\n0\r\n\r\n", "bad_transfer_encoding"},
		{"space within", one + "0 8\r\n" + row + "\r\n0\r\n\r\n", "bad_transfer_encoding"},
		{"zero byte", one + "8\x00\r\n" + row + "\r\n0\r\n\r\n", "bad_transfer_encoding"},
		{"over 64 bits", one + "10000000000000008\r\n" + row + "\r\n0\r\n\r\n", "bad_transfer_encoding"},
		{"largest", "ffffffffffffffff\r\n" + row + "\r\n0\r\n\r\n", "truncated_body"},
		{"largest that has a sign", "7fffffffffffffff\r\n" + row + "\r\n0\r\n\r\n", "truncated_body"},
		{"line feed alone after a size", one + "8\n" + row + "\r\n0\r\n\r\n", "bad_transfer_encoding"},
		{"carriage return alone after a size", one + "8\r" + row + "\r\n0\r\n\r\n", "bad_transfer_encoding"},
		{"line feed in an extension", one + "8;a\nb\r\n" + row + "\r\n0\r\n\r\n", "bad_transfer_encoding"},
		{"line feed alone after data", "8\r\n" + row + "\n0\r\n\r\n", "bad_transfer_encoding"},
		{"nothing after data", "8\r\n" + row + "0\r\n\r\n", "bad_transfer_encoding"},
		{"shorter than it says", one + "9\r\n" + row + "\r\n0\r\n\r\n", "bad_transfer_encoding"},
		{"long extension", one + "8;" + strings.Repeat("a", 10_000) + "\r\n" + row + "\r\n0\r\n\r\n", "bad_transfer_encoding"},
		{"more extensions than data", strings.Repeat("1;"+strings.Repeat("a", 1_000)+"\r\n \r\n", 50) + one + "0\r\n\r\n", "bad_transfer_encoding"},
		{"trailer of no name", one + "0\r\nno trailer\r\n\r\n", "bad_transfer_encoding"},
		{"long trailer", one + "0\r\nX-A: " + strings.Repeat("a", 10_000) + "\r\n\r\n", "bad_transfer_encoding"},
		{"no chunk at all", row + row, "bad_transfer_encoding"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			got := p.answersTo(insertHead("Transfer-Encoding: chunked")+tt.body+smuggled, true)
			if len(got) != 1 {
				t.Fatalf("got %+v, want one answer", got)
			}
			wantProblem(t, got[0], http.StatusBadRequest, tt.code)
			p.wantNothingStored()
			p.wantAlive()
		})
	}
	for i, cut := range []string{"", "8", "8\r", "8\r\n", "8\r\n" + row[:4], "8\r\n" + row, "8\r\n" + row + "\r", one, one + "0", one + "0\r",
		one + "0\r\n", one + "0\r\n\r", one + "0\r\nX-A: b\r\n"} {
		t.Run(fmt.Sprintf("cut after %q", cut), func(t *testing.T) {
			p.in(t)
			code := "truncated_body"
			if i >= 10 { // in the trailers, where net/http has words of its own
				code = "bad_transfer_encoding"
			}
			wantProblem(t, p.answerTo(insertHead("Transfer-Encoding: chunked")+cut), http.StatusBadRequest, code)
			p.wantNothingStored()
			p.wantAlive()
		})
	}
	p.wantOnlyNext(t)
}

// Where a body ends by its length, the next request begins; a request whose end is not sure is the last one.
func TestLengths(t *testing.T) {
	p := newPlant(t, setup{})
	head := func(headers string) string { return insertHead("X-A: b\r\n" + headers) }
	cl := func(n int) string { return fmt.Sprintf("Content-Length: %d", n) }
	const te = "Transfer-Encoding: chunked"
	one := chunks(row)
	bad, rows := []int{400}, 0
	for _, tt := range []framed{
		{"as long as it says", head(cl(rowLen)) + row + probe, []int{200, 200}},
		{"longer than it says", head(cl(rowLen)) + row + row + row, []int{200, 400}},
		{"no body", head(cl(0)) + probe, []int{400, 200}},
		{"no body, but a question whether to send it", head("Expect: 100-continue\r\n"+cl(0)) + probe, []int{400, 200}},
		{"no length is no body", head("X-C: d") + probe, []int{400, 200}},
		{"no length, but rows", head("X-C: d") + row + row, []int{400, 400}},
		{"the same twice", head(cl(rowLen)+"\r\n"+cl(rowLen)) + row + probe, []int{200, 200}},
		{"two lengths", head(cl(rowLen)+"\r\n"+cl(2*rowLen)) + row + smuggled, bad},
		{"two lengths, the long one first", head(cl(2*rowLen)+"\r\n"+cl(rowLen)) + row + smuggled, bad},
		{"two lengths in a line", head("Content-Length: 8, 8") + row + smuggled, bad},
		{"negative", head(cl(-1)) + row + smuggled, bad},
		{"plus", head("Content-Length: +8") + row + smuggled, bad},
		{"hexadecimal", head("Content-Length: 0x8") + row + smuggled, bad},
		{"fraction", head("Content-Length: 8.0") + row + smuggled, bad},
		{"exponent", head("Content-Length: 8e0") + row + smuggled, bad},
		{"words", head("Content-Length: eight") + row + smuggled, bad},
		{"nothing", head("Content-Length:") + row + smuggled, bad},
		{"space within", head("Content-Length: 0 8") + row + smuggled, bad},
		{"over 64 bits", head("Content-Length: 18446744073709551624") + row + smuggled, bad},
		{"over 63 bits", head("Content-Length: 9223372036854775808") + row + smuggled, bad},
		{"largest", head("Content-Length: 9223372036854775807") + row + smuggled, []int{413}},
		{"space before the colon", head("Content-Length : 8") + row + smuggled, bad},
		{"folded", head("Content-Length:\r\n 8") + row + probe, []int{200, 200}},
		{"chunked wins over a length", head(cl(5)+"\r\n"+te) + one + probe, []int{200, 200}},
		{"chunked wins over a longer length", head(te+"\r\n"+cl(len(one)+len(smuggled))) + one + probe, []int{200, 200}},
		{"chunked and a bad length", head(te+"\r\nContent-Length: -5") + one + smuggled, bad},
		{"chunked and two lengths", head(te+"\r\n"+cl(3)+"\r\n"+cl(5)) + one + smuggled, bad},
		{"unknown coding", head("Transfer-Encoding: gzip") + row + smuggled, []int{501}},
		{"unknown coding and chunked", head("Transfer-Encoding: gzip, chunked") + one + smuggled, []int{501}},
		{"no coding", head("Transfer-Encoding: identity\r\n"+cl(rowLen)) + row + smuggled, []int{501}},
		{"chunked twice", head(te+", chunked") + one + smuggled, []int{501}},
		{"chunked on two lines", head(te+"\r\n"+te) + one + smuggled, []int{501}},
		{"chunked and another on two lines", head(te+"\r\nTransfer-Encoding: identity\r\n"+cl(rowLen)) + row + smuggled, []int{501}},
		{"chunked almost", head("Transfer-Encoding: xchunked\r\n"+cl(rowLen)) + row + smuggled, []int{501}},
		{"chunked in quotes", head("Transfer-Encoding: \"chunked\"\r\n"+cl(rowLen)) + row + smuggled, []int{501}},
		{"chunked by no space of HTTP", head("Transfer-Encoding: \x0bchunked\r\n"+cl(rowLen)) + row + smuggled, bad},
		{"chunked with space before the colon", head("Transfer-Encoding : chunked\r\n"+cl(rowLen)) + row + smuggled, bad},
		{"chunked after a line feed", head("X-C: d\rTransfer-Encoding: chunked\r\n"+cl(rowLen)) + row + smuggled, bad},
		{"no coding in the coding", head("Transfer-Encoding:\r\n"+cl(rowLen)) + row + smuggled, []int{501}},
		{"refused before its body is read", strings.Replace(head(cl(len(smuggled))), keyOne, noKey, 1) + smuggled + probe, []int{401, 200}},
		{"refused before its chunks are read", strings.Replace(head(te), keyOne, noKey, 1) + chunks(smuggled) + probe, []int{401, 200}},
		{"refused with a request for its body", head(cl(len(smuggled))) + smuggled + probe, []int{400, 200}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			got := p.answersTo(tt.text, false)
			if !slices.Equal(statuses(got), tt.want) {
				t.Errorf("got %v: %+v, want %v", statuses(got), got, tt.want)
			}
			p.wantAlive()
		})
		if tt.want[0] == 200 {
			rows++
		}
	}
	p.wantRows(rows)
}

// A body that is cut while its coding is looked at is told so as well, whatever the decoder makes of it.
func TestCutInACoding(t *testing.T) {
	p := newPlant(t, small())
	long := skippable(strings.Repeat(" ", 1_000))
	for name, body := range map[string]string{
		"in a skippable frame":    long[:500],
		"in a frame after a row":  zstded(t, row) + long[:500],
		"in the mark of a frame":  zstded(t, row) + long[:2],
		"right after a frame":     zstded(t, row),
		"in the head of a frame":  zstded(t, row)[:5],
		"before the first byte":   "",
		"in a block":              zstdFrame(0, zstdBlock(blockRaw, 100, 1, row)),
		"in a compressed block":   zstdFrame(0, zstdBlock(blockCompressed, 100, 1, row)),
		"between blocks":          zstdFrame(0, zstdBlock(blockRaw, rowLen, 0, row)),
		"in the sum of the frame": zstded(t, row)[:len(zstded(t, row))-2],
	} {
		t.Run(name, func(t *testing.T) {
			p.in(t)
			for _, text := range []string{"Content-Length: 3000\r\n\r\n" + body, "Transfer-Encoding: chunked\r\n\r\nfff\r\n" + body} {
				head := strings.TrimSuffix(insertHead("Content-Encoding: zstd"), "\r\n")
				wantProblem(t, p.answerTo(head+text), http.StatusBadRequest, "truncated_body")
				p.wantNothingStored()
			}
		})
	}
	p.wantOnlyNext(t)
}

// timed serves the plant's API by the server's own stack instead of the tests' one.
func (p *plant) timed(t Timeouts) {
	p.t.Helper()
	p.server.Close()
	timed := httptest.NewUnstartedServer(nil)
	timed.Config = NewHTTPServer(p.server.Config.Handler, t, p.logger)
	timed.Start()
	p.server = timed
}

// A body too small for a deadline of its own has the stack's: a client that stops is told so and nothing is kept.
func TestSlowSmallBodies(t *testing.T) {
	p := newPlant(t, setup{api: func(c *Config) { c.ReadTimeout = 50 * time.Millisecond }})
	p.timed(Timeouts{Header: patience, Read: 50 * time.Millisecond, Idle: patience})
	zipped := gzipped(t, row+row)
	for _, tt := range []struct{ name, headers, body, code string }{
		{"nothing comes", "Content-Length: 8", "", "slow_body"},
		{"half a row", "Content-Length: 8", row[:4], "slow_body"},
		{"all but a byte", "Content-Length: 9", row, "slow_body"},
		{"in the head of gzip", "Content-Encoding: gzip\r\nContent-Length: 50", zipped[:4], "slow_body"},
		{"in gzip", "Content-Encoding: gzip\r\nContent-Length: 500", zipped[:len(zipped)-5], "slow_body"},
		{"after gzip", "Content-Encoding: gzip\r\nContent-Length: 500", zipped, "slow_body"},
		{"in zstd", "Content-Encoding: zstd\r\nContent-Length: 500", zstded(t, row)[:10], "slow_body"},
		{"in a skippable frame", "Content-Encoding: zstd\r\nTransfer-Encoding: chunked", "500\r\n" + zstded(t, row) + skippable(row + row)[:12], "slow_body"},
		{"in a chunk's size", "Transfer-Encoding: chunked", "8", "slow_body"},
		{"before the last chunk", "Transfer-Encoding: chunked", "8\r\n" + row + "\r\n", "slow_body"},
		{"in the trailers", "Transfer-Encoding: chunked", "8\r\n" + row + "\r\n0\r\n", "bad_transfer_encoding"}, // in net/http's words
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			c := p.dial(insertHead(tt.headers) + tt.body)
			wantProblem(t, p.readReply(c), http.StatusBadRequest, tt.code)
			if more, err := io.ReadAll(c); len(more) > 0 || err != nil {
				t.Errorf("got %q and %v after the answer, want the end", more, err)
			}
			p.wantNothingStored()
			p.wantAlive()
		})
	}
	p.wantOnlyNext(t)
}

// Requests may come byte by byte, one after the other.
func TestByteByByte(t *testing.T) {
	p := newPlant(t, setup{})
	p.timed(Timeouts{Header: patience, Read: patience, Idle: patience})
	zipped := gzipped(t, row)
	c := p.dial("")
	in := bufio.NewReader(c)
	for _, text := range []string{
		insertHead(fmt.Sprintf("Content-Length: %d", rowLen)) + row,
		insertHead("Transfer-Encoding: chunked") + chunks(row),
		insertHead(fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d", len(zipped))) + zipped,
	} {
		for i := range len(text) {
			if _, err := io.WriteString(c, text[i:i+1]); err != nil {
				t.Fatal(err)
			}
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || err != nil {
			t.Errorf("got %d %s and %v, want 200", resp.StatusCode, b, err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	p.wantRows(3)
}

const interim = "HTTP/1.1 100 Continue\r\n\r\n"

// A client that asks first is told to go on, and sends its body only then.
func TestExpectContinue(t *testing.T) {
	p := newPlant(t, setup{})
	p.timed(Timeouts{Header: patience, Read: patience, Idle: patience})
	zipped := gzipped(t, row)
	cases := []struct{ name, headers, body string }{
		{"length", fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d", rowLen), row},
		{"chunks", "Expect: 100-continue\r\nTransfer-Encoding: chunked", chunks(row)},
		{"upper case", fmt.Sprintf("EXPECT: 100-CONTINUE\r\nContent-Length: %d", rowLen), row},
		{"gzip", fmt.Sprintf("Expect: 100-continue\r\nContent-Encoding: gzip\r\nContent-Length: %d", len(zipped)), zipped},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			c := p.dial(insertHead(tt.headers))
			got := make([]byte, len(interim))
			if n, err := io.ReadFull(c, got); err != nil || string(got) != interim {
				t.Fatalf("got %q and %v, want %q", got[:n], err, interim)
			}
			if _, err := io.WriteString(c, tt.body); err != nil {
				t.Fatal(err)
			}
			if r := p.readReply(c); decode[insertReply](t, r).Rows != 1 {
				t.Errorf("got %d %s, want one row", r.status, r.body)
			}
		})
	}
	p.wantRows(len(cases))
}

// What can be refused without its body is: nothing tells the client to go on, and what it sends is not read as a request.
func TestExpectRefused(t *testing.T) {
	p := newPlant(t, setup{api: func(c *Config) { c.MaxBody = 4_000 }})
	off := newPlant(t, setup{off: true})
	readOnly := newPlant(t, setup{api: func(c *Config) { c.ReadOnly = true }})
	full := newPlant(t, setup{ingest: func(c *ingest.Config) { c.FreeSpace = 1 << 62 }})
	const ask = "Expect: 100-continue\r\nContent-Length: 8"
	post := func(path, key, headers string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: x\r\nX-API-Key: " + key + "\r\n" + headers + "\r\n\r\n"
	}
	const insert = "/api/data/insert/t"
	for _, tt := range []struct {
		name, head string
		p          *plant
		status     int
	}{
		{"unknown key", post(insert, noKey, ask), p, 401},
		{"no key", post(insert, "", ask), p, 401},
		{"unknown key, chunked", post(insert, noKey, "Expect: 100-continue\r\nTransfer-Encoding: chunked"), p, 401},
		{"bad table", post("/api/data/insert/a%00b", keyOne, ask), p, 400},
		{"bad parameter", post(insert+"?ack=never", keyOne, ask), p, 400},
		{"no route", post("/api/data/insert/a/b", keyOne, ask), p, 404},
		{"other method", strings.Replace(post(insert, keyOne, ask), "POST", "PUT", 1), p, 405},
		{"too large", post(insert, keyOne, "Expect: 100-continue\r\nContent-Length: 4001"), p, 413},
		{"unknown coding", post(insert, keyOne, ask+"\r\nContent-Encoding: br"), p, 415},
		{"read-only", post(insert, keyOne, ask), readOnly, 403},
		{"uploads off", post(insert, keyOne, ask), off, 503},
		{"disk low", post(insert, keyOne, ask), full, 503},
		{"unknown expectation", post(insert, keyOne, "Expect: 200-ok\r\nContent-Length: 8"), p, 417},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.p.in(t)
			c := tt.p.dial(tt.head) // and nothing of the body
			in := bufio.NewReader(c)
			line, err := in.ReadString('\n')
			if want := fmt.Sprintf("HTTP/1.1 %d ", tt.status); err != nil || !strings.HasPrefix(line, want) {
				t.Fatalf("got %q and %v, want %s", line, err, want)
			}
			_, _ = io.WriteString(c, smuggled) // where the body would be; fails when the connection is closed, as it should be
			_ = c.CloseWrite()
			b, err := io.ReadAll(in)
			if strings.Contains(string(b), "HTTP/1.1") {
				t.Errorf("got %q and %v after the first line, want that answer alone", b, err)
			}
		})
	}
	p.wantRows(0)
}

func TestHTTP10(t *testing.T) {
	p := newPlant(t, setup{})
	post := func(headers string) string {
		return "POST /api/data/insert/t HTTP/1.0\r\nX-API-Key: " + keyOne + "\r\n" + headers + "\r\n\r\n"
	}
	const length = "Content-Length: 8"
	rows := 0
	for _, tt := range []framed{
		{"length", post(length) + row + probe, []int{200}},
		{"kept", post(length+"\r\nConnection: keep-alive") + row + probe, []int{200, 200}},
		{"asks first, which is not of its time", post(length+"\r\nExpect: 100-continue") + row, []int{200}},
		{"no length is no body", post("X-A: b") + row, []int{400}},
		{"cut", post("Content-Length: 9") + row, []int{400}},
		{"chunked, which is not of its time", post("Transfer-Encoding: chunked") + chunks(row) + smuggled, []int{400}},
		{"chunked and length", post(length+"\r\nTransfer-Encoding: chunked") + row + smuggled, []int{200}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			got := p.answersTo(tt.text, tt.name == "cut")
			if !slices.Equal(statuses(got), tt.want) {
				t.Errorf("got %v: %+v, want %v", statuses(got), got, tt.want)
			}
			p.wantAlive()
		})
		if tt.want[0] == 200 {
			rows++
		}
	}
	p.wantRows(rows)
}

// The body of a request that takes none is neither rows nor the next request.
func TestBodiesWhereNoneIsAskedFor(t *testing.T) {
	p := newPlant(t, setup{})
	ask := func(line, body string) string {
		head := line + " HTTP/1.1\r\nHost: x\r\nX-API-Key: " + keyOne + "\r\n"
		return head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body) + head + "Transfer-Encoding: chunked\r\n\r\n" + chunks(body) + probe
	}
	for _, tt := range []framed{
		{"health", ask("GET /healthcheck", smuggled), []int{200, 200, 200}},
		{"insert by GET", ask("GET /api/data/insert/t", row), []int{405, 405, 200}},
		{"insert by PUT", ask("PUT /api/data/insert/t", row), []int{405, 405, 200}},
		{"insert by another method", ask("PURGE /api/data/insert/t", smuggled), []int{405, 405, 200}},
		{"no route", ask("POST /nowhere", smuggled), []int{404, 404, 200}},
		{"receipt", ask("GET /api/receipts/x", smuggled), []int{400, 400, 200}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			got := p.answersTo(tt.text, false)
			if !slices.Equal(statuses(got), tt.want) {
				t.Errorf("got %v: %+v, want %v", statuses(got), got, tt.want)
			}
		})
	}
	p.wantNothingStored()
	p.wantRows(0)
}
