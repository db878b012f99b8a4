// Counts allocations by standing in front of the allocator: an executable that links this defines malloc and the others, so
// that every library of the process finds them here (ELF symbol interposition), and they go on to glibc's own.
//
// Counters belong to threads: a measurement is not disturbed by what others do, and counting costs one addition without
// a lock. An event loop is one thread, so what it does for a session is counted whole.

#include "CAllocationCount.h"

#include <errno.h>
#include <features.h>
#include <stddef.h>

#ifdef __GLIBC__

// glibc's own names for its allocator; they stay the same whoever defines malloc.
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *memory);

// Initial-exec: reached without a call, and never allocated lazily, which would ask malloc from within malloc.
static _Thread_local apus_allocation_count counted __attribute__((tls_model("initial-exec")));

static inline void note(size_t size) {
    counted.allocations++;
    counted.bytes += size;
}

void *malloc(size_t size) {
    note(size);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    note(count * size);
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    note(size);
    return __libc_realloc(old, size);
}

void free(void *memory) {
    if (memory != NULL) counted.frees++;
    __libc_free(memory);
}

void *memalign(size_t alignment, size_t size) {
    note(size);
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    note(size);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    if (alignment % sizeof(void *) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
    note(size);
    void *made = __libc_memalign(alignment, size);
    if (made == NULL) return ENOMEM;
    *memory = made;
    return 0;
}

apus_allocation_count apus_allocations(void) { return counted; }

bool apus_allocations_are_counted(void) { return true; }

#else

apus_allocation_count apus_allocations(void) { return (apus_allocation_count){0, 0, 0}; }

bool apus_allocations_are_counted(void) { return false; }

#endif
