package app

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scratchdata/scratchdata/pkg/account"
	"github.com/scratchdata/scratchdata/pkg/config"
	"github.com/scratchdata/scratchdata/pkg/httpapi"
)

func TestNewLog(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  config.Logging
		want []string // of the lines that are written
	}{
		{"debug", config.Logging{Level: "debug"}, []string{"DEBUG", "INFO", "WARN", "ERROR"}},
		{"info", config.Logging{Level: "info"}, []string{"INFO", "WARN", "ERROR"}},
		{"warn", config.Logging{Level: "warn", JSONFormat: true}, []string{"WARN", "ERROR"}},
		{"error", config.Logging{Level: "error", JSONFormat: true}, []string{"ERROR"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			log := NewLog(tt.cfg, &b)
			log.Debug("one", "some_key", 1)
			log.Info("one", "some_key", 1)
			log.Warn("one", "some_key", 1)
			log.Error("one", "some_key", 1)
			lines := strings.Split(strings.TrimSpace(b.String()), "\n")
			if len(lines) != len(tt.want) {
				t.Fatalf("got %q, want %d lines", lines, len(tt.want))
			}
			for i, line := range lines {
				if !strings.Contains(line, tt.want[i]) || json.Valid([]byte(line)) != tt.cfg.JSONFormat {
					t.Errorf("line %q: want level %s, JSON %t", line, tt.want[i], tt.cfg.JSONFormat)
				}
			}
		})
	}
}

// Each line of a request has its id, also through a logger that has attributes and groups of its own.
func TestLogLinesHaveTheRequestID(t *testing.T) {
	var b bytes.Buffer
	log := NewLog(config.Logging{Level: "debug", JSONFormat: true}, &b).With("part", "api")
	s := httpapi.New(httpapi.DefaultConfig(), httpapi.Deps{Log: log, Registry: prometheus.NewRegistry(), Keys: account.New(nil)})
	r := httptest.NewRequest(http.MethodGet, "/api/receipts/x", http.NoBody)
	r.Header.Set("X-Request-Id", "abc-1")
	s.Handler().ServeHTTP(httptest.NewRecorder(), r)
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	for _, line := range lines {
		var got struct {
			Part      string `json:"part"`
			RequestID string `json:"request_id"`
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if got.Part != "api" || got.RequestID != "abc-1" {
			t.Errorf("line %q: want part api and request_id abc-1", line)
		}
	}
	if len(lines) < 2 {
		t.Errorf("got %d lines, want the failure and the request", len(lines))
	}
	b.Reset()
	log.WithGroup("g").Info("no request")
	if strings.Contains(b.String(), "request_id") {
		t.Errorf("line %q has an id without a request", b.String())
	}
	if _, ok := log.WithGroup("g").Handler().(requestLog); !ok {
		t.Errorf("a group loses the wrapping: got %T", log.WithGroup("g").Handler())
	}
}
