/*
 * hook_ask - a webhook that is waited for: one request, its answer read up to a bound, tried again
 * a few times when that is asked for. Start hooks, agents' tools and tests of webhooks are made of
 * it. Nothing is kept: what ends with the process has ended.
 *
 * Lifetime: owned by the host, above the HTTP client. done fires exactly once for each ask that was
 * taken, never from inside ask(); not after cancel().
 */
#ifndef ENGINE_HOST_HOOK_ASK_H
#define ENGINE_HOST_HOOK_ASK_H

#include <uv.h>

#include "outdial/repo.h"
#include "proto/http/http_client.h"

struct od_hook_asker;
struct yyjson_val;

enum { OD_HOOK_ANSWER_MAX = 64 * 1024 };

struct od_hook_asking {
    struct yyjson_val *hook; /* as documents configure it; read at once */
    const char *payload;     /* copied into the request */
    size_t bytes;
    uint32_t timeout_ms; /* of one attempt */
    unsigned retries;    /* further attempts after no answer or a 5xx, with growing waits */
};

/* Borrowed until the callback returns. */
struct od_hook_reply {
    int status;          /* 0: none came */
    struct od_text body; /* up to OD_HOOK_ANSWER_MAX */
    const char *error;   /* why there is no answer; "" when there is one */
    uint32_t took_ms;    /* all attempts and waits */
};
typedef void (*od_hook_reply_fn)(void *ctx, const struct od_hook_reply *reply);

int od_hook_asker_open(struct od_hook_asker **out, uv_loop_t *loop, struct od_http_client *client,
                       bool allow_private);
/* Whether loopback and private addresses may be asked from now on. */
void od_hook_asker_private(struct od_hook_asker *asker, bool allow);
/* Asks under way end without a word. fn fires once, from the loop. */
void od_hook_asker_close(struct od_hook_asker *asker, void (*fn)(void *ctx), void *ctx);

/* *id names the ask; never 0. OD_EINVAL with why: the webhook's document can't be made a request;
 * OD_EBUSY, OD_ENOMEM. Then no callback comes. */
int od_hook_ask(struct od_hook_asker *asker, const struct od_hook_asking *asking,
                od_hook_reply_fn fn, void *ctx, uint64_t *id, const char **why);
void od_hook_ask_cancel(struct od_hook_asker *asker, uint64_t id); /* fine when it is over */

#endif
