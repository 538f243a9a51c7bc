/*
 * outbox - see the header. A chain in hand is worked through row by row; each attempt is one call
 * of the HTTP client. What a destination may hold of our places is bounded by its gate: a few
 * attempts when it does not answer, and what comes beyond is given back for a while, uncounted.
 */
#include "engine/host/outbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/rng.h"
#include "engine/base/str.h"
#include "engine/host/hook_policy.h"
#include "engine/host/outbox_chain.h"
#include "engine/host/outbox_gate.h"
#include "engine/host/outbox_request.h"
#include "outdial/err.h"
#include "proto/http/http_text.h"
#include "proto/http/http_url.h"

enum {
    TIMEOUT_MS = 10000,
    CHAINS_MAX = 4096,
    BUDGET_MS = 25000, /* a chain goes back after so long, well within its claim */
    ANSWER_BYTES_MAX = 64 * 1024,
    PUT_OFF_MS = 2000, /* and up to twice more */
    LINE_BYTES = 700,
    BEHIND_MS = 100,
    BEHIND_MS_MAX = 60000,
};

struct od_outbox {
    struct od_outbox_config config;
    struct od_outbox_chains chains;
    struct od_outbox_gate *gates;
    struct od_rng rng;
    struct od_outbox_stats stats;
    uv_timer_t timer; /* the limit of close() */
    bool closing, closed_told;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static int64_t wall_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void say(struct od_outbox *outbox, const struct od_outbox_chain *chain, const char *what,
                const char *why)
{
    char line[LINE_BYTES], id[OD_HOOK_ID_TEXT];
    const struct od_hook_row *row = &chain->rows[chain->at].row;
    if (!outbox->config.log)
        return;
    od_hook_event_id(&row->call, row->seq, id);
    snprintf(line, sizeof line, "%s %s to %s: %s: %s", od_hook_event_name(row->event), id,
             chain->gate ? chain->gate->name : "?", what, why);
    outbox->config.log(outbox->config.ctx, line);
}

/* ---- chains ---- */

static void finish(struct od_outbox_chain *chain);
static void next(struct od_outbox_chain *chain);

static void on_timer_closed(uv_handle_t *handle)
{
    struct od_outbox *outbox = handle->data;
    void (*fn)(void *) = outbox->closed;
    void *ctx = outbox->closed_ctx;
    od_store_outbox(outbox->config.store, NULL); /* a claim may be on its way; it runs out */
    od_outbox_gates_free(&outbox->gates);
    free(outbox);
    if (fn)
        fn(ctx);
}

static void settle(struct od_outbox *outbox)
{
    if (!outbox->closing || outbox->chains.first || outbox->closed_told)
        return;
    outbox->closed_told = true;
    uv_close((uv_handle_t *)&outbox->timer, on_timer_closed);
}

static void finish(struct od_outbox_chain *chain)
{
    struct od_outbox *outbox = chain->outbox;
    struct od_outbox_result results[OD_OUTBOX_ROWS_MAX];
    for (unsigned i = 0; i < chain->count; i++)
        results[i] = (struct od_outbox_result){&chain->rows[i].row, chain->rows[i].what};
    int err = od_store_outbox_ack(outbox->config.store, chain->org, chain->name, chain->token,
                                  od_outbox_chain_due_ms(chain), results, chain->count);
    if (err && outbox->config.log) /* the claim runs out, and all of it comes again */
        outbox->config.log(outbox->config.ctx, "a delivery's result could not be kept");
    od_outbox_chain_free(&outbox->chains, chain);
    outbox->stats.chains--;
    od_store_outbox_wake(outbox->config.store);
    settle(outbox);
}

/* The chain's attempt is over. */
static void leave_gate(struct od_outbox_chain *chain)
{
    od_outbox_gate_leave(&chain->outbox->gates, chain->gate, chain->status != 0);
    chain->gate = NULL;
}

/* ---- a row's end ---- */

static void set_error(struct od_outbox_row *row, const char *why)
{
    snprintf(row->error, sizeof row->error, "%s", why);
    row->row.error = (struct od_text){row->error, strlen(row->error)};
}

/* What is dead may be delivered again at any time: it has all that takes with it. */
static void keep_request(struct od_outbox_chain *chain, struct od_outbox_row *row)
{
    const struct od_outbox_config *config = &chain->outbox->config;
    const char *why;
    if (!row->row.frozen.method.bytes && !row->request.method)
        od_outbox_request_make(config, chain, row, &why);
    od_outbox_request_freeze(config, chain, row);
}

static void bury(struct od_outbox_chain *chain, struct od_outbox_row *row, char what,
                 const char *why)
{
    row->what = what;
    row->row.status = OD_HOOK_DEAD;
    row->row.updated_ms = wall_ms();
    set_error(row, why);
    keep_request(chain, row);
    chain->outbox->stats.dead++;
}

/* The end was told, or given up: what comes before it must not arrive any more. */
static void supersede(struct od_outbox_chain *chain, const char *why)
{
    for (unsigned i = 0; i < chain->at; i++)
        if (chain->rows[i].what == 'p')
            bury(chain, &chain->rows[i], 's', why);
}

static void delivered(struct od_outbox_chain *chain, struct od_outbox_row *row)
{
    row->what = 'd';
    row->row.status = OD_HOOK_DELIVERED;
    row->row.error = (struct od_text){"", 0};
    if (!row->row.frozen.method.bytes) /* else every attempt says the same, one by hand too */
        row->row.frozen.url = (struct od_text){row->request.url, strlen(row->request.url)};
    row->row.updated_ms = wall_ms();
    if (od_hook_ends(row->row.event))
        supersede(chain, "a later event of the call was delivered first");
    chain->flows = true;
    chain->outbox->stats.delivered++;
}

/* The attempt failed. */
static void failed(struct od_outbox_chain *chain, struct od_outbox_row *row, bool denied,
                   const char *why)
{
    struct od_outbox *outbox = chain->outbox;
    struct od_hook_policy policy = *od_hook_policy(row->row.to);
    bool native = row->row.to == OD_HOOK_TO_NATIVE || row->row.to == OD_HOOK_TO_POINT_NATIVE;
    if (native && outbox->config.native_waits_s)
        policy.waits_s = outbox->config.native_waits_s;
    enum od_hook_verdict verdict = od_hook_judge(&policy, chain->status, denied);
    uint64_t wait_ms = od_hook_wait_ms(&policy, row->row.tries, chain->retry_after_ms,
                                       (uint32_t)od_rng_next(&outbox->rng));
    chain->flows = false;
    outbox->stats.failed++;
    if (verdict == OD_HOOK_AGAIN && wait_ms) {
        row->row.due_ms = wall_ms() + (int64_t)wait_ms;
        row->row.updated_ms = wall_ms();
        set_error(row, why);
        od_outbox_request_freeze(&outbox->config, chain, row);
        return;
    }
    say(outbox, chain, "given up", why);
    bury(chain, row, verdict == OD_HOOK_GONE ? 'g' : 'x', why);
    if (od_hook_ends(row->row.event))
        supersede(chain, "the call's end could not be delivered, and nothing else after it");
}

/* ---- an attempt ---- */

static void read_retry_after(struct od_outbox_chain *chain, const struct od_http_answer *answer)
{
    struct od_text value;
    time_t now_s = (time_t)(wall_ms() / 1000), at_s;
    uint64_t seconds;
    if (!od_http_answer_header(answer, "retry-after", &value))
        return;
    if (od_str_u64(value.at, value.bytes, UINT32_MAX, &seconds)) {
        chain->retry_after_ms = seconds * 1000;
    } else if (od_http_date_read(value.at, value.bytes, &at_s)) {
        /* By the receiver's own clock, when it tells what that shows. */
        if (od_http_answer_header(answer, "date", &value))
            od_http_date_read(value.at, value.bytes, &now_s);
        if (at_s > now_s)
            chain->retry_after_ms = (uint64_t)(at_s - now_s) * 1000;
    }
}

/* A request may have stood in line, or this process still: if others have the chain by then, what
 * they tell is further on. */
static bool may_go(void *ctx)
{
    const struct od_outbox_chain *chain = ctx;
    return od_store_outbox_ours(chain->outbox->config.store, chain->org);
}

static void on_head(void *ctx, const struct od_http_answer *answer)
{
    struct od_outbox_chain *chain = ctx;
    chain->status = answer->status;
    read_retry_after(chain, answer);
}

static void on_data(void *ctx, const char *data, size_t bytes)
{
    (void)ctx;
    (void)data;
    (void)bytes;
}

/* There is no room at the destination: the whole chain comes later, as if nobody had looked. */
static void put_off(struct od_outbox_chain *chain)
{
    struct od_outbox *outbox = chain->outbox;
    int64_t due_ms = wall_ms() + PUT_OFF_MS + (int64_t)od_rng_below(&outbox->rng, 2 * PUT_OFF_MS);
    for (unsigned i = 0; i < chain->count; i++)
        if (chain->rows[i].what == 'p' && chain->rows[i].row.due_ms < due_ms)
            chain->rows[i].row.due_ms = due_ms;
    outbox->stats.put_off++;
    finish(chain);
}

static void on_done(void *ctx, int err, const struct od_http_answer *answer)
{
    struct od_outbox_chain *chain = ctx;
    struct od_outbox_row *row = &chain->rows[chain->at];
    char why[OD_HOOK_ERROR_MAX];
    /* A status is all that is wanted: what is wrong with the rest of the answer is the other's. */
    bool ok = chain->status >= 200 && chain->status < 300;
    chain->id.gen = 0;
    if (err == OD_ECANCELED && !ok) {
        leave_gate(chain);
        finish(chain);
        return;
    }
    row->row.attempts += row->row.attempts < UINT16_MAX;
    row->row.tries += row->row.tries < UINT16_MAX;
    /* With no answer nobody knows; a status says that it was not taken. */
    if (chain->status || !od_outbox_row_marked(row))
        row->row.http_status = (uint16_t)chain->status;
    if (chain->status)
        snprintf(why, sizeof why, "status %d", chain->status);
    else
        snprintf(why, sizeof why, "%s", answer->why);
    if (ok)
        delivered(chain, row);
    else
        failed(chain, row, err == OD_EDENIED && !chain->status, why);
    leave_gate(chain);
    chain->at++;
    next(chain);
}

static int send_request(struct od_outbox_chain *chain, struct od_outbox_row *row)
{
    struct od_outbox *outbox = chain->outbox;
    const struct od_hook_frozen *frozen = &row->row.frozen;
    bool kept = frozen->method.bytes > 0; /* what was frozen is what is sent, always */
    const char *method = kept ? frozen->method.at : row->request.method;
    const char *url = kept ? frozen->url.at : row->request.url;
    struct od_text body = kept ? frozen->body
                               : (struct od_text){row->request.body ? row->request.body : "",
                                                  row->request.body_bytes};
    const char *type = row->request.content_type ? row->request.content_type
                       : frozen->type.bytes      ? frozen->type.at
                                                 : NULL;
    char *own = od_outbox_request_own_headers(&outbox->config, chain, row);
    size_t room = (own ? strlen(own) : 0) + 2048;
    char *headers = own ? malloc(room) : NULL;
    struct od_buf buf;
    if (!headers) {
        free(own);
        return OD_ENOMEM;
    }
    od_buf_init(&buf, headers, room);
    od_buf_str(&buf, own);
    free(own);
    od_outbox_request_headers(&outbox->config, chain, row, body, wall_ms(), &buf);
    chain->status = 0;
    chain->retry_after_ms = 0;
    int err =
        od_http_client_request(outbox->config.client,
                               &(struct od_http_call){.method = method,
                                                      .url = url,
                                                      .headers = headers,
                                                      .content_type = type,
                                                      .body = body.at,
                                                      .body_bytes = body.bytes,
                                                      .deadline_ms = outbox->config.timeout_ms,
                                                      .response_max = ANSWER_BYTES_MAX,
                                                      .allow_private = outbox->config.allow_private,
                                                      .may_go = may_go,
                                                      .on_head = on_head,
                                                      .on_data = on_data,
                                                      .on_done = on_done,
                                                      .ctx = chain},
                               &chain->id);
    free(headers);
    return err;
}

/* Why an endpoint hears of nothing any more; NULL: it does, or it is no endpoint. */
static const char *closed_point(const struct od_outbox_chain *chain,
                                const struct od_outbox_row *row)
{
    if (row->row.to != OD_HOOK_TO_POINT_CALLINGBOX && row->row.to != OD_HOOK_TO_POINT_NATIVE)
        return NULL;
    return !chain->endpoint.to        ? "the endpoint was deleted"
           : !chain->endpoint.enabled ? "the endpoint is disabled"
                                      : NULL;
}

/* Starts the row's attempt. False: the row has ended without one. */
static bool attempt(struct od_outbox_chain *chain, struct od_outbox_row *row)
{
    const char *why = closed_point(chain, row);
    struct od_http_url url;
    bool frozen = row->row.frozen.method.bytes > 0, whole = row->row.frozen.headers.bytes > 0;
    if (why) {
        say(chain->outbox, chain, "given up", why);
        for (unsigned i = 0; i < chain->count; i++)
            if (chain->rows[i].what == 'p')
                bury(chain, &chain->rows[i], 's', why);
        return false;
    }
    if (!row->request.method && !whole &&
        !od_outbox_request_make(&chain->outbox->config, chain, row, &why) && !frozen) {
        say(chain->outbox, chain, "given up", why);
        bury(chain, row, 's', why);
        return false;
    }
    if (od_http_url_read(&url, frozen ? row->row.frozen.url.at : row->request.url) ||
        url.scheme == OD_HTTP_UNIX) {
        bury(chain, row, 'x', "the URL breaks the rules of URLs");
        return false;
    }
    chain->gate = od_outbox_gate_get(&chain->outbox->gates, &url);
    if (!chain->gate || !od_outbox_gate_open(chain->gate)) {
        chain->gate = NULL;
        put_off(chain);
        return true;
    }
    int err = send_request(chain, row);
    if (err) {
        od_outbox_gate_drop(&chain->outbox->gates, chain->gate);
        chain->gate = NULL;
    }
    if (err == OD_EINVAL) {
        bury(chain, row, 'x', "the request can't be sent: a header breaks the rules");
        return false;
    }
    if (err) {
        put_off(chain);
        return true;
    }
    chain->gate->running++;
    chain->outbox->stats.attempts++;
    return true;
}

/* The agent's present document is not the one that Redis had when the chain was claimed: news of it
 * is on its way here. Not for ever: what waits long is told with what is known. */
static bool is_behind(const struct od_outbox_chain *chain)
{
    static const struct od_uid nobody;
    const struct od_outbox_config *config = &chain->outbox->config;
    if (memcmp(&chain->agent, &nobody, sizeof nobody) == 0 || !config->agent_ms ||
        config->agent_ms(config->ctx, &chain->agent) == chain->agent_ms)
        return false;
    for (unsigned i = 0; i < chain->count; i++)
        if (!chain->rows[i].of_the_past && wall_ms() - chain->rows[i].row.at_ms < BEHIND_MS_MAX)
            return true;
    return false;
}

/* Comes again soon, as if nobody had looked. */
static void wait_for_news(struct od_outbox_chain *chain)
{
    int64_t due_ms = wall_ms() + BEHIND_MS;
    for (unsigned i = 0; i < chain->count; i++)
        if (chain->rows[i].row.due_ms < due_ms)
            chain->rows[i].row.due_ms = due_ms;
    finish(chain);
}

/* Works on from chain->at until an attempt is under way or all is done. */
static void next(struct od_outbox_chain *chain)
{
    struct od_outbox *outbox = chain->outbox;
    while (chain->at < chain->count) {
        if (outbox->closing || uv_now(outbox->config.loop) - chain->began_ms > BUDGET_MS ||
            !od_store_outbox_ours(outbox->config.store, chain->org))
            break;
        struct od_outbox_row *row = &chain->rows[chain->at];
        bool due = od_outbox_row_due(chain, row, wall_ms());
        if (due && od_outbox_chain_others_before(chain, row) && !od_outbox_row_marked(row)) {
            row->row.http_status = OD_OUTBOX_MAY_HAVE_ARRIVED;
            row->row.due_ms = wall_ms();
            break; /* and comes again when that is on disk */
        }
        if (due && od_hook_ends(row->row.event) && chain->flows) {
            /* what was delivered just now is on disk first: a crash would repeat it after the end
             */
            row->row.due_ms = wall_ms();
            break;
        }
        if (due && attempt(chain, row))
            return;
        chain->at++;
    }
    finish(chain);
}

/* ---- from the store ---- */

static uint32_t on_room(void *ctx)
{
    struct od_outbox *outbox = ctx;
    return outbox->closing ? 0 : outbox->config.chains_max - outbox->stats.chains;
}

static void on_claimed(void *ctx, const struct od_outbox_claim *claim)
{
    struct od_outbox *outbox = ctx;
    struct od_outbox_chain *chain =
        od_outbox_chain_create(&outbox->chains, claim, uv_now(outbox->config.loop));
    if (!chain)
        return; /* no memory; the claim runs out and it comes again */
    chain->outbox = outbox;
    outbox->stats.chains++;
    if (is_behind(chain))
        wait_for_news(chain);
    else
        next(chain);
}

int od_outbox_open(struct od_outbox **out, const struct od_outbox_config *config)
{
    struct od_outbox *outbox = calloc(1, sizeof *outbox);
    if (!outbox)
        return OD_ENOMEM;
    outbox->config = *config;
    if (!outbox->config.timeout_ms)
        outbox->config.timeout_ms = TIMEOUT_MS;
    if (!outbox->config.chains_max)
        outbox->config.chains_max = CHAINS_MAX;
    outbox->chains.box = config->box;
    outbox->rng.state = uv_hrtime();
    uv_timer_init(config->loop, &outbox->timer);
    outbox->timer.data = outbox;
    od_store_outbox(config->store, &(struct od_outbox_events){
                                       .ctx = outbox, .room = on_room, .claimed = on_claimed});
    *out = outbox;
    return 0;
}

void od_outbox_change(struct od_outbox *outbox, const struct od_outbox_config *config)
{
    outbox->config.timeout_ms = config->timeout_ms ? config->timeout_ms : TIMEOUT_MS;
    outbox->config.native_waits_s = config->native_waits_s;
    outbox->config.allow_private = config->allow_private;
}

void od_outbox_stats(const struct od_outbox *outbox, struct od_outbox_stats *out)
{
    *out = outbox->stats;
}

static void on_limit(uv_timer_t *timer)
{
    struct od_outbox *outbox = timer->data;
    for (struct od_outbox_chain *chain = outbox->chains.first; chain; chain = chain->next)
        if (chain->id.gen)
            od_http_call_cancel(outbox->config.client, chain->id);
}

void od_outbox_close(struct od_outbox *outbox, uint32_t limit_ms, void (*fn)(void *ctx), void *ctx)
{
    outbox->closing = true;
    outbox->closed = fn;
    outbox->closed_ctx = ctx;
    uv_timer_start(&outbox->timer, on_limit, limit_ms, 0);
    settle(outbox);
}
