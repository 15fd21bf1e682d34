package s3

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/scratchdata/scratchdata/pkg/blobstore"
	"github.com/scratchdata/scratchdata/pkg/blobstore/transfer"
)

// upload is a blob that goes in parts, which become visible together.
type upload struct {
	store *store
	name  *string
	parts *transfer.Pieces
	whole hash.Hash32
	size  int64
	id    *string

	mu   sync.Mutex
	sent []types.CompletedPart // guarded by mu
}

// put sends first and what else r gives. When it fails nothing is left in the store.
func (u *upload) put(ctx context.Context, first []byte, r io.Reader) (err error) {
	if err := u.begin(ctx); err != nil {
		u.parts.Put(first)
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, u.abort(ctx))
		}
	}()
	if err := u.sendAll(ctx, first, r); err != nil {
		return err
	}
	return u.join(ctx)
}

func (u *upload) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	in := &awss3.CreateMultipartUploadInput{Bucket: &u.store.bucket, Key: u.name}
	if !u.store.md5 {
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject
	}
	out, err := u.store.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return err
	}
	u.id = out.UploadId
	return nil
}

// sendAll sends first and what else r gives, atOnce parts at a time.
func (u *upload) sendAll(ctx context.Context, first []byte, r io.Reader) error {
	group, ctx := errgroup.WithContext(ctx)
	lanes := make(chan struct{}, atOnce)
	group.Go(func() error {
		last := int32(0)
		for part, err := range u.cut(first, blobstore.Reader(ctx, r)) {
			if err != nil {
				return err
			}
			last++
			number := last
			_, _ = u.whole.Write(part) // a hash takes all
			u.size += int64(len(part))
			lanes <- struct{}{} // one gets free also when ctx ends, as that ends what is on its way
			group.Go(func() error {
				defer func() {
					u.parts.Put(part)
					<-lanes
				}()
				return u.send(ctx, number, part)
			})
		}
		return nil
	})
	return group.Wait()
}

// cut gives first, then what r gives, in parts. Each is a buffer that whoever gets it releases.
func (u *upload) cut(first []byte, r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if !yield(first, nil) {
			return
		}
		for {
			buf := u.parts.Get()
			n, err := transfer.Fill(r, buf)
			end := errors.Is(err, transfer.ErrEnd)
			switch {
			case err != nil && !end:
				u.parts.Put(buf)
				yield(nil, err)
				return
			case n == 0:
				u.parts.Put(buf)
				return
			case !yield(buf[:n], nil), end:
				return
			}
		}
	}
}

func (u *upload) send(ctx context.Context, number int32, part []byte) error {
	w := transfer.NewWatch(ctx, u.store.stall)
	defer w.End()
	sums := u.store.sumsOf(part)
	out, err := u.store.client.UploadPart(w.Context(), &awss3.UploadPartInput{Bucket: &u.store.bucket, Key: u.name, UploadId: u.id,
		PartNumber: &number, Body: w.Body(part), ContentMD5: sums.md5, ChecksumCRC32: sums.crc32})
	if err != nil {
		return fmt.Errorf("part %d: %w", number, w.Because(err))
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sent = append(u.sent, types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumCRC32: sums.crc32})
	return nil
}

// join makes a blob of the parts.
func (u *upload) join(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	slices.SortFunc(u.sent, func(a, b types.CompletedPart) int { return int(*a.PartNumber - *b.PartNumber) })
	in := &awss3.CompleteMultipartUploadInput{Bucket: &u.store.bucket, Key: u.name, UploadId: u.id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: u.sent}}
	if !u.store.md5 {
		in.ChecksumType, in.ChecksumCRC32 = types.ChecksumTypeFullObject, crcText(u.whole.Sum32())
	}
	out, err := u.store.client.CompleteMultipartUpload(ctx, in)
	if err != nil {
		return err
	}
	tries, known := retry.GetAttemptResults(out.ResultMetadata)
	if again := known && len(tries.Results) > 1; again || bareTag(out.ETag) == "" {
		return u.store.find(ctx, u.name, u.size, out.ETag)
	}
	return nil
}

// abort removes the parts, also when ctx has ended. All of them have been answered or given up before.
func (u *upload) abort(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	_, err := u.store.client.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{Bucket: &u.store.bucket, Key: u.name, UploadId: u.id})
	if err != nil && codeOf(err) != codeNoSuchUpload {
		return fmt.Errorf("the parts that were sent could not be removed: %w", err)
	}
	return nil
}
