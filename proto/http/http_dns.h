/*
 * http_dns - host names to addresses for the client: looked up in libuv's thread pool, a few at a
 * time (the pool is shared with file writes, and a look-up under way can't be taken back), each
 * name once for all who ask, answers believed for a short time. The two families are asked for
 * apart (RFC 8305 section 3), IPv6 first, so that a resolver that is slow with one of them holds up
 * nobody who can do with the other.
 *
 * Lifetime: embedded in the client. A look-up still under way at deinit() is left to end by itself.
 */
#ifndef PROTO_HTTP_HTTP_DNS_H
#define PROTO_HTTP_HTTP_DNS_H

#include <stdbool.h>

#include <uv.h>

#include "outdial/types.h"

enum { OD_HTTP_ADDRS_MAX = 16 }; /* of a name, half of them of a family */

struct od_http_addrs {
    struct od_addr at[OD_HTTP_ADDRS_MAX]; /* port 0; IPv6 first, else in the system's order */
    unsigned count;
};

struct od_http_dns_waiter {
    struct od_http_dns_waiter *next, *prev; /* NULL: not waiting */
    /* More is known. err 0: the addresses there are; more: the other family's answer is still to
     * come, and fn will fire again. OD_ENOENT no such name, OD_EDOWN: there are none. From the
     * loop; unless there is more, the waiter is free again. */
    void (*fn)(void *ctx, int err, const struct od_http_addrs *addrs, bool more);
    void *ctx;
};

struct od_http_dns_entry;

struct od_http_dns {
    uv_loop_t *loop;
    uint64_t ttl_ms;
    struct od_http_dns_entry *entries; /* most lately asked first */
    unsigned count, running[2];        /* look-ups: of IPv6, of IPv4 */
    uint64_t lookups;                  /* names, since init */
};

void od_http_dns_init(struct od_http_dns *dns, uv_loop_t *loop, uint64_t ttl_ms);
/* No one may be waiting. */
void od_http_dns_deinit(struct od_http_dns *dns);

/* 0: *out has all that is known. OD_EBUSY: *out has what is known of one family, or nothing, and
 * waiter->fn will fire. OD_ENOENT, OD_EDOWN (known from the cache, or too many names at once),
 * OD_ENOMEM: no. */
int od_http_dns_ask(struct od_http_dns *dns, const char *host, struct od_http_dns_waiter *waiter,
                    struct od_http_addrs *out);
void od_http_dns_forget(struct od_http_dns_waiter *waiter); /* fine when it isn't waiting */

#endif
