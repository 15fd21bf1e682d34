package httpapi

import (
	"io"
	"net/http"
	"os"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

type healthReply struct {
	Status  string   `json:"status"`
	Reasons []string `json:"reasons,omitempty"`
}

// health answers 200 when the server can do its work, 503 with every reason when it cannot.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	reasons := s.reasons()
	if len(reasons) == 0 {
		return writeJSON(w, http.StatusOK, healthReply{Status: "ok"})
	}
	w.Header().Set("Retry-After", "5")
	return writeJSON(w, http.StatusServiceUnavailable, healthReply{Status: "failing", Reasons: reasons})
}

func (s *Server) reasons() []string {
	var reasons []string
	if f := s.cfg.FailFile; f != "" {
		if _, err := os.Stat(f); err == nil {
			reasons = append(reasons, "the fail file is present")
		}
	}
	switch {
	case s.deps.Writer == nil:
		reasons = append(reasons, "uploads are switched off")
	default:
		if err := s.deps.Writer.Check(); err != nil {
			reasons = append(reasons, fault.TextOf(err))
		}
	}
	if s.deps.Health != nil {
		reasons = append(reasons, s.deps.Health()...)
	}
	return reasons
}

const homeText = `Scratch Data

  curl -H "Authorization: Bearer $KEY" -d '{"hello":"world"}' http://HOST/api/data/insert/events
  curl -H "Authorization: Bearer $KEY" -G --data-urlencode 'query=select * from events' http://HOST/api/data/query
`

func (s *Server) home(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := io.WriteString(w, homeText)
	if err != nil {
		return fault.New(fault.Canceled, "client_gone", "the client left before the answer").Because(err)
	}
	return nil
}
