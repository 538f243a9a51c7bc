/*
 * hook_ask - see the header.
 */
#include "engine/host/hook_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api/hook_request.h"
#include "engine/base/rng.h"
#include "outdial/err.h"

enum { WAIT_MS_FIRST = 500, WAIT_MS_MAX = 8000 };

struct ask {
    struct od_hook_asker *asker;
    struct ask *next, *prev;
    uint64_t id;
    struct od_hook_request request;
    uint32_t timeout_ms, wait_ms;
    unsigned left; /* further attempts */
    uint64_t began_ms;
    struct od_http_call_id call; /* gen 0: none under way */
    uv_timer_t timer;            /* of the wait before the next attempt */
    bool canceled;
    od_hook_reply_fn fn;
    void *ctx;
};

struct od_hook_asker {
    uv_loop_t *loop;
    struct od_http_client *client;
    struct ask *asks;
    struct od_rng rng;
    uint64_t next_id;
    bool allow_private, closing;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void settle(struct od_hook_asker *asker)
{
    if (!asker->closing || asker->asks)
        return;
    void (*fn)(void *) = asker->closed;
    void *ctx = asker->closed_ctx;
    free(asker);
    if (fn)
        fn(ctx);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct ask *ask = handle->data;
    struct od_hook_asker *asker = ask->asker;
    if (ask->prev)
        ask->prev->next = ask->next;
    else
        asker->asks = ask->next;
    if (ask->next)
        ask->next->prev = ask->prev;
    od_hook_request_free(&ask->request);
    free(ask);
    settle(asker);
}

static void end(struct ask *ask)
{
    ask->id = 0;
    uv_close((uv_handle_t *)&ask->timer, on_timer_closed);
}

static void tell(struct ask *ask, int status, struct od_text body, const char *error)
{
    struct od_hook_reply reply = {
        .status = status,
        .body = body,
        .error = error,
        .took_ms = (uint32_t)(uv_now(ask->asker->loop) - ask->began_ms),
    };
    od_hook_reply_fn fn = ask->canceled ? NULL : ask->fn;
    void *ctx = ask->ctx;
    if (fn)
        fn(ctx, &reply);
    end(ask);
}

static int attempt(struct ask *ask);

static void on_wait_over(uv_timer_t *timer)
{
    struct ask *ask = timer->data;
    int err = attempt(ask);
    if (err)
        tell(ask, 0, (struct od_text){"", 0}, od_err_text(err));
}

static void on_done(void *ctx, int err, const struct od_http_answer *answer)
{
    struct ask *ask = ctx;
    ask->call.gen = 0;
    bool worth_it = err != OD_EDENIED && err != OD_EINVAL && (err || answer->status >= 500);
    if (worth_it && ask->left && !ask->canceled && !ask->asker->closing) {
        ask->left--;
        uint64_t wait_ms = ask->wait_ms + od_rng_below(&ask->asker->rng, ask->wait_ms / 2 + 1);
        ask->wait_ms = 2 * ask->wait_ms < WAIT_MS_MAX ? 2 * ask->wait_ms : WAIT_MS_MAX;
        uv_timer_start(&ask->timer, on_wait_over, wait_ms, 0);
        return;
    }
    if (err)
        tell(ask, 0, (struct od_text){"", 0}, answer->why);
    else
        tell(ask, answer->status, (struct od_text){answer->body, answer->bytes}, "");
}

static int attempt(struct ask *ask)
{
    const struct od_hook_request *request = &ask->request;
    return od_http_client_request(ask->asker->client,
                                  &(struct od_http_call){
                                      .method = request->method,
                                      .url = request->url,
                                      .headers = request->headers,
                                      .content_type = request->content_type,
                                      .body = request->body,
                                      .body_bytes = request->body_bytes,
                                      .deadline_ms = ask->timeout_ms,
                                      .response_max = OD_HOOK_ANSWER_MAX,
                                      .allow_private = ask->asker->allow_private,
                                      .on_done = on_done,
                                      .ctx = ask,
                                  },
                                  &ask->call);
}

int od_hook_ask(struct od_hook_asker *asker, const struct od_hook_asking *asking,
                od_hook_reply_fn fn, void *ctx, uint64_t *id, const char **why)
{
    struct ask *ask = calloc(1, sizeof *ask);
    *why = "out of memory";
    if (!ask)
        return OD_ENOMEM;
    int err =
        od_hook_request_make(&ask->request, asking->hook, asking->payload, asking->bytes, why);
    ask->asker = asker;
    ask->timeout_ms = asking->timeout_ms;
    ask->left = asking->retries;
    ask->wait_ms = WAIT_MS_FIRST;
    ask->began_ms = uv_now(asker->loop);
    ask->fn = fn;
    ask->ctx = ctx;
    if (!err) {
        *why = "the URL's host or port is written in a way that is not taken";
        err = asker->closing ? OD_ECANCELED : attempt(ask);
    }
    if (err) {
        od_hook_request_free(&ask->request);
        free(ask);
        return err;
    }
    uv_timer_init(asker->loop, &ask->timer);
    ask->timer.data = ask;
    ask->id = *id = ++asker->next_id;
    ask->next = asker->asks;
    if (asker->asks)
        asker->asks->prev = ask;
    asker->asks = ask;
    *why = "";
    return 0;
}

static void cancel(struct ask *ask)
{
    if (!ask->id)
        return;
    ask->canceled = true;
    if (ask->call.gen)
        od_http_call_cancel(ask->asker->client, ask->call);
    else
        end(ask);
}

void od_hook_ask_cancel(struct od_hook_asker *asker, uint64_t id)
{
    for (struct ask *ask = asker->asks; ask; ask = ask->next) {
        if (ask->id == id && id) {
            cancel(ask);
            return;
        }
    }
}

int od_hook_asker_open(struct od_hook_asker **out, uv_loop_t *loop, struct od_http_client *client,
                       bool allow_private)
{
    struct od_hook_asker *asker = calloc(1, sizeof *asker);
    if (!asker)
        return OD_ENOMEM;
    asker->loop = loop;
    asker->client = client;
    asker->allow_private = allow_private;
    asker->rng.state = uv_hrtime();
    *out = asker;
    return 0;
}

void od_hook_asker_private(struct od_hook_asker *asker, bool allow)
{
    asker->allow_private = allow;
}

void od_hook_asker_close(struct od_hook_asker *asker, void (*fn)(void *ctx), void *ctx)
{
    asker->closing = true;
    asker->closed = fn;
    asker->closed_ctx = ctx;
    for (struct ask *ask = asker->asks, *next; ask; ask = next) {
        next = ask->next;
        if (ask->id && ask->call.gen)
            od_http_call_cancel(asker->client, ask->call);
        else if (ask->id)
            tell(ask, 0, (struct od_text){"", 0}, "canceled");
    }
    settle(asker);
}
