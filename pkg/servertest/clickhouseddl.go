package servertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"github.com/oklog/ulid/v2"
)

// ddl is what was said ON CLUSTER, which all nodes do in the same order, each as soon as it can.
type ddl struct {
	mu   sync.Mutex
	said []*spoken               // guarded by mu
	done map[*ClickHouseNode]int // how many of said each node has done; guarded by mu
}

// spoken is a statement without its ON CLUSTER.
type spoken struct {
	sql   string
	query url.Values
	head  http.Header
}

// onCluster finds the words that the library refuses (code 392): it has nobody who reads the cluster's list of statements.
var onCluster = regexp.MustCompile(" ON CLUSTER (`[^`]*`|[a-z_]+)")

// OnCluster gives the statements that were said ON CLUSTER, without these words.
func (c *ClickHouseCluster) OnCluster() (said []string) {
	c.ddl.mu.Lock()
	defer c.ddl.mu.Unlock()
	for _, s := range c.ddl.said {
		said = append(said, s.sql)
	}
	return said
}

// relay passes on to n what is said to it, but what is said ON CLUSTER to all nodes that are alive.
func (c *ClickHouseCluster) relay(n *ClickHouseNode) http.Handler {
	at := &url.URL{Scheme: "http", Host: fmt.Sprintf("%s:%d", n.Host, n.HTTP)}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(at) },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("decompress") { // rows
			proxy.ServeHTTP(w, r)
			return
		}
		text, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if sql := onCluster.ReplaceAllString(string(text), idOf(string(text))); sql != string(text) {
			c.everywhere(w, r, n, sql)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(text))
		proxy.ServeHTTP(w, r)
	})
}

// idOf gives the SQL of the id that a server on a cluster gives to a table for all hosts. It matters where it is in the keeper's path.
func idOf(sql string) string {
	if !strings.HasPrefix(sql, "CREATE TABLE") || !strings.Contains(sql, "{uuid}") {
		return ""
	}
	id := ulid.Make()
	return fmt.Sprintf(" UUID '%x-%x-%x-%x-%x'", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// everywhere answers as the node that was asked, or as a server whose patience with another one has ended.
func (c *ClickHouseCluster) everywhere(w http.ResponseWriter, r *http.Request, asked *ClickHouseNode, sql string) {
	c.ddl.mu.Lock()
	defer c.ddl.mu.Unlock()
	c.ddl.said = append(c.ddl.said, &spoken{sql, r.URL.Query(), r.Header})
	var failed error
	late := 0
	for _, n := range c.Nodes {
		if !n.isAlive() {
			late++
			continue
		}
		if err := c.ddl.catchUp(r.Context(), n); n == asked && err != nil {
			failed = err
		}
	}
	var said *saidError
	switch {
	case errors.As(failed, &said):
		w.Header().Set("X-ClickHouse-Exception-Code", said.code)
		http.Error(w, said.text, http.StatusInternalServerError)
	case failed != nil:
		panic(http.ErrAbortHandler)
	case late > 0:
		const code = "159"
		w.Header().Set("X-ClickHouse-Exception-Code", code)
		http.Error(w, "Code: "+code+". DB::Exception: Distributed DDL task is not finished on "+fmt.Sprint(late)+" of 2 hosts. They are going to execute the query in background. (TIMEOUT_EXCEEDED)",
			http.StatusInternalServerError)
	}
}

// saidError is a mistake of a server's.
type saidError struct{ code, text string }

func (e *saidError) Error() string { return e.text }

// catchUp has n do what it has not done yet, and gives what is wrong with the last of it. It is called with d.mu held.
func (d *ddl) catchUp(ctx context.Context, n *ClickHouseNode) error {
	if d.done == nil {
		d.done = map[*ClickHouseNode]int{}
	}
	var last error
	for ; d.done[n] < len(d.said); d.done[n]++ {
		last = d.said[d.done[n]].at(ctx, n)
	}
	return last
}

// at says it to one node.
func (s *spoken) at(ctx context.Context, n *ClickHouseNode) (err error) {
	r, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, fmt.Sprintf("http://%s:%d/?%s", n.Host, n.HTTP, s.query.Encode()), strings.NewReader(s.sql))
	if err != nil {
		return err
	}
	for _, name := range [...]string{"X-ClickHouse-User", "X-ClickHouse-Key"} {
		r.Header.Set(name, s.head.Get(name))
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reply.Body.Close()) }()
	text, err := io.ReadAll(reply.Body)
	if err == nil && reply.StatusCode != http.StatusOK {
		err = &saidError{reply.Header.Get("X-ClickHouse-Exception-Code"), string(text)}
	}
	return err
}
