package servertest

import (
	"strings"
	"testing"
)

func TestSQSMakesQueues(t *testing.T) {
	for name, server := range map[string]func(testing.TB) SQSServer{"moto": SQS, "fauxqs": Fauxqs} {
		t.Run(name, func(t *testing.T) {
			s := server(t)
			a, b := s.Queue(t, nil), s.Queue(t, map[string]string{"MaximumMessageSize": "1024"})
			if a == b || !strings.HasPrefix(a, "http") {
				t.Errorf("got the queues %q and %q, want two URLs", a, b)
			}
		})
	}
}

func TestSQSCountsItsMessages(t *testing.T) {
	s := SQS(t)
	queue := s.Queue(t, nil)
	for want := range 3 {
		if got := s.Messages(t, queue); got != want {
			t.Errorf("got %d messages, want %d", got, want)
		}
		in := struct {
			QueueURL    string `json:"QueueUrl"`
			MessageBody string
		}{queue, "text"}
		if err := s.ask(t.Context(), "SendMessage", in, &struct{}{}); err != nil {
			t.Fatal(err)
		}
	}
}
