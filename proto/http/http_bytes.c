/*
 * http_bytes - see the header. It doubles, so that n bytes cost O(n) copies in all.
 */
#include "proto/http/http_bytes.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "outdial/err.h"

enum {
    FIRST_SIZE = 512,
    /* From there on the memory is a mapping of its own: what it holds of megabytes is not copied
     * when it grows, which would be some turn's milliseconds. */
    MAPPED_SIZE = 256 * 1024,
};

/* NULL: no memory; what was there stays. */
static char *resize(const struct od_http_bytes *bytes, size_t size)
{
    if (size < MAPPED_SIZE)
        return realloc(bytes->at, size);
    if (bytes->size >= MAPPED_SIZE) {
        char *at = mremap(bytes->at, bytes->size, size, MREMAP_MAYMOVE);
        return at == MAP_FAILED ? NULL : at;
    }
    char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    if (bytes->used)
        memcpy(at, bytes->at, bytes->used);
    free(bytes->at);
    return at;
}

int od_http_bytes_reserve(struct od_http_bytes *bytes, size_t more)
{
    if (more <= bytes->size - bytes->used)
        return 0;
    if (more > SIZE_MAX / 4 - bytes->used)
        return OD_ENOMEM;
    size_t size = bytes->size ? bytes->size : FIRST_SIZE;
    while (size < bytes->used + more)
        size *= 2;
    char *at = resize(bytes, size);
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
    if (bytes->size >= MAPPED_SIZE)
        munmap(bytes->at, bytes->size);
    else
        free(bytes->at);
    *bytes = (struct od_http_bytes){0};
}
