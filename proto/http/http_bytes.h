/*
 * http_bytes - bytes that grow on the heap up to a limit: bodies, what waits to be written, what
 * was read and not yet looked at. Empty costs no heap.
 *
 * Lifetime: embedded; all zero is empty; free() makes it so again.
 */
#ifndef PROTO_HTTP_HTTP_BYTES_H
#define PROTO_HTTP_HTTP_BYTES_H

#include <stddef.h>

struct od_http_bytes {
    char *at;
    size_t used, size;
};

/* Room for `more` bytes behind those used. OD_ENOMEM: unchanged. */
int od_http_bytes_reserve(struct od_http_bytes *bytes, size_t more);

/* OD_ENOMEM: unchanged. */
int od_http_bytes_add(struct od_http_bytes *bytes, const void *data, size_t count);

void od_http_bytes_free(struct od_http_bytes *bytes);

#endif
