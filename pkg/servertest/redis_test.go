package servertest

import "testing"

func TestRedisStartsAndStops(t *testing.T) {
	if url := Redis(t); url == "" {
		t.Error("got no URL")
	}
}
