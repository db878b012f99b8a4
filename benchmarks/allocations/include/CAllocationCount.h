#ifndef APUS_ALLOCATION_COUNT_H
#define APUS_ALLOCATION_COUNT_H

#include <stdbool.h>
#include <stdint.h>

/// What one thread has asked the allocator for since it began.
typedef struct {
    /// Calls that gave memory: malloc, calloc, realloc to another size, and the aligned ones.
    uint64_t allocations;
    /// Bytes that were asked for.
    uint64_t bytes;
    uint64_t frees;
} apus_allocation_count;

/// Of the calling thread.
apus_allocation_count apus_allocations(void);

/// Whether this process counts at all: on glibc, where the allocator can be stood in front of.
bool apus_allocations_are_counted(void);

#endif
