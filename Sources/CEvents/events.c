#define _GNU_SOURCE

#include "CEvents.h"

#include <string.h>

ptrdiff_t apus_find(const void *all, size_t all_count, const void *bytes, size_t count) {
    const char *found = memmem(all, all_count, bytes, count);
    return found == NULL ? -1 : found - (const char *)all;
}

#ifdef __linux__
#include <errno.h>
#include <time.h>

int apus_epoll_wait(int epoll, struct epoll_event *events, int count, int64_t nanoseconds) {
    static int is_old;
    int found;
    if (nanoseconds < 0) {
        found = epoll_wait(epoll, events, count, -1);
        return found < 0 ? -errno : found;
    }
    if (!is_old) {
        struct timespec timeout = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
        found = epoll_pwait2(epoll, events, count, &timeout, NULL);
        if (found >= 0) return found;
        if (errno != ENOSYS) return -errno;
        is_old = 1;
    }
    found = epoll_wait(epoll, events, count, (int)((nanoseconds + 999999) / 1000000));
    return found < 0 ? -errno : found;
}
#endif
