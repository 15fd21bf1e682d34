package cli

import (
	"context"
	"strings"
	"testing"
)

// copy runs the command and wants that code, and gives what it printed to each side.
func (s *site) copy(want int, args ...string) (out, errs string) {
	s.t.Helper()
	code, out, errs := run(s.t, append([]string{"copy", "--config", s.config}, args...)...)
	if code != want {
		s.t.Errorf("copy %v: got code %d %s %s, want %d", args, code, out, errs, want)
	}
	return out, errs
}

// The command does the same by a running server and without one.
func TestCopyWithAndWithoutAServer(t *testing.T) {
	s := newSite(t, freePort(t))
	want := func(table string) {
		t.Helper()
		out, errs := s.copy(exitOK, "-q", "select i, $word as word from range(1000) r(i)", "--param", "word=ö", "-t", table)
		if out != "1000 rows read, 1000 written to "+table+" of destination 1, 1000 counted there\n" {
			t.Errorf("got %q", out)
		}
		if !strings.Contains(errs, ": queued\n") || !strings.Contains(errs, ": done\n") || strings.Contains(errs, "\r") {
			t.Errorf("got %q, want a line for each state where there is no terminal", errs)
		}
	}
	want("without")
	stop := s.serve()
	defer stop()
	want("with")
	out, _ := s.copy(exitOK, "-q", "select count(*) as n from without union all select count(*) from \"with\" where word = 'ö'", "-t", "counts")
	if !strings.HasPrefix(out, "2 rows read, 2 written") {
		t.Errorf("got %q", out)
	}
}

func TestCopyTellsMistakes(t *testing.T) {
	s := newSite(t, "0")
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no table", []string{"-q", "select 1"}, exitUsage, "--table"},
		{"bad table", []string{"-q", "select 1 as a", "-t", "a/b"}, exitUsage, "table name"},
		{"not a SELECT", []string{"-q", "drop table t", "-t", "t"}, exitFailed, "must be a SELECT"},
		{"bad SQL", []string{"-q", "selec", "-t", "t"}, exitUsage, "syntax error"},
		{"unknown destination", []string{"-q", "select 1 as a", "-t", "t", "--to", "9"}, exitUsage, `no destination has the id "9"`},
		{"unknown source", []string{"-q", "select 1 as a", "-t", "t", "--from", "9"}, exitUsage, `no destination has the id "9"`},
		{"fails half way", []string{"-q", "select case when i = 900000 then error('no more') else i end as i from range(1000000) r(i)", "-t", "t"}, exitFailed, "nothing was loaded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if out, errs := s.copy(tt.code, tt.args...); out != "" || !strings.Contains(errs, tt.want) {
				t.Errorf("got %q and %q, want %q among the errors", out, errs, tt.want)
			}
		})
	}
}

// An interrupt cancels the copy, and the command says so.
func TestCopyInterrupted(t *testing.T) {
	s := newSite(t, "0")
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var out strings.Builder
	errs := &watching{until: ": reading\n", then: interrupt}
	code := Run(ctx, []string{"copy", "--config", s.config, "-q", "select i from range(100000000000) r(i)", "-t", "endless"}, &out, errs, "v1", noHangups)
	if code != exitFailed || !strings.Contains(errs.String(), "canceled; nothing was loaded") {
		t.Errorf("got code %d, %q and %q, want %d and that it was canceled", code, out.String(), errs.String(), exitFailed)
	}
}

// watching is a place for texts that does something when a certain one has come.
type watching struct {
	strings.Builder
	until string
	then  func()
}

func (w *watching) Write(p []byte) (int, error) {
	n, err := w.Builder.Write(p)
	if strings.Contains(w.String(), w.until) {
		w.then()
	}
	return n, err
}
