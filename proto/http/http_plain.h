/*
 * http_plain - streams over TCP and Unix sockets. All streams of one set share a read buffer, since
 * a loop reads one socket at a time: an idle stream owns no buffer.
 *
 * Lifetime: the set is embedded in the server or client, which must not free it before on_empty.
 */
#ifndef PROTO_HTTP_HTTP_PLAIN_H
#define PROTO_HTTP_HTTP_PLAIN_H

#include "outdial/types.h"
#include "proto/http/http_stream.h"

enum { OD_HTTP_READ_BYTES = 64 * 1024 };

struct od_http_plain_set {
    uv_loop_t *loop;
    char *read_buffer;
    uint32_t read_bytes; /* of it that are read at a time; may be lowered after init */
    uint32_t unsent_max; /* bytes that the kernel takes of a TCP connection it dials and can't
                            send yet, about; set after init; 0: as many as it likes */
    uint32_t alive;      /* streams whose handle is not closed yet */
    void (*on_empty)(void *ctx); /* alive went to 0; may be NULL */
    void *ctx;
};

/* OD_ENOMEM. */
int od_http_plain_init(struct od_http_plain_set *set, uv_loop_t *loop, void (*on_empty)(void *ctx),
                       void *ctx);
void od_http_plain_deinit(struct od_http_plain_set *set); /* alive must be 0 */

/* A connected socket becomes a stream, which owns it from then on, also on failure (it is closed).
 * OD_ENOMEM, OD_EIO. */
int od_http_plain_adopt(struct od_http_plain_set *set, int fd, bool is_unix,
                        struct od_http_stream **out);

/* Begins to connect. fn fires once, from the loop, with 0 or a negative errno of libuv, unless the
 * stream is closed before; until then only close() is allowed. A failed stream is to be closed,
 * too. Returns 0, OD_ENOMEM, or OD_EDOWN when it fails at once (nothing is left of it then). */
typedef void (*od_http_connect_fn)(void *ctx, int uv_err);
int od_http_plain_connect(struct od_http_plain_set *set, const struct od_addr *addr,
                          od_http_connect_fn fn, void *ctx, struct od_http_stream **out);
int od_http_plain_connect_unix(struct od_http_plain_set *set, const char *path,
                               od_http_connect_fn fn, void *ctx, struct od_http_stream **out);

#endif
