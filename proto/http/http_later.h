/*
 * http_later - work put off to the loop's next turn, so that nothing is called back from inside the
 * function that caused it. Entries run once, in the order they were put off.
 *
 * Lifetime: like http_deadline: the queue embedded in its owner, entries in what is to be worked
 * on; an entry is taken out with cancel() before its thing goes.
 */
#ifndef PROTO_HTTP_HTTP_LATER_H
#define PROTO_HTTP_HTTP_LATER_H

#include <uv.h>

struct od_http_later {
    struct od_http_later *next, *prev; /* NULL: not put off */
};

typedef void (*od_http_later_fn)(void *ctx, struct od_http_later *entry);

struct od_http_laters {
    uv_idle_t idle; /* active only while something waits, so that the loop does not sleep */
    struct od_http_later ring;
    od_http_later_fn fn;
    void *ctx;
    void (*closed)(void *ctx);
};

void od_http_laters_init(struct od_http_laters *queue, uv_loop_t *loop, od_http_later_fn fn,
                         void *ctx);
void od_http_laters_close(struct od_http_laters *queue, void (*closed)(void *ctx));

void od_http_later_put(struct od_http_laters *queue,
                       struct od_http_later *entry); /* once is enough */
void od_http_later_cancel(struct od_http_later *entry);

#endif
