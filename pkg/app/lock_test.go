package app

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

func TestLockFolder(t *testing.T) {
	dir := t.TempDir()
	lock, err := lockFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lockFolder(dir)
	if got := fault.Of(err); got != fault.Exists {
		t.Fatalf("second lock: got %v, want kind %v", err, fault.Exists)
	}
	for _, want := range []string{dir, fmt.Sprintf("pid %d", os.Getpid())} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("second lock: got %q, want it to name %q", err, want)
		}
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := lockFolder(dir)
	if err != nil {
		t.Fatalf("lock after the first was closed: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLockFolderThatIsNotThere(t *testing.T) {
	if _, err := lockFolder(t.TempDir() + "/none"); err == nil {
		t.Error("got nil, want an error")
	}
}
