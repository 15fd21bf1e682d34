package endtoend

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// signers notes who signed the requests that went through it to a server: key, region and service.
type signers struct {
	URL  string
	mu   sync.Mutex
	seen map[string]int // guarded by mu
}

// credential is what a signature of AWS says of who made it.
var credential = regexp.MustCompile(`Credential=([^/]+)/\d+/([^/]+/[^/]+)/aws4_request`)

// newSigners stands before the server at target. What is signed, the host's name too, goes through as it is.
func newSigners(t *testing.T, target string) *signers {
	t.Helper()
	at, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	s := &signers{seen: make(map[string]int)}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = at.Scheme, at.Host
		r.Out.Host = r.In.Host
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := "nobody"
		if found := credential.FindStringSubmatch(r.Header.Get("Authorization")); found != nil {
			who = found[1] + " " + found[2]
		}
		s.mu.Lock()
		s.seen[who]++
		s.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// want wants that one has signed, and nobody else.
func (s *signers) want(t *testing.T, who string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := slices.Sorted(maps.Keys(s.seen)); !slices.Equal(got, []string{who}) {
		t.Errorf("requests: got them signed by %q, want %q", got, who)
	}
}

// Queue and store are two vendors', though both are asked as AWS is: each has the endpoint, the region and the keys of its own
// section, whatever the environment says for both.
func TestQueueAndStoreOfTwoVendors(t *testing.T) {
	servers.Need(t, "S3", "SQS")
	sqs, s3 := servertest.SQS(t), servertest.S3(t)
	sqs.Region = "eu-central-1"
	atQueue, atStore := newSigners(t, sqs.Endpoint), newSigners(t, s3.Endpoint)
	bucket, queue := s3.Bucket(t), sqs.Queue(t, nil)
	settings := s3Settings(s3, atStore.URL, bucket, s3.AccessKeyID, s3.SecretAccessKey)
	yaml := fmt.Sprintf("queue: {type: sqs, settings: {url: %q, endpoint: %q, region: %q, access_key_id: queue-key, secret_access_key: %q, wait: 1s}}\n"+
		"blob_store: {type: s3, settings: {%s}}\n", queue, atQueue.URL, sqs.Region, "queue-secret", settings)
	n := startNode(t, yaml, "AWS_ACCESS_KEY_ID=neither", "AWS_SECRET_ACCESS_KEY=either", "AWS_REGION=mars-north-1")
	n.insert("events?wait=true", `{"n":1}`)
	n.await("select n from events", 1)
	n.mustStop()
	atQueue.want(t, "queue-key eu-central-1/sqs")
	atStore.want(t, s3.AccessKeyID+" "+s3.Region+"/s3")
	if messages, blobs := sqs.Messages(t, queue), s3.Keys(t, bucket); messages != 0 || len(blobs) != 0 {
		t.Errorf("left behind: %d messages and the blobs %q", messages, blobs)
	}
	n.wantGoodLog(yaml)
}
