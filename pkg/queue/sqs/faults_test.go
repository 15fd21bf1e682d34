package sqs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/goleak"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/queue/queuetest"
	"github.com/scratchdata/scratchdata/pkg/servertest"
)

// checkReceiversThatLeaveHideNothing has receivers in two processes that leave when messages come. Would one of them leave a
// message hidden, it would not come within the test.
func checkReceiversThatLeaveHideNothing(t *testing.T, s servertest.SQSServer) {
	const messages = 300
	url := s.Queue(t, nil)
	a, b := openURL(t, s.Endpoint, url), openURL(t, s.Endpoint, url)
	var sent sync.WaitGroup
	sent.Go(func() {
		for i := range messages {
			send(t, a, fmt.Sprint(i))
		}
	})
	count := gather(t, messages, 2, func(ctx context.Context, q queue.Queue) (queue.Message, error) {
		ctx, cancel := context.WithTimeout(ctx, rand.N(20*time.Millisecond))
		defer cancel()
		m, err := q.Receive(ctx, time.Hour)
		if err != nil {
			return m, err
		}
		return m, q.Delete(context.WithoutCancel(ctx), m)
	}, a, b)
	sent.Wait()
	wantOnce(t, count)
	shut(t, a, b)
}

// checkProcessesShareAQueue has two clients that know nothing of each other, and one that dies with messages in hand.
func checkProcessesShareAQueue(t *testing.T, s servertest.SQSServer) {
	const messages, lost = 200, 10
	url := s.Queue(t, nil)
	a, b, dies := openURL(t, s.Endpoint, url), openURL(t, s.Endpoint, url), openURL(t, s.Endpoint, url)
	for i := range messages {
		send(t, a, fmt.Sprint(i))
	}
	for range lost {
		receive(t, dies, 30*time.Second)
	}
	var again atomic.Int32 // deliveries of messages that were delivered before
	count := gather(t, messages, 4, func(ctx context.Context, q queue.Queue) (queue.Message, error) {
		m, err := q.Receive(ctx, time.Hour)
		if err != nil {
			return m, err
		}
		if m.Attempt > 1 {
			again.Add(1)
		}
		return m, errors.Join(q.Hide(ctx, m, time.Hour), q.Delete(context.WithoutCancel(ctx), m))
	}, a, b)
	if got := again.Load(); got != lost {
		t.Errorf("%d messages came again, want the %d of the process that died", got, lost)
	}
	wantOnce(t, count)
	shut(t, a, b, dies)
}

// checkStaleReceiptOfAnotherProcess has a message whose lease has ended in one process and goes on in another.
func checkStaleReceiptOfAnotherProcess(t *testing.T, s servertest.SQSServer) {
	url := s.Queue(t, nil)
	a, b := openURL(t, s.Endpoint, url), openURL(t, s.Endpoint, url)
	send(t, a, "m")
	stale := receive(t, a, time.Second)
	now := receive(t, b, time.Hour)
	if now.Attempt != 2 {
		t.Errorf("got attempt %d, want 2", now.Attempt)
	}
	if err := a.Hide(t.Context(), stale, 0); !errors.Is(err, fault.NotFound) {
		t.Errorf("got %v, want fault.NotFound", err)
	}
	wantNone(t, a, 1500*time.Millisecond)
	if err := b.Hide(t.Context(), now, time.Hour); err != nil {
		t.Errorf("hide by the receiver that has it: %v", err)
	}
	// Its work is done, and SQS does not say whether it has deleted the message.
	if err := a.Delete(t.Context(), stale); err != nil {
		t.Errorf("delete by the other: %v", err)
	}
	if err := b.Delete(t.Context(), now); err != nil {
		t.Errorf("delete: %v", err)
	}
	shut(t, a, b)
}

func checkLeasesAreAsLongAsSQSLets(t *testing.T, s servertest.SQSServer) {
	q := openURL(t, s.Endpoint, s.Queue(t, nil))
	send(t, q, "m")
	m := receive(t, q, 100*time.Hour)
	for _, d := range []time.Duration{100 * time.Hour, maxLease, -time.Second} {
		if err := q.Hide(t.Context(), m, d); err != nil {
			t.Errorf("hide for %v: %v", d, err)
		}
	}
	if m := receive(t, q, time.Hour); m.Attempt != 2 {
		t.Errorf("got attempt %d, want 2", m.Attempt)
	}
	shut(t, q)
}

