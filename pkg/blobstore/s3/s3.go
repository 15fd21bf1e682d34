// Package s3 keeps blobs as objects in a bucket of Amazon S3, or of another store that speaks its language.
package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/blobstore/transfer"
	"github.com/scratchdata/scratchdata/pkg/fault"
)

// How long things may take. A transfer as a whole may take as long as it likes while something moves.
const (
	openTimeout  = 10 * time.Second // to see whether the bucket can be used
	callTimeout  = time.Minute      // a request without a body, with the SDK's own tries
	abortTimeout = 10 * time.Second // to remove the parts of what failed, also after the caller's own time
	joinTimeout  = 10 * time.Minute // the last request of an upload in parts: the store may copy all of it
	stallTimeout = 2 * time.Minute  // without a byte that moves
)

// store is a bucket. A blob is the object prefix + key.
type store struct {
	client *awss3.Client
	http   *http.Client
	log    *slog.Logger
	bucket string
	prefix string // empty, or with a slash at its end
	md5    bool   // bodies are checked by MD5, as the endpoint may not know the newer checksums
	stall  time.Duration
	parts  *transfer.Pieces
	closed atomic.Bool
}

// Open opens the store in the bucket, which must exist.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (blobstore.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	s, err := newStore(ctx, cfg, log)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", cfg.Bucket, err)
	}
	if err := s.check(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open bucket %s: %w", cfg.Bucket, err), s.Close())
	}
	return s, nil
}

func newStore(ctx context.Context, cfg Config, log *slog.Logger) (*store, error) {
	s := &store{log: log, bucket: cfg.Bucket, stall: stallTimeout, parts: transfer.NewPieces(partSize)}
	if cfg.Prefix != "" {
		s.prefix = cfg.Prefix + "/"
	}
	if err := s.connect(ctx, cfg); err != nil {
		return nil, err
	}
	return s, nil
}

// check lists, as the keys must be allowed to: without that S3 does not tell an absent blob from a forbidden one.
func (s *store) check(ctx context.Context) error {
	_, err := s.client.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &s.prefix, MaxKeys: aws.Int32(1)})
	return explain(err)
}

// object gives the name of a blob's object.
func (s *store) object(key string) (*string, error) {
	if err := blobstore.CheckKey(key); err != nil {
		return nil, err
	}
	name := s.prefix + key
	if len(name) > blobstore.MaxKey {
		return nil, fault.New(fault.Invalid, "bad_blob_key", "blob key %.140q: with the prefix it has %d bytes, may have %d",
			key, len(name), blobstore.MaxKey)
	}
	if s.closed.Load() {
		return nil, fault.Closed
	}
	return &name, nil
}

// Get implements blobstore.Store.
func (s *store) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	name, err := s.object(key)
	if err != nil {
		return nil, err
	}
	w := transfer.NewWatch(ctx, s.stall)
	out, err := s.client.GetObject(w.Context(), &awss3.GetObjectInput{Bucket: &s.bucket, Key: name})
	if err == nil && out.ContentLength == nil {
		err = errors.Join(errors.New("the answer has no length, so a part of it would look whole"), out.Body.Close())
	}
	if err != nil {
		w.End()
		return nil, s.failed("get", key, w.Because(err))
	}
	return transfer.Download(w, out.Body, *out.ContentLength, sumFrom(out.Metadata)), nil
}

// Delete implements blobstore.Store.
func (s *store) Delete(ctx context.Context, key string) error {
	name, err := s.object(key)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err = s.client.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &s.bucket, Key: name})
	if codeOf(err) == codeNoSuchKey { // S3 itself says nothing of that, others may
		return nil
	}
	return s.failed("delete", key, err)
}

// Close implements blobstore.Store.
func (s *store) Close() error {
	s.closed.Store(true)
	s.http.CloseIdleConnections()
	return nil
}
