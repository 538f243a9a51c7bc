/*
 * frame - where a SIP message ends in a stream: by its Content-Length (RFC 3261 section 18.3), none
 * being 0 bytes. Pure.
 */
#ifndef OD_BENCH_LOAD_FRAME_H
#define OD_BENCH_LOAD_FRAME_H

#include <stddef.h>

enum { OD_LOAD_MESSAGE_MAX = 65536 };

/* No message begins like this, or it is too long: nothing that follows can be told apart. */
#define OD_LOAD_NO_FRAME ((size_t)-1)

/* Bytes of the message at the beginning, after *skip bytes of empty lines (section 7.5). 0: it is
 * not whole yet; OD_LOAD_NO_FRAME. */
size_t od_load_frame(const char *at, size_t bytes, size_t *skip);

#endif
