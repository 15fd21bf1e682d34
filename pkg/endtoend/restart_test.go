package endtoend

import "testing"

// What was acknowledged is there, also after a restart.
func TestRestart(t *testing.T) {
	n := startNode(t, "")
	n.insert("events", `{"n":1}`)
	n.mustStop()
	n.start()
	n.insert("events", `{"n":2}`)
	n.await("select sum(n)::bigint from events", 3)
	n.mustStop()
}
