package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/ch-go/proto"
)

// httpLink speaks HTTP, with the same blocks as the native protocol.
type httpLink struct {
	client                   *http.Client
	url                      string
	user, password, database string
}

func (l *httpLink) do(ctx context.Context, r request) (err error) {
	var rows *rowsBody
	if r.input != nil {
		rows = &rowsBody{first: r.sql + "\n", input: r.input, packer: compress.NewWriter(compress.LevelZero, compress.LZ4), closed: make(chan struct{})}
		defer func() {
			<-rows.closed // the client may read on after the answer, and the caller's rows are the caller's again
			if rows.err != nil {
				err = ended(ctx, rows.err)
			}
		}()
	}
	if r.output == nil { // a server that says early how far it is begins with 200 OK, whatever comes of the statement
		r.settings = append(r.settings[:len(r.settings):len(r.settings)], setting{"send_progress_in_http_headers", "0"}, setting{"wait_end_of_query", "1"})
		r.output = forget
	}
	err = l.ask(ctx, r, rows)
	var lost *lostError
	if err != nil && r.id != "" && codeOf(err) == 0 && (ctx.Err() != nil || !errors.As(err, &lost)) {
		l.kill(ctx, r.id) // who may only read cannot tell the server beforehand to end with the connection
	}
	return ended(ctx, err)
}

// ask sends the statement and reads the answer.
func (l *httpLink) ask(ctx context.Context, r request, rows *rowsBody) error {
	reply, err := l.post(ctx, r, rows)
	if err != nil {
		return err
	}
	defer func() { _ = reply.Body.Close() }() // all that matters of it was read
	if reply.StatusCode != http.StatusOK || reply.Header.Get("X-ClickHouse-Exception-Code") != "" {
		return httpError(reply)
	}
	return readAnswer(reply.Body, r.output)
}

// forget takes an answer that nobody needs. It is read still, as an error may be in it.
func forget(*answer) error { return nil }

// version asks for the server's version, as servers of all times understand it.
func (l *httpLink) version(ctx context.Context) (version string, err error) {
	reply, err := l.post(ctx, request{sql: "SELECT version()", settings: []setting{{"default_format", "TabSeparated"}, {"compress", "0"}}}, nil)
	if err != nil {
		return "", ended(ctx, err)
	}
	defer func() { _ = reply.Body.Close() }() // all that matters of it was read
	if reply.StatusCode != http.StatusOK || reply.Header.Get("X-ClickHouse-Exception-Code") != "" {
		return "", ended(ctx, httpError(reply))
	}
	const enough = 100
	text, err := io.ReadAll(io.LimitReader(reply.Body, enough))
	return strings.TrimSpace(string(text)), ended(ctx, err)
}

// post sends the statement, and the rows after it.
func (l *httpLink) post(ctx context.Context, r request, rows *rowsBody) (*http.Response, error) {
	query := url.Values{"database": {l.database}, "default_format": {"Native"}, "compress": {"1"}}
	if r.id != "" {
		query.Set("query_id", r.id)
	}
	for _, s := range r.settings {
		query.Set(s.name, s.value)
	}
	for _, p := range r.params {
		query.Set("param_"+p.name, p.value)
	}
	body := io.Reader(strings.NewReader(r.sql))
	if rows != nil {
		query.Set("decompress", "1")
		body = rows // it has the statement too, which may be too long for a URL
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url+"/?"+query.Encode(), body)
	if err != nil {
		if rows != nil {
			err = errors.Join(err, rows.Close())
		}
		return nil, err
	}
	req.Header.Set("X-ClickHouse-User", l.user)
	req.Header.Set("X-ClickHouse-Key", l.password)
	req.Header.Set("User-Agent", clientName)
	if rows != nil {
		req.Header.Set("Expect", "100-continue") // no row goes to a connection that has ended
	}
	reply, err := l.client.Do(req)
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the rest of it is the URL, with the statement and its parameters
	}
	if err != nil {
		err = &lostError{err}
	}
	return reply, err
}

// kill ends a query that nobody reads any more. The server sees that only when it has something to write.
func (l *httpLink) kill(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	reply, err := l.post(ctx, request{sql: "KILL QUERY WHERE query_id = " + literal(id) + " ASYNC"}, nil)
	if err == nil {
		_ = reply.Body.Close() // what it says changes nothing
	}
}

