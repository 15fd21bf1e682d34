// Package sqs keeps a queue in Amazon SQS, or in a server that speaks as it does.
package sqs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/scratchdata/scratchdata/pkg/fault"
	"github.com/scratchdata/scratchdata/pkg/queue"
	"github.com/scratchdata/scratchdata/pkg/queue/polling"
)

const (
	// callWithin is how long a call may take that waits for nothing.
	callWithin = 30 * time.Second
	// slack is how much longer a request may take than it waits.
	slack = 10 * time.Second
	// maxLease is the longest that a message can be hidden, counted from its delivery.
	maxLease = 12 * time.Hour
	// maxMessage is how long a message may be, in bytes, and knownMessage where a server does not say what it takes.
	maxMessage, knownMessage = 1 << 20, 256 << 10
)

// sqs is the queue.
type sqs struct {
	client *awssqs.Client
	http   *http.Client
	url    *string
	wait   time.Duration
	limit  int // bytes of a message
	held   *held
	poller *polling.Poller
	closed atomic.Bool
}

// Send implements queue.Queue.
func (s *sqs) Send(ctx context.Context, body []byte) error {
	text := encode(body)
	if len(text) > s.limit {
		return fault.New(fault.TooLarge, "message_too_large", "a message of %d bytes is longer than the %d that the queue takes", len(text), s.limit)
	}
	return s.call(ctx, "send a message", func(ctx context.Context) error {
		out, err := s.client.SendMessage(ctx, &awssqs.SendMessageInput{QueueUrl: s.url, MessageBody: &text})
		if err == nil && aws.ToString(out.MessageId) == "" {
			return errNoID
		}
		return err
	})
}

// errNoID is about an answer that is not the queue's: something on the way has given it, or cut it short.
var errNoID = errors.New("the answer does not tell the id of the message, so nobody knows whether the queue has it")

// MaxBody implements queue.Limited.
func (s *sqs) MaxBody() int { return maxBody(s.limit) }

// Receive implements queue.Queue.
func (s *sqs) Receive(ctx context.Context, lease time.Duration) (queue.Message, error) {
	return s.poller.Receive(ctx, lease)
}

// Take implements polling.Server.
func (s *sqs) Take(ctx context.Context, lease time.Duration) (m queue.Message, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.wait+slack)
	defer cancel()
	hidden := max(1, seconds(lease))
	out, err := s.client.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{
		QueueUrl: s.url, MaxNumberOfMessages: 1, WaitTimeSeconds: seconds(s.wait), VisibilityTimeout: hidden,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
		//lint:ignore SA1019 servers that are not Amazon's may know the attribute by its older name alone
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeName(types.MessageSystemAttributeNameApproximateReceiveCount)},
	}, once)
	if err != nil {
		return queue.Message{}, false, failed("receive a message", err)
	}
	if len(out.Messages) == 0 {
		return queue.Message{}, false, nil
	}
	got := out.Messages[0]
	id, handle := aws.ToString(got.MessageId), aws.ToString(got.ReceiptHandle)
	count, _ := strconv.Atoi(got.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)]) // 0 when it is not given
	attempt := s.held.take(id, handle, count, time.Duration(hidden)*time.Second)
	return queue.Message{Body: decode(aws.ToString(got.Body)), Attempt: attempt, Receipt: id + "/" + handle}, true, nil
}

// once lets the library not try again: a second request would be cut by the time that the first has used up.
func once(o *awssqs.Options) { o.RetryMaxAttempts = 1 }

// GiveBack implements polling.Server. SQS counts the delivery; here it is taken off again.
func (s *sqs) GiveBack(ctx context.Context, m queue.Message) error {
	id, handle, err := parseReceipt(m.Receipt)
	if err != nil {
		return err
	}
	s.held.unsee(id)
	return s.show(ctx, handle, 0)
}

// show makes a message visible after so many seconds.
func (s *sqs) show(ctx context.Context, handle string, after int32) error {
	_, err := s.client.ChangeMessageVisibility(ctx, &awssqs.ChangeMessageVisibilityInput{
		QueueUrl: s.url, ReceiptHandle: &handle, VisibilityTimeout: after})
	return err
}

// Hide implements queue.Queue. Once the lease has ended the message may be another's, and SQS would not say so: it is
// fault.NotFound from then on.
func (s *sqs) Hide(ctx context.Context, m queue.Message, d time.Duration) error {
	id, handle, err := parseReceipt(m.Receipt)
	if err != nil {
		return err
	}
	return s.call(ctx, "hide a message", func(ctx context.Context) error {
		most, ok := s.held.left(id, handle)
		if !ok {
			return errGone
		}
		now := time.Now() // the lease begins at the server, which is not before this
		after := min(seconds(d), int32(most/time.Second))
		err := s.show(ctx, handle, after)
		if isGone(err) {
			s.held.forget(id)
			return errGone
		}
		if err == nil {
			s.held.extend(id, handle, now.Add(time.Duration(after)*time.Second))
		}
		return err
	})
}

// Delete implements queue.Queue.
func (s *sqs) Delete(ctx context.Context, m queue.Message) error {
	id, handle, err := parseReceipt(m.Receipt)
	if err != nil {
		return err
	}
	return s.call(ctx, "delete a message", func(ctx context.Context) error {
		handle := s.held.newest(id, handle)
		_, err := s.client.DeleteMessage(ctx, &awssqs.DeleteMessageInput{QueueUrl: s.url, ReceiptHandle: &handle})
		if err == nil {
			s.held.forget(id)
		}
		return err
	})
}

// Close implements queue.Queue. It waits for the requests that wait for messages.
func (s *sqs) Close() error {
	s.closed.Store(true)
	s.poller.Close(s.wait + slack)
	s.http.CloseIdleConnections()
	return nil
}

// call makes a call that waits for nothing.
func (s *sqs) call(ctx context.Context, what string, do func(ctx context.Context) error) error {
	if s.closed.Load() {
		return fmt.Errorf("%s: %w", what, fault.Closed)
	}
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	if err := do(ctx); err != nil {
		return failed(what, err)
	}
	return nil
}

// parseReceipt takes a receipt apart into the message's id and SQS's handle on the delivery.
func parseReceipt(receipt string) (id, handle string, err error) {
	id, handle, ok := strings.Cut(receipt, "/")
	if !ok || id == "" || handle == "" {
		return "", "", fault.New(fault.Invalid, "bad_receipt", "%.80q is not the receipt of a message", receipt)
	}
	return id, handle, nil
}

// seconds rounds d up to what SQS can count.
func seconds(d time.Duration) int32 {
	d = min(max(d, 0), maxLease)
	return int32((d + time.Second - 1) / time.Second)
}

// errGone is about a message that was deleted, or may have been delivered again.
var errGone = fault.New(fault.NotFound, "unknown_message", "the message was deleted, or its lease has ended")

// isGone reports whether SQS says that a delivery is over. It does so in several ways.
func isGone(err error) bool {
	var notInFlight *types.MessageNotInflight
	var invalid *types.ReceiptHandleIsInvalid
	return errors.As(err, &notInFlight) || errors.As(err, &invalid) || codeOf(err) == codeInvalid
}
