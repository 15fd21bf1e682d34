package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// find gives an error unless the blob is there, after an answer that does not show it:
//   - One without an entity tag is not the store's. Something on the way has ended it, while the store was still at work:
//     200 comes long before the parts are joined, and blanks until then.
//   - A store that is asked again to join the parts, since the answer was lost, may say that it has done so when it is still
//     at it, or has broken off.
func (s *store) find(ctx context.Context, name *string, size int64, etag *string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := s.client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: &s.bucket, Key: name})
	if err != nil {
		return fmt.Errorf("see whether the store has the blob, which it took: %w", err)
	}
	tag := bareTag(etag)
	if aws.ToInt64(out.ContentLength) != size || tag != "" && bareTag(out.ETag) != tag {
		return errors.New("the store took the blob, and has another")
	}
	return nil
}

// bareTag is an entity tag without its quotes, which some stores leave out of one of the answers. Empty for none.
func bareTag(tag *string) string { return strings.Trim(aws.ToString(tag), `"`) }
