// Package gcs keeps blobs as objects in a bucket of Google Cloud Storage.
//
// It speaks the JSON API over net/http. Google's own client would add 21 MB to a program of 112 MB (measured with v1.70.0),
// most of it gRPC and telemetry that are not used here.
package gcs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/blobstore/transfer"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// How long things may take. A transfer as a whole may take as long as it likes while something moves.
const (
	openTimeout  = 10 * time.Second // to see whether the bucket can be used
	callTimeout  = time.Minute      // a request without a body
	abortTimeout = 10 * time.Second // to forget an upload that failed, also after the caller's own time
	stallTimeout = 2 * time.Minute  // without a byte that moves
)

// ownEndpoint is Google's.
const ownEndpoint = "https://storage.googleapis.com"

// store is a bucket. A blob is the object prefix + key.
type store struct {
	http    *http.Client
	tokens  tokens
	objects string // the URL of the bucket's objects
	uploads string // the URL that objects are sent to
	prefix  string // empty, or with a slash at its end
	stall   time.Duration
	pause   time.Duration // before an upload goes on that was interrupted
	pieces  *transfer.Pieces
	closed  atomic.Bool
}

// Open opens the store in the bucket, which must exist.
func Open(ctx context.Context, cfg Config, _ *slog.Logger) (blobstore.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	s, err := newStore(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", cfg.Bucket, err)
	}
	if err := s.list(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open bucket %s: %w", cfg.Bucket, explain(err)), s.Close())
	}
	return s, nil
}

func newStore(ctx context.Context, cfg Config) (*store, error) {
	base := ownEndpoint
	if cfg.Endpoint != "" {
		base = strings.TrimSuffix(cfg.Endpoint, "/")
	}
	bucket := "/storage/v1/b/" + url.PathEscape(cfg.Bucket) + "/o"
	s := &store{http: newClient(), objects: base + bucket, uploads: base + "/upload" + bucket,
		stall: stallTimeout, pause: firstPause, pieces: transfer.NewPieces(pieceSize)}
	if cfg.Prefix != "" {
		s.prefix = cfg.Prefix + "/"
	}
	var err error
	s.tokens, err = newTokens(ctx, cfg, s.http)
	return s, err
}

// object gives the name of a blob's object.
func (s *store) object(key string) (string, error) {
	if err := blobstore.CheckKey(key); err != nil {
		return "", err
	}
	name := s.prefix + key
	if len(name) > blobstore.MaxKey {
		return "", fault.New(fault.Invalid, "bad_blob_key", "blob key %.140q: with the prefix it has %d bytes, may have %d",
			key, len(name), blobstore.MaxKey)
	}
	if s.closed.Load() {
		return "", fault.Closed
	}
	return name, nil
}

func (s *store) urlOf(name string) string { return s.objects + "/" + url.PathEscape(name) }

// list asks for one name in the bucket, as the credentials must be allowed to: without that the store does not tell an absent
// blob from a forbidden one.
func (s *store) list(ctx context.Context) error {
	query := url.Values{"maxResults": {"1"}, "fields": {"nextPageToken"}, "prefix": {s.prefix}}
	return s.call(ctx, http.MethodGet, s.objects+"?"+query.Encode())
}

// call sends a request without a body, whose answer does not matter when it is a good one.
func (s *store) call(ctx context.Context, method, address string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := s.do(ctx, request{method: method, url: address})
	if err != nil {
		return err
	}
	return drain(answer.Body)
}

// Get implements blobstore.Store.
func (s *store) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	name, err := s.object(key)
	if err != nil {
		return nil, err
	}
	w := transfer.NewWatch(ctx, s.stall)
	answer, err := s.do(w.Context(), request{method: http.MethodGet, url: s.urlOf(name) + "?alt=media"})
	if err == nil && answer.ContentLength < 0 {
		err = errors.Join(errors.New("the answer has no length, so a part of it would look whole"), answer.Body.Close())
	}
	if err != nil {
		w.End()
		return nil, s.failed("get", key, s.missing(ctx, w.Because(err)))
	}
	return transfer.Download(w, answer.Body, answer.ContentLength, sumFrom(answer.Header)), nil
}

// Delete implements blobstore.Store.
func (s *store) Delete(ctx context.Context, key string) error {
	name, err := s.object(key)
	if err != nil {
		return err
	}
	err = s.missing(ctx, s.call(ctx, http.MethodDelete, s.urlOf(name)))
	if errors.Is(err, errNoObject) {
		return nil
	}
	return s.failed("delete", key, err)
}

// errNoObject says that there is no object of the name, in a bucket that exists.
var errNoObject = errors.New("no such object")

// missing tells an object that is missing from a bucket that is: the store itself answers the same, but for its words.
func (s *store) missing(ctx context.Context, err error) error {
	if statusOf(err) != http.StatusNotFound {
		return err
	}
	switch listed := s.list(ctx); {
	case listed == nil:
		return errNoObject
	case statusOf(listed) == http.StatusNotFound:
		return explain(listed)
	default:
		return listed
	}
}

// Close implements blobstore.Store.
func (s *store) Close() error {
	s.closed.Store(true)
	s.http.CloseIdleConnections()
	return nil
}

// decode reads an answer in JSON, which is short.
func decode(body io.ReadCloser, into any) error {
	err := json.NewDecoder(io.LimitReader(body, maxAnswer)).Decode(into)
	return errors.Join(err, drain(body))
}