// checkAnswerIsLost loses the answer to a request, or the request itself. The vendor's library tries again, but for one that
// waits for messages.
func checkAnswerIsLost(t *testing.T, s servertest.SQSServer) {
	const lease = 5 * time.Second // longer than the library waits before it tries again
	for _, tt := range []struct {
		name string
		lose func(*servertest.Proxy, string) <-chan struct{}
		op   string
		want int // deliveries, each deleted at once
	}{
		{"message not sent", (*servertest.Proxy).CutBefore, "SendMessage", 1},
		{"message sent", (*servertest.Proxy).CutAfter, "SendMessage", 2},
		{"message not received", (*servertest.Proxy).CutBefore, "ReceiveMessage", 1},
		{"message received", (*servertest.Proxy).CutAfter, "ReceiveMessage", 1},
		{"message not deleted", (*servertest.Proxy).CutBefore, "DeleteMessage", 1},
		{"message deleted", (*servertest.Proxy).CutAfter, "DeleteMessage", 1},
		{"message not hidden", (*servertest.Proxy).CutBefore, "ChangeMessageVisibility", 1},
		{"message hidden", (*servertest.Proxy).CutAfter, "ChangeMessageVisibility", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := servertest.NewProxy(t, strings.TrimPrefix(s.Endpoint, "http://"))
			q := openURL(t, "http://"+p.Addr(), s.Queue(t, nil))
			met := tt.lose(p, "AmazonSQS."+tt.op)
			send(t, q, "m")
			if tt.op == "ReceiveMessage" {
				if m, err := during(t, q, lease, patience); err == nil || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %q and %v, want the error of the one request", m.Body, err)
				}
			}
			for range tt.want {
				m := receive(t, q, lease)
				if err := errors.Join(q.Hide(t.Context(), m, lease), q.Delete(t.Context(), m)); err != nil {
					t.Errorf("hide and delete: %v", err)
				}
			}
			wantNone(t, q, lease+time.Second)
			select {
			case <-met:
			default:
				t.Errorf("no %s went wrong", tt.op)
			}
			shut(t, q)
		})
	}
}

func checkServerIsAway(t *testing.T, s servertest.SQSServer) {
	p := servertest.NewProxy(t, strings.TrimPrefix(s.Endpoint, "http://"))
	q := openURL(t, "http://"+p.Addr(), s.Queue(t, nil))
	send(t, q, "before")
	p.Refuse(true)
	p.Cut()
	if err := q.Send(t.Context(), []byte("lost")); err == nil {
		t.Error("send: got no error")
	}
	if m, err := during(t, q, time.Hour, patience); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("receive: got %q and %v, want an error before the context ends", m.Body, err)
	}
	p.Refuse(false)
	if m := receive(t, q, time.Hour); string(m.Body) != "before" {
		t.Errorf("got %q, want what was sent before", m.Body)
	}
	shut(t, q)
}

// checkServerIsSilent has calls whose contexts end while the server says nothing.
func checkServerIsSilent(t *testing.T, s servertest.SQSServer) {
	p := servertest.NewProxy(t, strings.TrimPrefix(s.Endpoint, "http://"))
	q := openURL(t, "http://"+p.Addr(), s.Queue(t, nil))
	send(t, q, "m")
	m := receive(t, q, time.Hour)
	send(t, q, "next")
	p.Hold()
	for name, call := range map[string]func(ctx context.Context) error{
		"send":    func(ctx context.Context) error { return q.Send(ctx, nil) },
		"receive": func(ctx context.Context) error { _, err := q.Receive(ctx, time.Hour); return err },
		"hide":    func(ctx context.Context) error { return q.Hide(ctx, m, time.Minute) },
		"delete":  func(ctx context.Context) error { return q.Delete(ctx, m) },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // in which it leaves the client
		start := time.Now()
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 10*time.Second {
			t.Errorf("%s: got %v after %v, want deadline exceeded at once", name, err, time.Since(start))
		}
		cancel()
	}
	p.Release()
	bodies := gather(t, 2, 1, func(ctx context.Context, q queue.Queue) (queue.Message, error) { return q.Receive(ctx, time.Hour) }, q)
	if bodies["next"] != 1 || bodies[""] != 1 {
		t.Errorf("got %v, want the next message and the one that was sent in silence", bodies)
	}
	shut(t, q)
}

