package httpapi

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// row is a row of rowLen bytes.
const (
	row    = `{"a":1}` + "\n"
	rowLen = len(row)
)

// gzippedBy is s in a gzip stream whose writer change made different.
func gzippedBy(t *testing.T, s string, level int, change func(*gzip.Writer)) string {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	change(w)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// compressed is s as a writer of compress leaves it.
func compressed(t *testing.T, s string, compress func(io.Writer) io.WriteCloser) string {
	t.Helper()
	var b bytes.Buffer
	w := compress(&b)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// changed is s with the byte at i, from the end when negative, changed.
func changed(s string, i int) string {
	b := []byte(s)
	b[(i+len(b))%len(b)] ^= 0x55
	return string(b)
}

// The kinds of zstd blocks.
const (
	blockRaw = iota
	blockRLE
	blockCompressed
	blockReserved
)

// zstdBlock is a block of size bytes, written by hand. It is the last one of a frame if last is 1.
func zstdBlock(kind, size, last int, content string) string {
	head := last | kind<<1 | size<<3
	return string([]byte{byte(head), byte(head >> 8), byte(head >> 16)}) + content
}

// zstdFrame is a frame with a window as its descriptor says.
func zstdFrame(window byte, blocks string) string {
	return "\x28\xb5\x2f\xfd\x00" + string(window) + blocks
}

// zstdSegment is a frame without a window of its own: that is as large as the content, said to be of size bytes.
func zstdSegment(size uint32, blocks string) string {
	return "\x28\xb5\x2f\xfd\xa0" + string(binary.LittleEndian.AppendUint32(nil, size)) + blocks
}

func rawBlock(s string) string { return zstdBlock(blockRaw, len(s), 1, s) }

// skippable is a zstd frame that holds nothing for the reader.
func skippable(s string) string {
	return "\x50\x2a\x4d\x18" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func TestAcceptedBodies(t *testing.T) {
	p := newPlant(t, setup{api: func(c *Config) { c.MaxBody, c.MaxDecoded = 4_000, 100_000 }})
	p.ship()
	p.load()
	atCap := strings.Repeat(row, 4_000/rowLen)
	full := strings.Repeat(row, 100_000/rowLen)
	windows := "{\"a\":1}\r\n\r\n{\"a\":2}\r\n \t\r\n\n\n{\"a\":3}"
	sum := 0
	for i, tt := range []struct {
		name, coding, typ, body string
		rows                    int
	}{
		{"lines from Windows", "", "application/x-ndjson", windows, 3},
		{"lines from Windows in gzip", "gzip", "", gzipped(t, "\ufeff"+windows+"\r\n"), 3},
		{"blank lines ahead", "", "", "\n\r\n\n" + row, 1},
		{"mark in gzip", "gzip", "", gzipped(t, "\ufeff"+row), 1},
		{"mark in a gzip member of its own", "gzip", "", gzipped(t, "\xef") + gzipped(t, "\xbb\xbf") + gzipped(t, row), 1},
		{"mark in zstd", "zstd", "", zstded(t, "\ufeff[{}]"), 1},
		{"upper case", "GZIP", "", gzipped(t, row), 1},
		{"mixed case", "ZStd", "", zstded(t, row), 1},
		{"old name", "x-gzip", "", gzipped(t, row), 1},
		{"upper case of none", "IDENTITY", "", row, 1},
		{"white space", " \tgzip\t ", "", gzipped(t, row), 1},
		{"a row in many members", "gzip", "", gzipped(t, `{"a"`) + gzipped(t, "") + gzipped(t, `:`) + gzipped(t, `1}`), 1},
		{"gzip stored", "gzip", "", gzippedBy(t, row, gzip.NoCompression, func(*gzip.Writer) {}), 1},
		{"gzip with a name", "gzip", "", gzippedBy(t, row, gzip.BestSpeed, func(w *gzip.Writer) { w.Name, w.Comment, w.Extra = "x.json", "c", []byte("xx") }), 1},
		{"zstd by hand", "zstd", "", zstdFrame(0, rawBlock(row)), 1},
		{"zstd of the largest window", "zstd", "", zstdFrame(13<<3, rawBlock(row)), 1},
		{"zstd frames", "zstd", "", zstded(t, `{"a"`) + zstded(t, `:1}`) + zstded(t, row), 2},
		{"zstd skippable frames", "zstd", "", skippable("{}") + zstded(t, row) + skippable("") + zstded(t, row) + skippable("{}"), 2},
		{"as large as allowed", "", "", atCap, 4_000 / rowLen},
		{"as large as allowed in gzip", "gzip", "", gzipped(t, full), 100_000 / rowLen},
		{"as large as allowed in members", "gzip", "", gzipped(t, full[:50_000]) + gzipped(t, full[50_000:]), 100_000 / rowLen},
		{"as large as allowed in zstd", "zstd", "", zstded(t, full), 100_000 / rowLen},
		{"form", "", "multipart/form-data; boundary=a", row, 1},
		{"picture", "", "image/png", row, 1},
		{"other charset", "", "application/json; charset=utf-16", `{"a":"é"}`, 1},
		{"no type at all", "", ";;;=\"", row, 1},
		{"compressed by its type", "", "application/gzip", row, 1},
		{"grpc", "", "application/grpc", row, 1},
	} {
		length := [...]string{"known", "chunked"}[i%2] // in turn: both for each would take twice as long and show nothing more
		t.Run(tt.name+" "+length, func(t *testing.T) {
			p.in(t)
			r := p.send("POST", "/api/data/insert/t", bodyOf(tt.body, length), "X-API-Key: "+keyOne, "Content-Encoding: "+tt.coding, "Content-Type: "+tt.typ)
			if r.status != http.StatusOK {
				t.Fatalf("got %d %s, want 200", r.status, r.body)
			}
			if got := decode[insertReply](t, r); got.Rows != tt.rows {
				t.Errorf("got %+v, want %d rows", got, tt.rows)
			}
			sum += tt.rows
		})
	}
	p.await(fmt.Sprintf("%d rows arrive", sum), func() bool { return p.one.Count("t") >= sum })
	if got := p.one.Count("t"); got != sum {
		t.Errorf("%d rows arrived, want %d", got, sum)
	}
}

// refusal is a body that must be refused, and why.
type refusal struct {
	name, headers, body string // headers are the lines of the head besides the length
	status              int
	code, detail        string
}

func (p *plant) wantRefused(t *testing.T, r refusal) {
	t.Helper()
	length := fmt.Sprintf("%s\r\nContent-Length: %d", r.headers, len(r.body))
	chunked := r.headers + "\r\nTransfer-Encoding: chunked"
	for _, text := range []string{insertHead(length) + r.body, insertHead(chunked) + chunks(r.body)} {
		got := wantProblem(t, p.readReply(p.dial(text)), r.status, r.code)
		if !strings.Contains(got.Detail, r.detail) || len(got.Detail) > 300 {
			t.Errorf("got detail %q, want %q in it", got.Detail, r.detail)
		}
		p.wantNothingStored()
		p.wantAlive()
	}
}

// chunks is s in one chunk, and the last one.
func chunks(s string) string {
	if s == "" {
		return "0\r\n\r\n"
	}
	return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(s), s)
}

// wantAlive checks that a new connection is answered.
func (p *plant) wantAlive() {
	p.t.Helper()
	if r := p.readReply(p.dial("GET /healthcheck HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")); r.status != http.StatusOK {
		p.t.Errorf("afterwards, the health check answers %d %s", r.status, r.body)
	}
}

func TestRefusedCodings(t *testing.T) {
	p := newPlant(t, small())
	const gz, zs, bad, unknown, json = "Content-Encoding: gzip", "Content-Encoding: zstd", "bad_content_encoding", "unknown_content_encoding", "invalid_json"
	good, goodZstd := gzipped(t, row), zstded(t, row)
	deflated := compressed(t, row, func(w io.Writer) io.WriteCloser { f, _ := flate.NewWriter(w, 1); return f })
	zlibbed := compressed(t, row, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })
	for _, tt := range []refusal{
		{"gzip of nothing", gz, gzipped(t, ""), 400, json, "at byte 0 (line 1): want an object or an array of objects, the body ends"},
		{"gzip of nothing many times", gz, strings.Repeat(gzipped(t, ""), 9), 400, json, "the body ends"},
		{"gzip of half a row", gz, gzipped(t, row[:4]), 400, json, "at byte 4"},
		{"gzip cut before its last byte", gz, good[:len(good)-1], 400, bad, "EOF"},
		{"gzip cut before its sum", gz, good[:len(good)-8], 400, bad, "EOF"},
		{"gzip cut in its head", gz, good[:9], 400, bad, "EOF"},
		{"gzip of a wrong sum", gz, changed(good, -8), 400, bad, "checksum"},
		{"gzip of a wrong size", gz, changed(good, -4), 400, bad, "checksum"},
		{"gzip of an unknown method", gz, changed(good, 2), 400, bad, "header"},
		{"gzip of a broken inside", gz, changed(good, 10), 400, bad, ""},
		{"gzip and zeros", gz, good + "\x00\x00\x00\x00", 400, bad, "EOF"},
		{"gzip and many zeros", gz, good + strings.Repeat("\x00", 512), 400, bad, "header"},
		{"gzip and a row", gz, good + row, 400, bad, ""},
		{"gzip and half a member", gz, good + good[:len(good)-3], 400, bad, "EOF"},
		{"gzip and a member of a wrong sum", gz, good + changed(good, -7), 400, bad, "checksum"},
		{"gzip and half a row in a member", gz, good + gzipped(t, `{"b":`), 400, json, "at byte 13 (line 2)"},
		{"gzip twice", gz, gzipped(t, good), 400, json, "at byte 0"},
		{"gzip that nobody announced", "X-A: b", good, 400, json, "at byte 0"},
		{"zstd that nobody announced", "X-A: b", goodZstd, 400, json, "at byte 0"},
		{"zstd said to be gzip", gz, goodZstd, 400, bad, "gzip"},
		{"gzip said to be zstd", zs, good, 400, bad, "zstd"},
		{"deflate said to be gzip", gz, deflated, 400, bad, ""},
		{"zlib said to be gzip", gz, zlibbed, 400, bad, "header"},
		{"zstd and half a frame", zs, goodZstd + goodZstd[:len(goodZstd)-3], 400, bad, ""},
		{"zstd and a row", zs, goodZstd + row, 400, bad, "magic"},
		{"zstd and a byte of a frame", zs, goodZstd + "\x28", 400, bad, "EOF"},
		{"zstd and three bytes of a frame", zs, goodZstd + "\x28\xb5\x2f", 400, bad, "EOF"},
		{"zstd and the mark of a frame", zs, goodZstd + "\x28\xb5\x2f\xfd", 400, bad, "EOF"},
		{"zstd of a wrong sum", zs, changed(goodZstd, -1), 400, bad, "CRC"},
		{"zstd cut before its last byte", zs, goodZstd[:len(goodZstd)-1], 400, bad, "EOF"},
		{"zstd cut before each block", zs, zstdFrame(0, ""), 400, bad, "EOF"},
		{"zstd without last block", zs, zstdFrame(0, zstdBlock(blockRaw, rowLen, 0, row)), 400, bad, "EOF"},
		{"zstd of an unknown block", zs, zstdFrame(0, zstdBlock(blockReserved, rowLen, 1, row)), 400, bad, "reserved"},
		{"zstd skippable alone", zs, skippable(row), 400, json, "the body ends"},
		{"zstd skippable cut", zs, goodZstd + skippable(row)[:9], 400, bad, "EOF"},
		{"zstd shorter than it says", zs, zstdSegment(100, rawBlock(row)), 400, bad, "size"},
		{"zstd longer than it says", zs, zstdSegment(2, rawBlock(row)), 400, bad, "size"},
		{"zstd with a dictionary", zs, "\x28\xb5\x2f\xfd\x01\x00\x07" + rawBlock(row), 400, bad, "dictionary"},
		{"zstd window a little too large", zs, zstdFrame(13<<3|1, rawBlock(row)), 400, bad, "window size"},
		{"zstd window too large", zs, zstdFrame(14<<3, rawBlock(row)), 400, bad, "window size"},
		{"zstd window far too large", zs, zstdFrame(0xff, rawBlock(row)), 400, bad, "window size"},
		{"zstd content too large for a window", zs, zstdSegment(maxWindow+1, rawBlock(row)), 400, bad, "exceed"},
		{"a coding of the web", "Content-Encoding: deflate", zlibbed, 415, unknown, `"deflate"`},
		{"a coding of old", "Content-Encoding: compress", row, 415, unknown, `"compress"`},
		{"a star", "Content-Encoding: *", row, 415, unknown, `"*"`},
		{"a weight", "Content-Encoding: gzip;q=1", good, 415, unknown, `"gzip;q=1"`},
		{"codings", "Content-Encoding: gzip, gzip", gzipped(t, good), 415, unknown, `"gzip, gzip"`},
		{"codings with none", "Content-Encoding: gzip, identity", good, 415, unknown, `"gzip, identity"`},
		{"codings on two lines", gz + "\r\n" + gz, gzipped(t, good), 415, unknown, `"gzip, gzip"`},
		{"a known and an unknown coding", gz + "\r\nContent-Encoding: br", good, 415, unknown, `"gzip, br"`},
		{"none and a coding", "Content-Encoding: identity\r\n" + gz, row, 415, unknown, `"identity, gzip"`},
		{"a long name", "Content-Encoding: " + strings.Repeat("x", 1_000), row, 415, unknown, `"` + strings.Repeat("x", 40) + `"`},
		{"a name that is not ASCII", "Content-Encoding: \u212Azip\xff", row, 415, unknown, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			p.wantRefused(t, tt)
		})
	}
	p.wantOnlyNext(t)
}

