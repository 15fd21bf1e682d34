#include <stddef.h>
#include <stdint.h>

// Replaces the function of the library that is at an offset, and begins with the bytes was, by another one.
int patch(void *lib, uintptr_t offset, const char *was, size_t length, uintptr_t by);

// Has the engine of the library tell other replicas that it gives its parts at a port of the loopback.
int be_replica(void *lib, int port);
