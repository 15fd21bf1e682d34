// A server tells its engine at which address other replicas reach it and by which credentials it reaches them. The library has nobody
// who does (https://github.com/ClickHouse/ClickHouse/issues/78632), so that replicated tables stay read-only in it. Here the three
// functions that the engine asks are replaced by ones that answer.
#include "chpatch.h"
#include <string.h>

enum { at_address = 0x1417c9c0, at_scheme = 0x1417cac0, at_credentials = 0x1417c940 };

// A std::string of the library, of at most 22 bytes.
struct text {
    char bytes[23];
    char length;
};

struct address {
    struct text host;
    uint16_t port;
};

struct shared {
    const void *object;
    const void *count; // NULL: nobody counts
};

static uint16_t interserver_port;

static struct text text_of(const char *s) {
    struct text t = {.length = strlen(s)};
    memcpy(t.bytes, s, t.length);
    return t;
}

// Context::getInterserverIOAddress
static struct address *address(struct address *to, const void *context) {
    (void)context;
    to->host = text_of("127.0.0.1");
    to->port = interserver_port;
    return to;
}

// Context::getInterserverScheme
static struct text *scheme(struct text *to, const void *context) {
    (void)context;
    *to = text_of("http");
    return to;
}

// Context::getInterserverCredentials: empty texts are all zeros.
static struct shared credentials(const void *context) {
    static const char nobody[4096];
    (void)context;
    return (struct shared){nobody, NULL};
}

// Has the engine of the library tell other replicas that it gives its parts at a port of the loopback.
int be_replica(void *lib, int port) {
    interserver_port = port;
    if (patch(lib, at_address, "\x41\x56\x53\x48\x83\xec\x48\x4c\x8b\x36", 10, (uintptr_t)address) != 0 ||
        patch(lib, at_scheme, "\x48\x8b\x06\x80\xb8\x87\x01\x00\x00\x00", 10, (uintptr_t)scheme) != 0 ||
        patch(lib, at_credentials, "\x41\x57\x41\x56\x53\x4c\x8b\x3f", 8, (uintptr_t)credentials) != 0)
        return -1;
    return 0;
}
