package httpapi

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestTimedBodiesLeavesRequestsWithoutBodyAlone(t *testing.T) {
	called := false
	h := timedBodies(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		called = true
		if r.Body != http.NoBody {
			t.Errorf("got the body %T, want none", r.Body)
		}
	}), time.Second)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	if !called {
		t.Error("the handler was not called")
	}
}
