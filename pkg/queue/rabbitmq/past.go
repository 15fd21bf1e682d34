package rabbitmq

import "github.com/rabbitmq/amqp091-go"

// maxPast is how many messages this process remembers something of: about 10 MB.
const maxPast = 1 << 16

// past is what this process knows of messages and the server does not tell. The oldest is forgotten first: then an attempt
// may be counted wrongly, or a message come again that was deleted after its lease had ended.
type past struct {
	most  int
	byID  map[string]*memory
	order []string // the ids in byID, the oldest first
}

// memory is what is known of one message.
type memory struct {
	given   int  // the attempt that it was given out as last
	surplus int  // how often it was returned without having been given out
	removed bool // its work is done
}

func newPast(most int) *past { return &past{most: most, byID: make(map[string]*memory)} }

// of gives the memory of a message, which it makes when there is none.
func (p *past) of(id string) *memory {
	if m := p.byID[id]; m != nil {
		return m
	}
	if len(p.order) >= p.most {
		delete(p.byID, p.order[0])
		p.order = p.order[1:]
	}
	m := &memory{}
	p.byID[id] = m
	p.order = append(p.order, id)
	return m
}

func (p *past) remove(id string)  { p.of(id).removed = true }
func (p *past) surplus(id string) { p.of(id).surplus++ }

func (p *past) removed(id string) bool {
	m := p.byID[id]
	return m != nil && m.removed
}

// attempt counts a delivery that is given out now. A quorum queue counts how often a message was returned; a classic one
// tells only whether it was, so that the deliveries of other processes count as one. (Newer servers do not count what was
// returned on request; this process's own are counted here.)
func (p *past) attempt(id string, d *amqp091.Delivery) int {
	m := p.of(id)
	returned, counted := d.Headers["x-delivery-count"].(int64)
	if !counted && d.Redelivered {
		returned = 1
	}
	m.given = max(m.given+1, 1+int(returned)-m.surplus)
	return m.given
}