// wantOnlyNext checks that of all that was inserted into t, a last row alone arrives.
func (p *plant) wantOnlyNext(t *testing.T) {
	t.Helper()
	p.ship()
	p.load()
	p.insert("t?wait=true", row)
	if got := p.one.Count("t"); got != 1 {
		t.Errorf("%d rows arrived, want the last one alone", got)
	}
}

func TestTooLargeBodies(t *testing.T) {
	p := newPlant(t, small())
	const gz, zs, sent, decoded = "Content-Encoding: gzip", "Content-Encoding: zstd", "4000 bytes as sent", "100000 bytes after decompression"
	full := strings.Repeat(row, 100_000/rowLen)
	spaces := zstdBlock(blockRLE, 128<<10, 0, " ")
	for _, tt := range []refusal{
		{"a byte more", "X-A: b", strings.Repeat(row, 4_000/rowLen) + " ", 413, "body_too_large", sent},
		{"a byte more in gzip", gz, gzipped(t, full+" "), 413, "body_too_large", decoded},
		{"a byte more in a member of its own", gz, gzipped(t, full) + gzipped(t, "\n"), 413, "body_too_large", decoded},
		{"a byte more in zstd", zs, zstded(t, full+" "), 413, "body_too_large", decoded},
		{"a byte more in a frame of its own", zs, zstded(t, full) + zstded(t, "\n"), 413, "body_too_large", decoded},
		{"compressed, but too large as sent", gz, gzippedBy(t, row+strings.Repeat(" ", 4_000), gzip.NoCompression, func(*gzip.Writer) {}), 413, "body_too_large", sent},
		{"in a long name", gz, gzippedBy(t, row, 1, func(w *gzip.Writer) { w.Extra = make([]byte, 5_000) }), 413, "body_too_large", sent},
		{"in a skippable frame", zs, skippable(strings.Repeat(" ", 4_000)) + zstded(t, row), 413, "body_too_large", sent},
		{"a bomb", zs, zstdFrame(0x50, strings.Repeat(spaces, 900)), 413, "body_too_large", decoded},
		{"a bomb after a row", zs, zstded(t, row) + zstdFrame(0x50, strings.Repeat(spaces, 900)), 413, "body_too_large", decoded},
		{"a bomb of gzip", gz, strings.Repeat(gzipped(t, strings.Repeat(" ", 1<<20)), 3), 413, "body_too_large", decoded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.in(t)
			p.wantRefused(t, tt)
		})
	}
	p.wantOnlyNext(t)
}

