package httpapi

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

func gzipped(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstded(t *testing.T, s string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(s), nil))
}

func TestBody(t *testing.T) {
	const text = `{"a":"0123456789"}`
	bomb := strings.Repeat("0", 10_000)
	for _, tt := range []struct {
		name, coding, sent string
		want               string // the body, or the code of the error
		kind               fault.Kind
	}{
		{"plain", "", text, text, ""},
		{"identity", "identity", text, text, ""},
		{"gzip", "gzip", gzipped(t, text), text, ""},
		{"x-gzip", "X-GZIP", gzipped(t, text), text, ""},
		{"zstd", "zstd", zstded(t, text), text, ""},
		{"an unknown coding", "br", text, "unknown_content_encoding", fault.Unsupported},
		{"two codings", "gzip, gzip", text, "unknown_content_encoding", fault.Unsupported},
		{"not gzip", "gzip", text, "bad_content_encoding", fault.Invalid},
		{"not zstd", "zstd", text, "bad_content_encoding", fault.Invalid},
		{"cut gzip", "gzip", gzipped(t, text)[:15], "bad_content_encoding", fault.Invalid},
		{"cut zstd", "zstd", zstded(t, text)[:12], "bad_content_encoding", fault.Invalid},
		{"just at the cap", "", strings.Repeat("a", 1000), strings.Repeat("a", 1000), ""},
		{"over the cap", "", strings.Repeat("a", 1001), "body_too_large", fault.TooLarge},
		{"just at the decoded cap", "gzip", gzipped(t, bomb[:5000]), bomb[:5000], ""},
		{"over the decoded cap", "gzip", gzipped(t, bomb[:5001]), "body_too_large", fault.TooLarge},
		{"a zstd bomb", "zstd", zstded(t, bomb), "body_too_large", fault.TooLarge},
	} {
		for _, length := range []string{"known", "chunked"} {
			t.Run(tt.name+" "+length, func(t *testing.T) {
				s := &Server{cfg: Config{MaxBody: 1000, MaxDecoded: 5000}}
				r := httptest.NewRequest("POST", "/", strings.NewReader(tt.sent))
				r.Header.Set("Content-Encoding", tt.coding)
				if length == "chunked" {
					r.ContentLength = -1
				}
				got, err := readBody(s, r)
				if tt.kind == "" {
					if err != nil || got != tt.want {
						t.Errorf("got %.40q and %v, want %.40q", got, err, tt.want)
					}
					return
				}
				if !errors.Is(err, tt.kind) || fault.CodeOf(err) != tt.want {
					t.Errorf("got %.40q and %v (code %s), want code %s", got, err, fault.CodeOf(err), tt.want)
				}
			})
		}
	}
}

func readBody(s *Server, r *http.Request) (string, error) {
	body, err := s.body(httptest.NewRecorder(), r)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(body)
	return string(b), errors.Join(err, body.Close())
}

func TestParseInsert(t *testing.T) {
	s := &Server{cfg: DefaultConfig()}
	for _, tt := range []struct{ name, query, want string }{
		{"nothing", "", "ack=disk ids=false hurry=false loaded=false timeout=30s"},
		{"memory", "ack=memory", "ack=memory ids=false hurry=false loaded=false timeout=30s"},
		{"loaded", "ack=loaded&timeout=2s", "ack=disk ids=false hurry=true loaded=true timeout=2s"},
		{"wait", "wait=true&row_ids=1", "ack=disk ids=true hurry=true loaded=true timeout=30s"},
		{"plain seconds", "wait=true&timeout=90", "ack=disk ids=false hurry=true loaded=true timeout=1m30s"},
		{"a very long wait is cut", "wait=true&timeout=24h", "ack=disk ids=false hurry=true loaded=true timeout=10m0s"},
		{"another's parameter", "api_key=k", "ack=disk ids=false hurry=false loaded=false timeout=30s"},
		{"bad ack", "ack=maybe", `ack: "maybe" is not one of memory, disk, loaded`},
		{"bad row_ids", "row_ids=perhaps", `row_ids: "perhaps" is neither true nor false`},
		{"bad timeout", "timeout=soon", `timeout: "soon" is not a duration such as 30s`},
		{"negative timeout", "timeout=-1s", `timeout: "-1s" is not a duration such as 30s`},
		{"bad query", "a=%zz", "the URL's query is not well formed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			o, _, err := s.parseInsert(&http.Request{URL: &url.URL{RawQuery: tt.query}})
			if err != nil {
				got = fault.TextOf(err)
			} else {
				got = "ack=" + string(o.Ack) + " ids=" + text(o.RowIDs) + " hurry=" + text(o.Hurry) + " loaded=" + text(o.loaded) + " timeout=" + o.timeout.String()
			}
			if got != tt.want {
				t.Errorf("%q\n got %s\nwant %s", tt.query, got, tt.want)
			}
		})
	}
}

func TestParseInsertHeaders(t *testing.T) {
	s := &Server{cfg: DefaultConfig()}
	for _, tt := range []struct {
		name, query string
		header      http.Header
		want        string
	}{
		{"nothing", "", nil, `horizontal "" ""`},
		{"mode", "flatten=explode", nil, `vertical "" ""`},
		{"mode by header", "", http.Header{"X-Scratchdb-Flatten": {"multitable"}}, `multitable "" ""`},
		{"mode by both", "flatten=none", http.Header{"X-Scratchdb-Flatten": {"flat"}}, `horizontal "" ""`},
		{"no such mode", "flatten=diagonal", nil, `flatten: "diagonal" is not one of horizontal, flat, vertical, explode, multitable, none`},
		{"table", "table=a.b&flatten=none", nil, `none "a.b" ""`},
		{"key", "", http.Header{"Idempotency-Key": {`"8e03978e-40d5-43dd-bc93-6894a57f9324"`}}, `horizontal "" "\"8e03978e-40d5-43dd-bc93-6894a57f9324\""`},
		{"longest key", "", http.Header{"Idempotency-Key": {strings.Repeat("k", 255)}}, `horizontal "" "` + strings.Repeat("k", 255) + `"`},
		{"key too long", "", http.Header{"Idempotency-Key": {strings.Repeat("k", 256)}}, badKey},
		{"empty key", "", http.Header{"Idempotency-Key": {""}}, badKey},
		{"key with a space", "", http.Header{"Idempotency-Key": {"a b"}}, badKey},
		{"key that is not ASCII", "", http.Header{"Idempotency-Key": {"ä"}}, badKey},
		{"two keys", "", http.Header{"Idempotency-Key": {"a", "b"}}, badKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, table, err := s.parseInsert(&http.Request{URL: &url.URL{RawQuery: tt.query}, Header: tt.header})
			got := fmt.Sprintf("%s %q %q", o.Mode, table, o.Key)
			if err != nil {
				got = fault.TextOf(err)
			}
			if got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}

const badKey = "Idempotency-Key must be one header of 1 to 255 visible ASCII characters"

func text(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
