package endtoend

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// between puts a proxy before the server at addr.
func (p *part) between(t *testing.T, addr string) {
	t.Helper()
	p.tcp = servertest.NewProxy(t, addr)
}

// betweenHTTP puts two proxies before the server at endpoint: one for what is said, and one for connections.
func (p *part) betweenHTTP(t *testing.T, endpoint string) {
	t.Helper()
	p.http = servertest.NewHTTPProxy(t, endpoint)
	p.between(t, p.http.Addr())
}

// onS3 keeps the road's blobs in S3.
func (r *road) onS3(t *testing.T) {
	t.Helper()
	servers.Need(t, "S3")
	s := servertest.S3(t)
	bucket := s.Bucket(t)
	p := &r.blobs
	p.kind = "s3"
	p.betweenHTTP(t, s.Endpoint)
	settings := func(endpoint string) string {
		return "{" + s3Settings(s, endpoint, bucket, s.AccessKeyID, s.SecretAccessKey) + "}"
	}
	p.far, p.near = settings("http://"+p.tcp.Addr()), settings(s.Endpoint)
	p.answers = make(map[string]servertest.HTTPAnswer)
	for code, status := range map[string]int{"InternalError": 500, "SlowDown": 503, "TooManyRequests": 429} {
		p.answers[code] = servertest.HTTPAnswer{Status: status, Header: http.Header{"Content-Type": {"application/xml"}},
			Body: "<?xml version=\"1.0\"?><Error><Code>" + code + "</Code><Message>not now</Message></Error>"}
	}
	r.blobsLeft = func(t *testing.T) []string { return s.Keys(t, bucket) }
}

// onGCS keeps the road's blobs in Google Cloud Storage.
func (r *road) onGCS(t *testing.T) {
	t.Helper()
	servers.Need(t, "GCS")
	s := servertest.GCS(t)
	bucket := s.Bucket(t)
	p := &r.blobs
	p.kind = "gcs"
	p.betweenHTTP(t, s.Endpoint)
	settings := func(endpoint string) string { return "{" + gcsSettings(endpoint, bucket) + "}" }
	p.far, p.near = settings("http://"+p.tcp.Addr()), settings(s.Endpoint)
	p.answers = make(map[string]servertest.HTTPAnswer)
	for reason, status := range map[string]int{"internalError": 500, "backendError": 503, "rateLimitExceeded": 429} {
		p.answers[reason] = servertest.HTTPAnswer{Status: status, Header: http.Header{"Content-Type": {"application/json"}},
			Body: fmt.Sprintf(`{"error":{"code":%d,"message":"not now","errors":[{"reason":%q}]}}`, status, reason)}
	}
	r.blobsLeft = func(t *testing.T) []string { return s.Names(t, bucket) }
}

// onFiles keeps the road's blobs in a folder that both nodes see.
func (r *road) onFiles(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	settings := fmt.Sprintf("{dir: %q}", dir)
	r.blobs = part{kind: "local", far: settings, near: settings}
	r.blobsLeft = func(t *testing.T) []string { return filesBelow(t, dir) }
}

// throughSQS sends the road's messages through SQS.
func (r *road) throughSQS(t *testing.T) {
	t.Helper()
	servers.Need(t, "SQS")
	s := servertest.SQS(t)
	at := s.Queue(t, nil)
	p := &r.queue
	p.kind = "sqs"
	p.betweenHTTP(t, s.Endpoint)
	settings := func(endpoint string) string { return "{" + sqsSettings(at, endpoint, "test") + "}" }
	p.far, p.near = settings("http://"+p.tcp.Addr()), settings(s.Endpoint)
	p.answers = make(map[string]servertest.HTTPAnswer)
	for code, status := range map[string]int{"InternalFailure": 500, "ServiceUnavailable": 503, "ThrottlingException": 400, "RequestThrottled": 403} {
		p.answers[code] = servertest.HTTPAnswer{Status: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
			Body: fmt.Sprintf(`{"__type":"com.amazonaws.sqs#%s","message":"not now"}`, code)}
	}
}

// throughRedis sends the road's messages through Redis.
func (r *road) throughRedis(t *testing.T) {
	t.Helper()
	servers.Need(t, "REDIS")
	r.queue = byURL(t, "redis", "url", servertest.Redis(t), ", stream: "+unique())
}

// throughRabbitMQ sends the road's messages through RabbitMQ.
func (r *road) throughRabbitMQ(t *testing.T) {
	t.Helper()
	servers.Need(t, "RABBITMQ")
	r.queue = byURL(t, "rabbitmq", "url", servertest.RabbitMQ(t), ", queue: "+unique())
}

// throughPostgres sends the road's messages through Postgres.
func (r *road) throughPostgres(t *testing.T) {
	t.Helper()
	servers.Need(t, "POSTGRES")
	r.queue = byURL(t, "postgres", "dsn", servertest.Postgres(t), "")
}

// inPostgres lets Postgres remember what the road's nodes share.
func (r *road) inPostgres(t *testing.T) {
	t.Helper()
	servers.Need(t, "POSTGRES")
	r.database = byURL(t, "postgres", "dsn", servertest.Postgres(t), "")
}

// byURL is a part whose server has a URL.
func byURL(t *testing.T, kind, key, at, more string) part {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	p := part{kind: kind, near: fmt.Sprintf("{%s: %q%s}", key, at, more)}
	p.between(t, u.Host)
	p.far = strings.Replace(p.near, u.Host, p.tcp.Addr(), 1)
	return p
}
