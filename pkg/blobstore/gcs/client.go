package gcs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

const (
	dialTimeout  = 5 * time.Second  // of a connection
	tokenTimeout = 10 * time.Second // to get a token: the library that does it knows no context
	maxAnswer    = 1 << 20          // bytes of an answer that is not a blob
)

// scope is what the credentials are used for: objects, and nothing about buckets.
const scope = "https://www.googleapis.com/auth/devstorage.read_write"

func newClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	t.DisableCompression = true // or a blob's length would be unknown
	t.MaxIdleConnsPerHost = 10
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// tokens gives the token that a request is sent with. It is nil when none is needed.
type tokens func(ctx context.Context) (*oauth2.Token, error)

// newTokens finds the credentials. An endpoint of one's own without credentials is an emulator, which wants none: those of
// the machine are not for it.
func newTokens(ctx context.Context, cfg Config, client *http.Client) (tokens, error) {
	text := cfg.credentials()
	if text == "" && cfg.Endpoint != "" {
		return nil, nil
	}
	// The source of tokens keeps its context for as long as it lives.
	ctx = context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, &http.Client{Transport: client.Transport, Timeout: tokenTimeout})
	if text == "" {
		found, err := google.FindDefaultCredentials(ctx, scope)
		if err != nil {
			return nil, err
		}
		return awaiting(found.TokenSource), nil
	}
	kind, err := kindOf(text)
	if err != nil {
		return nil, err
	}
	given, err := google.CredentialsFromJSONWithType(ctx, []byte(text.Reveal()), kind, scope)
	if err != nil {
		return nil, errors.New("credentials_json: is not complete") // the error may hold a part of it
	}
	return awaiting(given.TokenSource), nil
}

// awaiting asks source for a token and waits for no longer than ctx says. The question goes on then, for tokenTimeout at most.
func awaiting(source oauth2.TokenSource) tokens {
	type answer struct {
		token *oauth2.Token
		err   error
	}
	return func(ctx context.Context) (*oauth2.Token, error) {
		got := make(chan answer, 1)
		go func() {
			token, err := source.Token()
			got <- answer{token, err}
		}()
		select {
		case a := <-got:
			return a.token, a.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// request is one to the store.
type request struct {
	method, url string
	header      http.Header
	body        io.Reader                     // nil: none
	again       func() (io.ReadCloser, error) // gives the body anew, for a connection that was closed before it was used
	length      int64
	free        bool // needs no token
}

// do sends r. An answer that is not a good one is an error. The answer is closed by the caller.
func (s *store) do(ctx context.Context, r request) (*http.Response, error) {
	answer, err := s.send(ctx, r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return nil, refused(answer)
	}
	return answer, nil
}

// send sends r, and gives whatever the answer is.
func (s *store) send(ctx context.Context, r request) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, r.method, r.url, r.body)
	if err != nil {
		return nil, inner(err)
	}
	if r.header != nil {
		q.Header = r.header
	}
	q.ContentLength, q.GetBody = r.length, r.again
	if s.tokens != nil && !r.free {
		token, err := s.tokens(ctx)
		if err != nil {
			return nil, fmt.Errorf("get a token: %w", err)
		}
		token.SetAuthHeader(q)
	}
	answer, err := s.http.Do(q)
	if err != nil {
		return nil, inner(err)
	}
	return answer, nil
}

// inner takes the URL out of an error: that of an upload is as good as a password.
func inner(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// drain reads what is left of an answer, so that its connection can be used again, and closes it.
func drain(body io.ReadCloser) error {
	_, err := io.Copy(io.Discard, io.LimitReader(body, maxAnswer))
	return errors.Join(err, body.Close())
}
