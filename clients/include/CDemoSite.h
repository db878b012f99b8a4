// The files of the demo page and of the JavaScript client it uses, compiled into the executable.
#ifndef C_DEMO_SITE_H
#define C_DEMO_SITE_H

#include <stddef.h>

/// One file: the path at which it is served, its media type, its bytes.
struct demo_site_file {
    const char *path;
    const char *content_type;
    const unsigned char *bytes;
    size_t count;
};

/// The files, one after another; a null pointer past the last.
const struct demo_site_file *demo_site_file(size_t index);

#endif
