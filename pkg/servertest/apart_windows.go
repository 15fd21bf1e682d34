package servertest

import (
	"os/exec"
	"testing"
)

func apart(*exec.Cmd) {}

// signal ends the server: there is no softer way here.
func signal(cmd *exec.Cmd, _ bool) { _ = cmd.Process.Kill() } // fails when it has ended

func as(testing.TB, *exec.Cmd, string, ...string) {}
