package servertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// SQSServer answers as SQS does.
type SQSServer struct {
	Endpoint string // its URL
	Region   string // whose queues these are; moto has those of each apart
}

// sqsRegion is the region that is meant where none is said.
const sqsRegion = "us-east-1"

// SQS gives the server whose endpoint the environment names (SCRATCH_TEST_SQS=http://…), or starts moto.
func SQS(t testing.TB) SQSServer {
	t.Helper()
	if endpoint, ok := Given("SQS"); ok {
		return SQSServer{endpoint, sqsRegion}
	}
	return sqsBy(t, func(port int) *exec.Cmd {
		return exec.Command(program(t, "moto_server"), "-H", "127.0.0.1", "-p", strconv.Itoa(port))
	})
}

// Fauxqs starts a second engine, which is stricter about receipts than moto. It needs Node.js 20, which not every machine
// has: a test that cannot have it is skipped, whatever may be skipped otherwise.
func Fauxqs(t testing.TB) SQSServer {
	t.Helper()
	found, err := exec.Command("npm", "root", "--global").Output()
	if err != nil {
		t.Skipf("no npm: %v", err)
	}
	app := filepath.Join(strings.TrimSpace(string(found)), "fauxqs", "dist", "app.js")
	script := "const {buildApp} = await import(process.argv[1]);" +
		"await buildApp({logger: false}).listen({host: '127.0.0.1', port: +process.argv[2]})"
	if err := exec.Command("node", "--input-type=module", "-e", "await import(process.argv[1])", app).Run(); err != nil {
		t.Skipf("no fauxqs, which `.ci/servers fauxqs` installs: %v", err)
	}
	return sqsBy(t, func(port int) *exec.Cmd {
		return exec.Command("node", "--input-type=module", "-e", script, app, strconv.Itoa(port))
	})
}

// sqsBy starts the command for a port.
func sqsBy(t testing.TB, command func(port int) *exec.Cmd) SQSServer {
	t.Helper()
	port := FreePort(t)
	s := SQSServer{"http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), sqsRegion}
	start(t, command(port), func(ctx context.Context) error {
		return s.ask(ctx, "ListQueues", struct{}{}, &struct{}{})
	})
	return s
}

// Queue makes a queue with the attributes and gives its URL.
func (s SQSServer) Queue(t testing.TB, attributes map[string]string) string {
	t.Helper()
	return s.NamedQueue(t, "test-"+strings.ToLower(rand.Text()), attributes)
}

// NamedQueue makes a queue with this name and gives its URL.
func (s SQSServer) NamedQueue(t testing.TB, name string, attributes map[string]string) string {
	t.Helper()
	in := struct {
		QueueName  string
		Attributes map[string]string `json:",omitempty"`
	}{name, attributes}
	var made struct {
		QueueURL string `json:"QueueUrl"`
	}
	if err := s.ask(t.Context(), "CreateQueue", in, &made); err != nil {
		t.Fatal(err)
	}
	return made.QueueURL
}

// Messages counts those of a queue, hidden or not.
func (s SQSServer) Messages(t testing.TB, queue string) (n int) {
	t.Helper()
	in := struct {
		QueueURL       string `json:"QueueUrl"`
		AttributeNames []string
	}{queue, []string{"All"}}
	var out struct{ Attributes map[string]string }
	if err := s.ask(t.Context(), "GetQueueAttributes", in, &out); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
		some, err := strconv.Atoi(out.Attributes[name])
		if err != nil {
			t.Fatalf("%s of the queue is no number: %v", name, err)
		}
		n += some
	}
	return n
}

// ask calls the server without the vendor's library, and without signing: these servers do not look.
func (s SQSServer) ask(ctx context.Context, action string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("X-Amz-Target", "AmazonSQS."+action)
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/"+s.Region+"/sqs/aws4_request, SignedHeaders=host, Signature=0")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end below
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %.200s", action, resp.Status, text)
	}
	return json.Unmarshal(text, out)
}
