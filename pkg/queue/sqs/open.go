package sqs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/queue/polling"
)

const (
	openWithin = 10 * time.Second // for the server to say what the queue is like
	dialWithin = 5 * time.Second  // for a connection
	maxIdle    = 32               // connections that are kept
)

// Open opens the queue, and looks whether it is there and what it is like.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (queue.Queue, error) {
	s := &sqs{url: &cfg.URL, wait: cfg.Wait, held: newHeld()}
	if err := s.connect(ctx, cfg); err != nil {
		return nil, err
	}
	if err := s.look(ctx, cfg, log); err != nil {
		s.http.CloseIdleConnections()
		return nil, fmt.Errorf("look at the queue %s: %w", cfg.name(), explain(err))
	}
	s.poller = polling.New(s, log)
	return s, nil
}

// connect makes the client. It reaches nobody yet.
func (s *sqs) connect(ctx context.Context, cfg Config) error {
	building := awshttp.NewBuildableClient().WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialWithin }).
		WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = maxIdle })
	options := []func(*config.LoadOptions) error{config.WithHTTPClient(building)}
	if region := cfg.region(); region != "" {
		options = append(options, config.WithRegion(region))
	}
	if cfg.AccessKeyID != "" {
		options = append(options, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(cfg.AccessKeyID, cfg.SecretAccessKey.Reveal(), "")))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return fmt.Errorf("read the settings of AWS: %w", err)
	}
	if loaded.Region == "" {
		return errors.New("region: none is given, in the settings, the URL or the environment")
	}
	client, ok := loaded.HTTPClient.(*awshttp.BuildableClient) // another one if there are certificates to add
	if !ok {
		return fmt.Errorf("the HTTP client is a %T", loaded.HTTPClient)
	}
	s.http = &http.Client{Transport: client.GetTransport(), CheckRedirect: stay} // the library's own cannot be closed
	loaded.HTTPClient = s.http
	s.client = awssqs.NewFromConfig(loaded, func(o *awssqs.Options) { o.BaseEndpoint = aws.String(cfg.endpoint()) })
	return nil
}

// stay follows no redirect, which would be of a signed request.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// look asks what the queue is like, and warns of what loses messages.
func (s *sqs) look(ctx context.Context, cfg Config, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	out, err := s.client.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{
		QueueUrl: s.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		return err
	}
	is := func(name types.QueueAttributeName) string { return out.Attributes[string(name)] }
	if is(types.QueueAttributeNameFifoQueue) == "true" {
		return errFIFO
	}
	s.limit = knownMessage
	if n, err := strconv.Atoi(is(types.QueueAttributeNameMaximumMessageSize)); err == nil {
		s.limit = min(n, maxMessage)
	}
	const best = 14 * 24 * time.Hour
	if n, err := strconv.Atoi(is(types.QueueAttributeNameMessageRetentionPeriod)); err == nil && time.Duration(n)*time.Second < best {
		log.WarnContext(ctx, "the queue forgets messages that are not loaded in time: set its MessageRetentionPeriod to 14 days",
			"queue", cfg.name(), "forgets_after", time.Duration(n)*time.Second)
	}
	if is(types.QueueAttributeNameRedrivePolicy) != "" {
		log.WarnContext(ctx, "the queue takes messages away that were received often, which happens to good ones: remove its RedrivePolicy",
			"queue", cfg.name())
	}
	return nil
}

// explain says what the server's answer to the first request means for the settings.
func explain(err error) error {
	switch codeOf(err) {
	case "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue":
		return fmt.Errorf("the queue does not exist: %w", err)
	case "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSignatureException",
		"ExpiredToken", "ExpiredTokenException":
		return fmt.Errorf("the keys are refused: %w", err)
	case "AccessDenied", "AccessDeniedException":
		return fmt.Errorf("the keys may not look at the queue (sqs:GetQueueAttributes): %w", err)
	default:
		return err
	}
}

// codeInvalid is how SQS calls a parameter that it does not take.
const codeInvalid = "InvalidParameterValue"

// codeOf gives SQS's own name of an error, for those that have no type.
func codeOf(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

// failed says what was tried, and of what kind the failure is.
func failed(what string, err error) error {
	var throttled *types.RequestThrottled
	var slower *types.KmsThrottled
	var full *types.OverLimit
	var malformed *types.ReceiptHandleIsInvalid
	switch {
	case errors.As(err, &throttled), errors.As(err, &slower), errors.As(err, &full):
		return fault.New(fault.Busy, "queue_busy", "the queue cannot take more now").Because(fmt.Errorf("%s: %w", what, err))
	case errors.As(err, &malformed):
		return fault.New(fault.Invalid, "bad_receipt", "the queue does not know the receipt").Because(err)
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}