// counting counts what is read.
type counting struct {
	r io.Reader
	n int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// A bomb is read no further than to the cap: neither its end as sent nor what it would be decompressed is met.
func TestBombsAreNotUnpacked(t *testing.T) {
	const piece, limit = 128 << 10, 3 << 20 // each piece of a bomb becomes so much
	member := gzipped(t, strings.Repeat(" ", piece))
	block := zstdBlock(blockRLE, piece, 0, " ")
	segment := zstded(t, strings.Repeat(" ", piece))
	for _, tt := range []struct{ name, coding, head, piece string }{
		{"gzip members", "gzip", "", member},
		{"zstd blocks", "zstd", zstdFrame(13<<3, ""), block},
		{"zstd frames", "zstd", "", segment},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const pieces = 1 << 14 // 2 GiB
			sent := &counting{r: io.MultiReader(strings.NewReader(tt.head), strings.NewReader(strings.Repeat(tt.piece, pieces)))}
			s := &Server{cfg: Config{MaxBody: 1 << 30, MaxDecoded: limit}}
			r := httptest.NewRequest("POST", "/", sent)
			r.Header.Set("Content-Encoding", tt.coding)
			body, err := s.body(httptest.NewRecorder(), r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.Copy(io.Discard, body)
			if fault.CodeOf(err) != "body_too_large" || got > limit {
				t.Errorf("got %d bytes and %v, want at most %d and body_too_large", got, err, limit)
			}
			if again, err := body.Read(make([]byte, 1<<20)); again > 0 || fault.CodeOf(err) != "body_too_large" {
				t.Errorf("read again: got %d bytes and %v", again, err)
			}
			const ahead = 64 << 10 // at most, that the decoders read what they do not decompress yet
			if most := int64(len(tt.head)+len(tt.piece)*(limit/piece+2)) + ahead; sent.n > most {
				t.Errorf("%d bytes of the body as sent were read, want at most %d of %d", sent.n, most, len(tt.piece)*pieces)
			}
			if err := body.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
