package servertest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
)

// ClickHouseSeems gives the server at another port of HTTP, where each statement that is not followed by rows is asked with its texts
// replaced, in pairs of an old and a new one. So the server can seem to be one that is not at hand: of another version, or a service.
func ClickHouseSeems(t testing.TB, s ClickHouseServer, oldnew ...string) ClickHouseServer {
	t.Helper()
	replacer := strings.NewReplacer(oldnew...)
	at := &url.URL{Scheme: "http", Host: fmt.Sprintf("%s:%d", s.Host, s.HTTP)}
	pass := &httputil.ReverseProxy{FlushInterval: -1, Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true},
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(at) },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }}
	s.Host, s.HTTP = "127.0.0.1", FreePort(t)
	serve(t, s.HTTP, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.Query().Has("decompress") { // after which rows come
			text, err := io.ReadAll(r.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			text = []byte(replacer.Replace(string(text)))
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
		}
		pass.ServeHTTP(w, r)
	}))
	return s
}
