package cli

import (
	"os"
	"runtime"
)

// headroom is memory that is reserved and never touched, so that it takes none of the machine's. The collector lets the
// heap grow to twice what is live, and here little is: without headroom it would run dozens of times a second while small
// inserts come in, which cost a tenth of them.
const headroom = 64 << 20

// tune fits Go's runtime to a server that syncs: a sync holds one of the runtime's processors while it waits for the disk,
// so there is one more than the machine has. What the environment asks for is left alone. The function that it returns
// ends the tuning.
func tune() (end func()) {
	processors := runtime.GOMAXPROCS(0)
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(processors + 1)
	}
	var reserved []byte
	if os.Getenv("GOGC") == "" {
		reserved = make([]byte, headroom)
	}
	return func() {
		runtime.KeepAlive(reserved)
		runtime.GOMAXPROCS(processors)
	}
}
