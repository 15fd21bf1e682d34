// Command chserve runs the ClickHouse engine of libchdb.so as a server with the native and the HTTP protocol, for tests:
// chserve LIBCHDB.SO DATADIR TCPPORT HTTPPORT [--config-file=…]. It reads ./config.xml when it is given no other.
package main

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// forever keeps the engine's only query running while its listeners work.
const forever = "SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; SELECT sleepEachRow(1) FROM numbers(10000000) FORMAT Null " +
	"SETTINGS max_block_size=1, function_sleep_max_microseconds_per_block=0, max_threads=1"

func main() {
	if len(os.Args) < 5 {
		fmt.Fprintln(os.Stderr, "usage: chserve LIBCHDB.SO DATADIR TCPPORT HTTPPORT [--config-file=…]")
		os.Exit(2)
	}
	runtime.LockOSThread()
	lib, err := purego.Dlopen(os.Args[1], purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var run func(argc int32, argv unsafe.Pointer) uintptr
	purego.RegisterLibFunc(&run, lib, "chdb_query_cmdline")
	var message func(result uintptr) string
	purego.RegisterLibFunc(&message, lib, "chdb_result_error")
	args := []string{"clickhouse", "--path=" + os.Args[2], "--listen_host=127.0.0.1", "--tcp_port=" + os.Args[3], "--http_port=" + os.Args[4]}
	args = append(append(args, os.Args[5:]...), "--query="+forever)
	argv := make([]*byte, len(args)+1) // ends with a null pointer
	for i, a := range args {
		argv[i] = &append([]byte(a), 0)[0]
	}
	fmt.Fprintln(os.Stderr, "the engine ended:", message(run(int32(len(args)), unsafe.Pointer(&argv[0]))))
	os.Exit(1)
}
