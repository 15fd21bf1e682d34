package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
)

// anyRegion is what stores other than AWS mostly take, whatever region they are in.
const anyRegion = "us-east-1"

// dialTimeout is how long a connection may take.
const dialTimeout = 5 * time.Second

// maxBackoff is between the SDK's own three tries. Whoever calls comes again later anyway.
const maxBackoff = time.Second

// connect makes the client. It asks the store nothing.
//
// AWS checks bodies by CRC-32. Other stores know that since lately or not at all, and some (Backblaze B2, Cloudflare R2)
// refuse requests that mention it, but all know Content-MD5: so with an endpoint of one's own it is that.
func (s *store) connect(ctx context.Context, cfg Config) error {
	loaded, err := config.LoadDefaultConfig(ctx, s.loadOptions(cfg)...)
	if err != nil {
		return err
	}
	if loaded.Region == "" {
		if cfg.Endpoint == "" {
			return errors.New("region: is not set, and neither the environment nor AWS's shared configuration names one")
		}
		loaded.Region = anyRegion
	}
	if s.http, err = plainClient(loaded.HTTPClient); err != nil {
		return err
	}
	s.client = awss3.NewFromConfig(loaded, func(o *awss3.Options) {
		o.HTTPClient = s.http
		o.UsePathStyle = cfg.PathStyle
		o.DisableLogOutputChecksumValidationSkipped = true
		if cfg.Endpoint != "" {
			o.BaseEndpoint = &cfg.Endpoint
			o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		}
	})
	s.md5 = s.client.Options().RequestChecksumCalculation == aws.RequestChecksumCalculationWhenRequired
	return nil
}

func (s *store) loadOptions(cfg Config) []func(*config.LoadOptions) error {
	buildable := awshttp.NewBuildableClient().WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout })
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(buildable),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = maxBackoff })
		}),
		config.WithLogger(logging.LoggerFunc(func(_ logging.Classification, format string, args ...any) {
			s.log.Debug("the S3 client says", "text", fmt.Sprintf(format, args...))
		})),
	}
	if cfg.Region != "" {
		options = append(options, config.WithRegion(cfg.Region))
	}
	if cfg.AccessKeyID != "" {
		options = append(options, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(cfg.AccessKeyID, cfg.SecretAccessKey.Reveal(), "")))
	}
	return options
}

// plainClient makes of the SDK's client one whose connections can be closed. Like the SDK's own it follows no redirect but
// those that keep the method.
func plainClient(c any) (*http.Client, error) {
	buildable, ok := c.(*awshttp.BuildableClient)
	if !ok {
		return nil, fmt.Errorf("the SDK's HTTP client is a %T", c)
	}
	return &http.Client{Transport: buildable.GetTransport(), CheckRedirect: func(r *http.Request, via []*http.Request) error {
		code := r.Response.StatusCode
		if keeps := code == http.StatusTemporaryRedirect || code == http.StatusPermanentRedirect; keeps && len(via) < 10 {
			return nil
		}
		return http.ErrUseLastResponse
	}}, nil
}
