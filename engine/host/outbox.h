/*
 * outbox - delivers what the store's outbox holds: takes claimed chains, makes each row's request,
 * sends it, and tells the store what became of it. At least once, in the order of a call for each
 * destination:
 *
 *   - a row waits until those before it in its chain are delivered or dead,
 *   - but a terminal event never waits: it goes at once, and when it is delivered what is still
 *     undelivered before it is dead (it must not arrive after the end),
 *   - chains know nothing of each other, so a destination that hangs holds up itself only.
 *
 * A request is made from what was so at the event: the call, its agent's document and an endpoint's
 * URL. It is kept with the row when its first attempt fails, so that every attempt says the same.
 * What lets us in at a receiver is not frozen: signatures and their time are made for each attempt,
 * headers are those of the webhook as it is as long as that leads to the same receiver. Nor is what
 * an endpoint wants: what is still to go to one that is deleted or disabled is dead.
 *
 * Lifetime: owned by the host, between the HTTP client and the store, which both outlive it.
 */
#ifndef ENGINE_HOST_OUTBOX_H
#define ENGINE_HOST_OUTBOX_H

#include <uv.h>

#include "outdial/box.h"
#include "outdial/outbox.h"
#include "proto/http/http_client.h"
#include "proto/redis/redis_store.h"

struct od_outbox;
struct yyjson_val;

enum { OD_OUTBOX_SECRETS_MAX = 4 };

/* Numbers: 0 takes the default in brackets. Pointers are borrowed for the outbox's life. */
struct od_outbox_config {
    uv_loop_t *loop;
    struct od_http_client *client;
    struct od_store *store;
    const struct od_box_port *box;
    uint32_t timeout_ms; /* [10,000] of an attempt, 1,000..25,000 */
    uint32_t chains_max; /* [4,096] in hand */
    /* Seconds before attempt 2, 3, ... of webhooks in our own contract, 0 ends; NULL: the usual. */
    const uint32_t *native_waits_s;
    bool allow_private; /* loopback and private addresses too */
    void *ctx;
    /* The agent's document; NULL: none. */
    struct yyjson_val *(*agent)(void *ctx, const struct od_uid *agent);
    /* When that document was stored, as Redis says; 0: none. NULL: it is always the latest. */
    int64_t (*agent_ms)(void *ctx, const struct od_uid *agent);
    /* The secrets that sign an org's inline webhooks, the first of them new; returns how many. They
     * are read at once. */
    size_t (*secrets)(void *ctx, const char *org, struct od_text out[OD_OUTBOX_SECRETS_MAX]);
    const char *(*domain)(void *ctx, const char *trunk); /* of a trunk by name; "": not known */
    /* One line for the operator, with no URL's path and no body in it; NULL: none. */
    void (*log)(void *ctx, const char *line);
};

struct od_outbox_stats {
    uint32_t chains;                                     /* in hand */
    uint64_t attempts, delivered, failed, dead, put_off; /* rows, since open */
};

int od_outbox_open(struct od_outbox **out, const struct od_outbox_config *config);
/* Of config: timeout_ms, native_waits_s and allow_private, for what is sent from now on. */
void od_outbox_change(struct od_outbox *outbox, const struct od_outbox_config *config);
void od_outbox_stats(const struct od_outbox *outbox, struct od_outbox_stats *out);
/* No more chains are taken; those in hand get up to limit_ms, then they are given back untried. fn
 * fires once, from the loop; the store has heard of all. */
void od_outbox_close(struct od_outbox *outbox, uint32_t limit_ms, void (*fn)(void *ctx), void *ctx);

#endif
