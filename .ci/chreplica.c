// A server tells its engine at which address other replicas reach it and by which credentials it reaches them. The library has nobody
// who does (https://github.com/ClickHouse/ClickHouse/issues/78632), so that replicated tables stay read-only in it. Here the three
// functions that the engine asks are replaced by ones that answer. Where they are holds for the one version of the library that
// .ci/servers installs, and what is there is compared first.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static const char anchor[] = "AdbcDriverInit"; // a name that the library exports
enum { at_anchor = 0x0f2540c0, at_address = 0x1417c9c0, at_scheme = 0x1417cac0, at_credentials = 0x1417c940 };

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

// Makes the function at code, which begins as was, jump to another one.
static int replace(unsigned char *code, const char *was, size_t length, uintptr_t to) {
    unsigned char jump[12] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0}; // mov rax, to; jmp rax
    void *page = (void *)((uintptr_t)code & ~(uintptr_t)4095);
    if (memcmp(code, was, length) != 0) {
        fprintf(stderr, "the library is of another version than the one whose replicas can be reached\n");
        return -1;
    }
    memcpy(jump + 2, &to, sizeof to);
    if (mprotect(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) {
        perror("mprotect");
        return -1;
    }
    memcpy(code, jump, sizeof jump);
    return mprotect(page, 8192, PROT_READ | PROT_EXEC);
}

// Has the engine of the library tell other replicas that it gives its parts at a port of the loopback.
int be_replica(void *lib, int port) {
    unsigned char *base = dlsym(lib, anchor);
    if (!base) {
        fprintf(stderr, "%s\n", dlerror());
        return -1;
    }
    base -= at_anchor;
    interserver_port = port;
    if (replace(base + at_address, "\x41\x56\x53\x48\x83\xec\x48\x4c\x8b\x36", 10, (uintptr_t)address) != 0 ||
        replace(base + at_scheme, "\x48\x8b\x06\x80\xb8\x87\x01\x00\x00\x00", 10, (uintptr_t)scheme) != 0 ||
        replace(base + at_credentials, "\x41\x57\x41\x56\x53\x4c\x8b\x3f", 8, (uintptr_t)credentials) != 0)
        return -1;
    return 0;
}
