/*
 * http_head - the head of one message while it is read and after: the first line's text (a
 * request's target) and the header fields, in one block of bounded size. Pure.
 *
 * Lifetime: made by the reader when a message begins, handed to whoever owns the message; pointers
 * into it are good from end() on, until destroy().
 */
#ifndef PROTO_HTTP_HTTP_HEAD_H
#define PROTO_HTTP_HTTP_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "outdial/repo.h"
#include "proto/http/http_bytes.h"

enum { OD_HTTP_FIELDS_MAX = 100, OD_HTTP_HEAD_BYTES_LIMIT = 60000 };

struct od_http_field {
    uint16_t name_at, name_bytes, value_at, value_bytes; /* into text */
};

struct od_http_head {
    struct od_http_bytes text; /* every part is followed by a NUL */
    uint16_t target_bytes;     /* a request's target begins at 0 */
    uint16_t count;
    uint16_t part_at; /* where the part being read began */
    struct od_http_field fields[OD_HTTP_FIELDS_MAX];
};

struct od_http_head *od_http_head_create(void); /* NULL: no memory */
void od_http_head_destroy(struct od_http_head *head);

/* A piece of the part being read. OD_ETOOBIG beyond OD_HTTP_HEAD_BYTES_LIMIT in all, OD_ENOMEM. */
int od_http_head_add(struct od_http_head *head, const char *piece, size_t bytes);

/* The part that was read is complete. A field too many: OD_ETOOBIG. */
int od_http_head_target_end(struct od_http_head *head);
int od_http_head_name_end(struct od_http_head *head);
int od_http_head_value_end(struct od_http_head *head); /* white space around it is dropped */

/* The first field of that name, any case. value->at is NUL-terminated. */
bool od_http_head_find(const struct od_http_head *head, const char *name, struct od_text *value);
unsigned od_http_head_count(const struct od_http_head *head, const char *name);

#endif
