package servertest

import (
	"testing"

	"github.com/rabbitmq/amqp091-go"
)

func TestRabbitMQComesBack(t *testing.T) {
	s := StartRabbitMQ(t)
	for name, end := range map[string]func(testing.TB){"stopped": s.Stop, "crashed": s.Crash} {
		end(t)
		if _, err := amqp091.Dial(s.URL()); err == nil {
			t.Errorf("%s: it answers", name)
		}
		s.Start(t)
		s.Control(t, "list_queues")
	}
}