func checkCloseEndsReceive(t *testing.T, s servertest.SQSServer) {
	url := s.Queue(t, nil)
	defer servertest.NoLeaks(t, goleak.IgnoreCurrent())
	q := openURL(t, s.Endpoint, url)
	wantNone(t, q, 50*time.Millisecond) // a request goes on
	result := make(chan error, 1)
	go func() {
		_, err := q.Receive(t.Context(), time.Minute)
		result <- err
	}()
	shut(t, q, q)
	m := queue.Message{Receipt: "id/handle"}
	for _, err := range []error{<-result, q.Send(t.Context(), nil), q.Hide(t.Context(), m, 0), q.Delete(t.Context(), m)} {
		if !errors.Is(err, fault.Closed) {
			t.Errorf("got %v, want fault.Closed", err)
		}
	}
}

func checkForeignReceipt(t *testing.T, s servertest.SQSServer) {
	q := openURL(t, s.Endpoint, s.Queue(t, nil))
	for _, receipt := range []string{"of another queue", "", "/", "a/", "/a"} {
		m := queue.Message{Receipt: receipt}
		for _, err := range []error{q.Hide(t.Context(), m, 0), q.Delete(t.Context(), m)} {
			if !errors.Is(err, fault.Invalid) {
				t.Errorf("%q: got %v, want fault.Invalid", receipt, err)
			}
		}
	}
	shut(t, q)
}

// checkServerThatDoesNotCount runs the port's suite on a server that does not say how often a message was received.
func checkServerThatDoesNotCount(t *testing.T, s servertest.SQSServer) {
	target, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	relay := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		if r.In.Header.Get("X-Amz-Target") == "AmazonSQS.ReceiveMessage" {
			dropAttributes(r.Out)
		}
	}})
	defer relay.Close()
	queuetest.Run(t, func(t *testing.T) queue.Queue { return openURL(t, relay.URL, s.Queue(t, nil)) }, queuetest.MayGiveTwice)
}

// dropAttributes makes a request that does not ask for attributes.
func dropAttributes(r *http.Request) {
	var in map[string]any
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return
	}
	delete(in, "AttributeNames")
	delete(in, "MessageSystemAttributeNames")
	body, err := json.Marshal(in)
	if err != nil {
		return
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
}

// TestAnswersThatDoNotShowTheMessage has something between us and the queue answer in its place that all is well.
func TestAnswersThatDoNotShowTheMessage(t *testing.T) {
	for _, answer := range []string{"", "{}", `{"MessageId":""}`} {
		endpoint, _ := answering(t, http.StatusOK, answer)
		q := openURL(t, endpoint, endpoint+"/1/q")
		if err := q.Send(t.Context(), []byte("a")); err == nil || !fault.Retryable(err) {
			t.Errorf("%q: got %v, want an error, to be tried again", answer, err)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestKindsOfFailures(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want fault.Kind
	}{
		{&types.RequestThrottled{}, fault.Busy},
		{&types.KmsThrottled{}, fault.Busy},
		{&types.OverLimit{}, fault.Busy},
		{&types.ReceiptHandleIsInvalid{}, fault.Invalid},
		{&types.QueueDoesNotExist{}, fault.Internal},
		{errGone, fault.NotFound},
		{context.Canceled, fault.Canceled},
		{io.ErrUnexpectedEOF, fault.Internal},
	} {
		if got := fault.Of(failed("try", tt.err)); got != tt.want {
			t.Errorf("%T: got %s, want %s", tt.err, got, tt.want)
		}
	}
}