// httpError reads what the server says is wrong.
func httpError(reply *http.Response) error {
	const enough = 64 << 10
	text, err := io.ReadAll(io.LimitReader(reply.Body, enough))
	if err != nil {
		return fmt.Errorf("read what the server says is wrong: %w", err)
	}
	if plain, err := io.ReadAll(compress.NewReader(bytes.NewReader(text))); err == nil || errors.Is(err, io.EOF) {
		text = plain // what is asked for in frames is told so when it fails, too
	}
	code, err := strconv.Atoi(reply.Header.Get("X-ClickHouse-Exception-Code"))
	if err != nil {
		return fmt.Errorf("the server answers %s: is this the port of its HTTP interface?", reply.Status)
	}
	return newServerError(code, exceptionText(string(text), code))
}

// exceptionText is the message alone in "Code: 62. DB::Exception: message (SYNTAX_ERROR) (version 26.7.2.1)".
func exceptionText(text string, code int) string {
	text = strings.TrimPrefix(strings.TrimSpace(text), "Code: "+strconv.Itoa(code)+". ")
	if at := strings.LastIndex(text, " (version "); at > 0 {
		text = text[:at]
	}
	if at := strings.LastIndex(text, " ("); at > 0 && strings.HasSuffix(text, ")") && strings.Trim(text[at+2:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == ")" {
		text = text[:at] // the code's name
	}
	return text
}

// readAnswer reads blocks up to the end of body.
func readAnswer(body io.Reader, output func(*answer) error) error {
	plain := &tailReader{r: body}
	tail := &tailReader{r: compress.NewReader(plain)}
	in := proto.NewReader(tail)
	a := &answer{}
	for {
		err := a.read(in, 0)
		if err == nil {
			if err = output(a); err != nil {
				return err
			}
			continue
		}
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && a.atStart {
			return nil
		}
		if err = tail.exception(err); len(tail.tail) == 0 {
			err = plain.exception(err) // there is no frame, as of a server that says it in plain words
		}
		return err
	}
}

// tailReader keeps the end of what was read: an error that happens after the first row is written there.
type tailReader struct {
	r    io.Reader
	tail []byte
	err  error
}

func (t *tailReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	const most = 16 << 10
	if n >= most {
		t.tail = t.tail[:0]
	}
	t.tail = append(t.tail, p[max(0, n-most):n]...)
	if over := len(t.tail) - most; over > 0 {
		t.tail = append(t.tail[:0], t.tail[over:]...)
	}
	switch {
	case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		err = io.EOF // without the words around it
	case err != nil:
		t.err = err
	}
	return n, err
}

// exception gives the server's error that made an answer end with err, if that is what it was.
func (t *tailReader) exception(err error) error {
	const most = 1 << 20
	_, _ = io.CopyN(io.Discard, t, most)                       // the rest of the message
	at := bytes.LastIndex(t.tail, []byte(". DB::Exception: ")) // answers may have the word Code
	if at < 0 {
		return errors.Join(err, t.err)
	}
	if at = bytes.LastIndex(t.tail[:at], []byte("Code: ")); at < 0 {
		return errors.Join(err, t.err)
	}
	text := string(t.tail[at:])
	number, _, _ := strings.Cut(text[len("Code: "):], ".")
	code, cerr := strconv.Atoi(number)
	if cerr != nil {
		return errors.Join(err, t.err)
	}
	return newServerError(code, exceptionText(text, code))
}

// rowsBody gives blocks as a request's body.
type rowsBody struct {
	first  string // what comes before the rows
	input  func() (*block, error)
	packer *compress.Writer
	buffer proto.Buffer
	rest   []byte
	done   bool
	err    error         // of input
	closed chan struct{} // when nobody reads any more
	once   sync.Once
}

// Close says that nobody reads any more.
func (b *rowsBody) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

func (b *rowsBody) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		if b.done {
			return 0, io.EOF
		}
		if err := b.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// next packs what comes next.
func (b *rowsBody) next() error {
	b.buffer.Reset()
	if b.first != "" {
		b.buffer.PutRaw([]byte(b.first))
		b.first = ""
	} else {
		k, err := b.input()
		if err != nil {
			b.err = err
			return err
		}
		if k == nil || k.rows == 0 {
			b.done = true
			return nil
		}
		k.encode(&b.buffer, 0)
	}
	if err := b.packer.Compress(b.buffer.Buf); err != nil {
		return err
	}
	b.rest = b.packer.Data
	return nil
}
