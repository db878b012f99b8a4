#ifndef APUS_CEVENTS_H
#define APUS_CEVENTS_H

// What Swift's Glibc module has not: waiting for many sockets, and looking for bytes in bytes.
#ifdef __linux__
#include <sys/epoll.h>
#endif
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// The offset of `bytes` in `all`, -1 when they are not there.
ptrdiff_t apus_find(const void *all, size_t all_count, const void *bytes, size_t count);

#ifdef __linux__
/// As epoll_wait, with a timeout in nanoseconds; negative waits for ever. Where the kernel has no epoll_pwait2 (before
/// 5.11) the timeout is rounded up to milliseconds. Returns the number of events, or -errno.
int apus_epoll_wait(int epoll, struct epoll_event *events, int count, int64_t nanoseconds);
#endif

#endif
