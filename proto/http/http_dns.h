/*
 * http_dns - host names to addresses for the client: looked up in libuv's thread pool, a few at a
 * time (the pool is shared with file writes, and a look-up under way can't be taken back), each
 * name once for all who ask, answers believed for a short time.
 *
 * Lifetime: embedded in the client. A look-up still under way at deinit() is left to end by itself.
 */
#ifndef PROTO_HTTP_HTTP_DNS_H
#define PROTO_HTTP_HTTP_DNS_H

#include <uv.h>

#include "outdial/types.h"

enum { OD_HTTP_ADDRS_MAX = 16 };

struct od_http_addrs {
    struct od_addr at[OD_HTTP_ADDRS_MAX]; /* port 0; in the system's order of preference */
    unsigned count;
};

struct od_http_dns_waiter {
    struct od_http_dns_waiter *next, *prev; /* NULL: not waiting */
    /* err: 0, OD_ENOENT no such name, OD_EDOWN. From the loop; the waiter is free again. */
    void (*fn)(void *ctx, int err, const struct od_http_addrs *addrs);
    void *ctx;
};

struct od_http_dns_entry;

struct od_http_dns {
    uv_loop_t *loop;
    uint64_t ttl_ms;
    struct od_http_dns_entry *entries; /* most lately asked first */
    unsigned count, running;
    uint64_t lookups; /* since init */
};

void od_http_dns_init(struct od_http_dns *dns, uv_loop_t *loop, uint64_t ttl_ms);
/* No one may be waiting. */
void od_http_dns_deinit(struct od_http_dns *dns);

/* 0: *out is filled from the cache. OD_EBUSY: waiter->fn will fire. OD_ENOENT, OD_EDOWN (known from
 * the cache, or too many names at once), OD_ENOMEM: no. */
int od_http_dns_ask(struct od_http_dns *dns, const char *host, struct od_http_dns_waiter *waiter,
                    struct od_http_addrs *out);
void od_http_dns_forget(struct od_http_dns_waiter *waiter); /* fine when it isn't waiting */

#endif
