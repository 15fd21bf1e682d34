// chserve runs the ClickHouse engine of libchdb.so as a server with the native and the HTTP protocol, for tests:
//
//     chserve LIBCHDB.SO DATADIR TCPPORT HTTPPORT [--interserver-port=...] [--config-file=...]
//
// It reads ./config.xml when it is given no other. With an interserver port its tables can be replicas of others; somebody else must
// give their parts there. Build: cc -O2 -o chserve chserve.c chpatch.c chreplica.c -ldl
#define _GNU_SOURCE
#include "chpatch.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Keeps the engine's only query running while its listeners work.
static const char forever[] =
    "--query=SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; SELECT sleepEachRow(1) FROM numbers(10000000) FORMAT Null "
    "SETTINGS max_block_size=1, function_sleep_max_microseconds_per_block=0, max_threads=1";

enum { at_exception = 0x0f113480 };

// ErrorHandler::exception: what it is called with for each connection that failed in the middle, as when its client has cut it. The
// library has the one of a command line, which ends the process. A server goes on.
static void go_on(void) {}

static char *option(const char *name, const char *value) {
    char *text;
    if (asprintf(&text, "--%s=%s", name, value) < 0)
        abort();
    return text;
}

int main(int argc, char **argv) {
    if (argc < 5) {
        fprintf(stderr, "usage: chserve LIBCHDB.SO DATADIR TCPPORT HTTPPORT [--interserver-port=...] [--config-file=...]\n");
        return 2;
    }
    void *lib = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
    void *(*run)(int, char **) = lib ? (void *(*)(int, char **))dlsym(lib, "chdb_query_cmdline") : NULL;
    const char *(*error)(void *) = lib ? (const char *(*)(void *))dlsym(lib, "chdb_result_error") : NULL;
    if (!run || !error) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    if (patch(lib, at_exception, "\x50\xe8\xfa\x66\xe2\x11", 6, (uintptr_t)go_on) != 0)
        return 1;
    char **args = calloc(argc + 4, sizeof *args); // ends with a null pointer
    int n = 0;
    args[n++] = "clickhouse";
    args[n++] = option("path", argv[2]);
    args[n++] = option("listen_host", "127.0.0.1");
    args[n++] = option("tcp_port", argv[3]);
    args[n++] = option("http_port", argv[4]);
    for (int i = 5; i < argc; i++) {
        static const char interserver[] = "--interserver-port=";
        if (strncmp(argv[i], interserver, sizeof interserver - 1) != 0)
            args[n++] = argv[i];
        else if (be_replica(lib, atoi(argv[i] + sizeof interserver - 1)) != 0)
            return 1;
    }
    args[n++] = (char *)forever;
    const char *why = error(run(n, args));
    fprintf(stderr, "the engine ended: %s\n", why ? why : "no error");
    return 1;
}
