/*
 * http_bytes - see the header. It doubles, so that n bytes cost O(n) copies in all.
 */
#include "proto/http/http_bytes.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"

enum { FIRST_SIZE = 512 };

int od_http_bytes_reserve(struct od_http_bytes *bytes, size_t more)
{
    if (more <= bytes->size - bytes->used)
        return 0;
    if (more > SIZE_MAX / 4 - bytes->used)
        return OD_ENOMEM;
    size_t size = bytes->size ? bytes->size : FIRST_SIZE;
    while (size < bytes->used + more)
        size *= 2;
    char *at = realloc(bytes->at, size);
    if (!at)
        return OD_ENOMEM;
    bytes->at = at;
    bytes->size = size;
    return 0;
}

int od_http_bytes_add(struct od_http_bytes *bytes, const void *data, size_t count)
{
    if (!count)
        return 0;
    int err = od_http_bytes_reserve(bytes, count);
    if (err)
        return err;
    memcpy(bytes->at + bytes->used, data, count);
    bytes->used += count;
    return 0;
}

void od_http_bytes_free(struct od_http_bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct od_http_bytes){0};
}
