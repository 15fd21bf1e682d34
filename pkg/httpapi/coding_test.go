package httpapi

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func TestChooseCoding(t *testing.T) {
	all := newCodings()
	for accept, want := range map[string]string{
		"": "", "identity": "", "br": "", "*": "", "gzip": "gzip", "x-gzip": "gzip", "GZIP": "gzip", "zstd": "zstd", "gzip, deflate, br, zstd": "zstd",
		"zstd;q=0.5, gzip;q=0.9": "gzip", "gzip; q=0": "", "gzip;q=x": "", "gzip;q=-1": "", "gzip;q=0.3, identity": "", "gzip, identity;q=0.5": "gzip",
		"gzip;q=0.5, identity;q=0.5": "gzip", " gzip ;q = 0.5": "gzip", "gzipped": "",
	} {
		c, ok := all.choose(accept)
		if c.name != want || ok != (want != "") {
			t.Errorf("%q: got %q, %t, want %q", accept, c.name, ok, want)
		}
	}
}

// decodings undo the codings.
func decodings(t *testing.T, coding, body string) (string, error) {
	t.Helper()
	var r io.Reader = strings.NewReader(body)
	var err error
	switch coding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "zstd":
		r, err = zstd.NewReader(r)
	}
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	return string(b), err
}

func TestAnswersAreCompressed(t *testing.T) {
	p := newPlant(t, setup{answers: answers()})
	plain := map[string]string{}
	for _, coding := range []string{"identity", "gzip", "zstd"} {
		for _, query := range []string{"three", "none", "many"} {
			for range 2 { // the second time with a coder that was used
				r := p.do("GET", "/api/data/query?q="+query, "", "Accept-Encoding: "+coding)
				got, err := decodings(t, coding, r.body)
				if coding == "identity" {
					plain[query] = got
				}
				if err != nil || got != plain[query] || (r.header.Get("Content-Encoding") == coding) == (coding == "identity") || r.header.Get("Vary") != "Accept-Encoding" {
					t.Errorf("%s as %q: %d bytes, %v, header %v", query, coding, len(got), err, r.header)
				}
				if r.trailer.Get(statusTrailer) != "complete" {
					t.Errorf("%s as %q: trailers %v", query, coding, r.trailer)
				}
			}
		}
		wantProblem(t, p.do("GET", "/api/data/query?q=wrong", "", "Accept-Encoding: "+coding), http.StatusBadRequest, "invalid_sql")
		if r := p.do("GET", "/api/data/query?q=wrong", "", "Accept-Encoding: "+coding); r.header.Get("Content-Encoding") != "" {
			t.Errorf("a problem says that it is %s", r.header.Get("Content-Encoding"))
		}
	}
}

// A compressed answer that fails half way has no end either.
func TestCutAnswersHaveNoEnd(t *testing.T) {
	p := newPlant(t, setup{answers: answers()})
	for _, coding := range []string{"gzip", "zstd"} {
		r := p.send("GET", "/api/data/query?q=broken+later", nil, "X-API-Key: "+keyOne, "Accept-Encoding: "+coding)
		if r.err == nil {
			t.Errorf("%s: the answer looks whole", coding)
		}
		got, err := decodings(t, coding, r.body)
		if err == nil || !bytes.HasPrefix([]byte(got), []byte("[\n{\"n\":0}")) {
			t.Errorf("%s: got %q, %v, want the first rows and an error", coding, got, err)
		}
	}
}
