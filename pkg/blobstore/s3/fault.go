package s3

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// The codes of S3 that are told apart.
const (
	codeNoSuchKey    = "NoSuchKey"
	codeNoSuchUpload = "NoSuchUpload"
)

// busyFor is when to come again if the store does not say.
const busyFor = 5 * time.Second

// failed says what was tried, on which key, and the kind of failure. It returns nil when err is. Refused keys and a bucket
// that is gone are internal: they can be mended, and then the same call works.
func (s *store) failed(verb, key string, err error) error {
	if err == nil {
		return nil
	}
	if verb == "get" && codeOf(err) == codeNoSuchKey {
		return fault.New(fault.NotFound, "unknown_blob", "no blob has the key %q", key)
	}
	wrapped := fmt.Errorf("%s blob %s: %w", verb, key, err)
	if after, yes := busy(err); yes {
		return fault.New(fault.Busy, "blob_store_busy", "the blob store asks to come again later").Because(wrapped).Retry(after)
	}
	return wrapped
}

// codeOf gives the store's own code, empty when err has none.
func codeOf(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

// busy reports whether the store has too much to do, and when to come again.
func busy(err error) (after time.Duration, yes bool) {
	throttled := retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}.IsErrorThrottle(err) == aws.TrueTernary
	answer := answerOf(err)
	if answer == nil {
		return busyFor, throttled
	}
	if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && seconds > 0 {
		after = time.Duration(seconds) * time.Second
	} else {
		after = busyFor
	}
	return after, throttled || answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode == http.StatusServiceUnavailable
}

// answerOf gives the answer that err was made of, nil when there was none.
func answerOf(err error) *http.Response {
	var e *awshttp.ResponseError
	if errors.As(err, &e) && e.Response != nil {
		return e.Response.Response
	}
	return nil
}

// explain says why the bucket cannot be used, in the words of the settings.
func explain(err error) error {
	if err == nil {
		return nil
	}
	switch codeOf(err) {
	case "NoSuchBucket":
		return fmt.Errorf("the bucket does not exist: %w", err)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthFailure", "InvalidToken", "ExpiredToken", "XAdminUserNotFound":
		return fmt.Errorf("the keys are refused: %w", err)
	case "AccessDenied":
		return fmt.Errorf("the keys may not list the bucket (s3:ListBucket): %w", err)
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		region := ""
		if answer := answerOf(err); answer != nil {
			region = answer.Header.Get("X-Amz-Bucket-Region")
		}
		return fmt.Errorf("the bucket is in another region (%q): %w", region, err)
	default:
		return err
	}
}
