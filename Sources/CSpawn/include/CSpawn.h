#ifndef APUS_CSPAWN_H
#define APUS_CSPAWN_H

#include <sys/types.h>

/// Starts a process that has the descriptors 0, 1 and 2 and no other of this process, an empty signal mask, and no
/// ignored signals.
///
/// - descriptors: What becomes 0, 1 and 2; -1 is /dev/null.
/// - folder: Where it begins; NULL for the folder of this process.
/// Returns 0, or an errno; `child` is set only with 0.
int apus_spawn(
    pid_t *child, const char *path, char *const arguments[], char *const environment[], const char *folder,
    const int descriptors[3]);

#endif
