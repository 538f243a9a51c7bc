/*
 * outbox - see the header. A chain in hand is worked through row by row; each attempt is one call
 * of the HTTP client. What a destination may hold of our places is bounded by its gate: a few
 * attempts when it does not answer, and what comes beyond is given back for a while, uncounted.
 */
#include "engine/host/outbox.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <uthash.h>
#include <yyjson.h>

#include "engine/api/hook_body.h"
#include "engine/api/hook_request.h"
#include "engine/base/rng.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "engine/host/hook_policy.h"
#include "engine/host/hook_sign.h"
#include "outdial/err.h"
#include "proto/http/http_url.h"
#include "proto/redis/redis_outbox.h"
#include "proto/wire/wire_hook.h"

enum {
    TIMEOUT_MS = 10000,
    CHAINS_MAX = 4096,
    ROWS_MAX = 16,
    BUDGET_MS = 25000, /* a chain goes back after so long, well within its claim */
    ANSWER_BYTES_MAX = 64 * 1024,
    GATE_WIDE = 2048, /* attempts at a time to one destination, waiting for a connection or sent */
    GATE_NARROW = 4,  /* to one that has not answered GATE_DARK times in a row */
    GATE_DARK = 8,
    PUT_OFF_MS = 2000, /* and up to twice more */
    LINE_BYTES = 700,
};

struct gate {
    char name[OD_HTTP_HOST_MAX + 8]; /* host:port */
    uint32_t running, silent;
    UT_hash_handle hh;
};

/* What a row has become in our hands. */
struct row {
    struct od_hook_row row; /* its texts: in the chain's memory, in error, or in request */
    char what;
    char error[OD_HOOK_ERROR_MAX + 1];
    struct od_hook_request request; /* made here, until the row is told */
};

struct chain {
    struct od_outbox *outbox;
    struct chain *next, *prev;
    char org[OD_NAME_MAX];
    struct od_text name, token, record, lane, hook; /* in memory */
    struct od_hook_endpoint endpoint;               /* its texts in memory; to 0: none */
    uint64_t began_ms;
    struct gate *gate;         /* of the attempt under way */
    struct od_http_call_id id; /* gen 0: none under way */
    int status;
    uint64_t retry_after_ms;
    unsigned at, count;
    bool flows; /* the row before has just been delivered */
    char *memory;
    struct row rows[];
};

struct od_outbox {
    struct od_outbox_config config;
    struct chain *chains;
    struct gate *gates;
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

static void say(struct od_outbox *outbox, const struct chain *chain, const char *what,
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

static void finish(struct chain *chain);
static void next(struct chain *chain);

static char *put(char **at, struct od_text from, struct od_text *to)
{
    char *here = *at;
    if (from.bytes)
        memcpy(here, from.at, from.bytes);
    here[from.bytes] = '\0';
    *to = (struct od_text){here, from.bytes};
    *at += from.bytes + 1;
    return here;
}

static size_t claim_bytes(const struct od_outbox_claim *claim)
{
    size_t bytes = claim->chain.bytes + claim->token.bytes + claim->record.bytes +
                   claim->lane.bytes + claim->hook.bytes + 16;
    for (size_t i = 0; i < claim->row_count; i++)
        bytes += od_wire_hook_bytes(&claim->rows[i]) + 8;
    if (claim->endpoint)
        bytes += claim->endpoint->url.bytes + claim->endpoint->secret.bytes +
                 claim->endpoint->secret_old.bytes + 8;
    return bytes;
}

static struct chain *chain_create(struct od_outbox *outbox, const struct od_outbox_claim *claim)
{
    struct chain *chain = calloc(1, sizeof *chain + claim->row_count * sizeof *chain->rows);
    char *memory = malloc(claim_bytes(claim)), *at = memory;
    if (!chain || !memory) {
        free(chain);
        free(memory);
        return NULL;
    }
    chain->outbox = outbox;
    chain->memory = memory;
    od_str_copy(chain->org, sizeof chain->org, claim->org, strlen(claim->org));
    put(&at, claim->chain, &chain->name);
    put(&at, claim->token, &chain->token);
    put(&at, claim->record, &chain->record);
    put(&at, claim->lane, &chain->lane);
    put(&at, claim->hook, &chain->hook);
    if (claim->endpoint) {
        chain->endpoint = *claim->endpoint;
        put(&at, claim->endpoint->url, &chain->endpoint.url);
        put(&at, claim->endpoint->secret, &chain->endpoint.secret);
        put(&at, claim->endpoint->secret_old, &chain->endpoint.secret_old);
    }
    for (size_t i = 0; i < claim->row_count; i++) {
        struct od_hook_row *row = &chain->rows[i].row;
        *row = claim->rows[i];
        put(&at, claim->rows[i].state, &row->state);
        put(&at, claim->rows[i].error, &row->error);
        put(&at, claim->rows[i].frozen.method, &row->frozen.method);
        put(&at, claim->rows[i].frozen.url, &row->frozen.url);
        put(&at, claim->rows[i].frozen.body, &row->frozen.body);
        chain->rows[i].what = 'p';
    }
    chain->count = (unsigned)claim->row_count;
    chain->began_ms = uv_now(outbox->config.loop);
    chain->next = outbox->chains;
    if (outbox->chains)
        outbox->chains->prev = chain;
    outbox->chains = chain;
    outbox->stats.chains++;
    return chain;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct od_outbox *outbox = handle->data;
    void (*fn)(void *) = outbox->closed;
    void *ctx = outbox->closed_ctx;
    struct gate *gate, *tmp;
    HASH_ITER(hh, outbox->gates, gate, tmp)
    {
        HASH_DEL(outbox->gates, gate);
        free(gate);
    }
    free(outbox);
    if (fn)
        fn(ctx);
}

static void settle(struct od_outbox *outbox)
{
    if (!outbox->closing || outbox->chains || outbox->closed_told)
        return;
    outbox->closed_told = true;
    uv_close((uv_handle_t *)&outbox->timer, on_timer_closed);
}

static void chain_free(struct chain *chain)
{
    struct od_outbox *outbox = chain->outbox;
    if (chain->prev)
        chain->prev->next = chain->next;
    else
        outbox->chains = chain->next;
    if (chain->next)
        chain->next->prev = chain->prev;
    for (unsigned i = 0; i < chain->count; i++)
        od_hook_request_free(&chain->rows[i].request);
    free(chain->memory);
    free(chain);
    outbox->stats.chains--;
}

/* A terminal row that goes before others is marked first, on disk: it may have arrived from then
 * on, whatever becomes of us, and what comes before it in its call must not be sent any more. */
enum { MAY_HAVE_ARRIVED = 1 }; /* as the row's HTTP status */

static bool is_marked(const struct row *row)
{
    return row->what == 'p' && row->row.event >= OD_HOOK_COMPLETED &&
           row->row.http_status == MAY_HAVE_ARRIVED;
}

static bool has_marked(const struct chain *chain)
{
    for (unsigned i = 0; i < chain->count; i++)
        if (is_marked(&chain->rows[i]))
            return true;
    return false;
}

/* Rows before this one are still to be delivered. */
static bool others_before(const struct chain *chain, const struct row *row)
{
    for (const struct row *other = chain->rows; other < row; other++)
        if (other->what == 'p')
            return true;
    return false;
}

/* When the chain is due again: its first row left, or its terminal one, whichever is sooner. */
static int64_t chain_due(const struct chain *chain)
{
    int64_t due = INT64_MAX;
    bool first = true, marked = has_marked(chain);
    for (unsigned i = 0; i < chain->count; i++) {
        const struct row *row = &chain->rows[i];
        if (row->what != 'p' || (marked && !is_marked(row)))
            continue;
        if ((first || row->row.event >= OD_HOOK_COMPLETED) && row->row.due_ms < due)
            due = row->row.due_ms;
        first = false;
    }
    return due == INT64_MAX ? 0 : due;
}

static void finish(struct chain *chain)
{
    struct od_outbox *outbox = chain->outbox;
    struct od_outbox_result results[ROWS_MAX];
    for (unsigned i = 0; i < chain->count; i++)
        results[i] = (struct od_outbox_result){&chain->rows[i].row, chain->rows[i].what};
    int err = od_store_outbox_ack(outbox->config.store, chain->org, chain->name, chain->token,
                                  chain_due(chain), results, chain->count);
    if (err && outbox->config.log) /* the claim runs out, and all of it comes again */
        outbox->config.log(outbox->config.ctx, "a delivery's result could not be kept");
    chain_free(chain);
    od_store_outbox_wake(outbox->config.store);
    settle(outbox);
}

/* ---- gates ---- */

static struct gate *gate_get(struct od_outbox *outbox, const struct od_http_url *url)
{
    char name[sizeof((struct gate *)0)->name];
    struct gate *gate;
    snprintf(name, sizeof name, "%s:%u", url->host, url->port);
    HASH_FIND_STR(outbox->gates, name, gate);
    if (gate)
        return gate;
    gate = calloc(1, sizeof *gate);
    if (!gate)
        return NULL;
    memcpy(gate->name, name, sizeof name);
    HASH_ADD_STR(outbox->gates, name, gate);
    return gate;
}

/* The chain's attempt is over. */
static void gate_leave(struct chain *chain)
{
    struct od_outbox *outbox = chain->outbox;
    struct gate *gate = chain->gate;
    chain->gate = NULL;
    gate->running--;
    if (chain->status)
        gate->silent = 0;
    else if (gate->silent < UINT32_MAX)
        gate->silent++;
    if (!gate->running && !gate->silent) {
        HASH_DEL(outbox->gates, gate);
        free(gate);
    } else if (!gate->running && HASH_COUNT(outbox->gates) > 4096) {
        HASH_DEL(outbox->gates, gate); /* forgetting that one was dark costs a few attempts */
        free(gate);
    }
}

static bool gate_open(const struct gate *gate)
{
    return gate->running < (gate->silent >= GATE_DARK ? GATE_NARROW : GATE_WIDE);
}

/* ---- a row's end ---- */

static void set_error(struct row *row, const char *why)
{
    snprintf(row->error, sizeof row->error, "%s", why);
    row->row.error = (struct od_text){row->error, strlen(row->error)};
}

/* What an attempt was made of stays with the row. */
static void freeze(struct row *row)
{
    if (row->row.frozen.method.bytes || !row->request.method)
        return;
    row->row.frozen.method = (struct od_text){row->request.method, strlen(row->request.method)};
    row->row.frozen.url = (struct od_text){row->request.url, strlen(row->request.url)};
    row->row.frozen.body =
        (struct od_text){row->request.body ? row->request.body : "", row->request.body_bytes};
}

static void bury(struct chain *chain, struct row *row, char what, const char *why)
{
    row->what = what;
    row->row.status = OD_HOOK_DEAD;
    row->row.updated_ms = wall_ms();
    set_error(row, why);
    freeze(row);
    chain->outbox->stats.dead++;
}

/* The end was told, or given up: what comes before it must not arrive any more. */
static void supersede(struct chain *chain)
{
    for (unsigned i = 0; i < chain->at; i++)
        if (chain->rows[i].what == 'p')
            bury(chain, &chain->rows[i], 's', "a later event of the call was delivered first");
}

static void delivered(struct chain *chain, struct row *row)
{
    row->what = 'd';
    row->row.status = OD_HOOK_DELIVERED;
    row->row.error = (struct od_text){"", 0};
    row->row.frozen = (struct od_hook_frozen){{"", 0}, {"", 0}, {"", 0}};
    row->row.frozen.url = (struct od_text){row->request.url ? row->request.url : "",
                                           row->request.url ? strlen(row->request.url) : 0};
    row->row.updated_ms = wall_ms();
    if (row->row.event >= OD_HOOK_COMPLETED)
        supersede(chain);
    chain->flows = true;
    chain->outbox->stats.delivered++;
}

/* The attempt failed. */
static void failed(struct chain *chain, struct row *row, bool denied, const char *why)
{
    struct od_outbox *outbox = chain->outbox;
    const struct od_hook_policy *policy = od_hook_policy(row->row.to);
    enum od_hook_verdict verdict = od_hook_judge(policy, chain->status, denied);
    uint64_t wait_ms = od_hook_wait_ms(policy, row->row.tries, chain->retry_after_ms,
                                       (uint32_t)od_rng_next(&outbox->rng));
    chain->flows = false;
    outbox->stats.failed++;
    if (verdict == OD_HOOK_AGAIN && wait_ms) {
        row->row.due_ms = wall_ms() + (int64_t)wait_ms;
        row->row.updated_ms = wall_ms();
        set_error(row, why);
        freeze(row);
        return;
    }
    say(outbox, chain, "given up", why);
    bury(chain, row, verdict == OD_HOOK_GONE ? 'g' : 'x', why);
    if (row->row.event >= OD_HOOK_COMPLETED)
        supersede(chain);
}

/* ---- an attempt ---- */

static void read_retry_after(struct chain *chain, const struct od_http_answer *answer)
{
    struct od_text value;
    uint64_t seconds;
    if (od_http_answer_header(answer, "retry-after", &value) &&
        od_str_u64(value.at, value.bytes, UINT32_MAX, &seconds))
        chain->retry_after_ms = seconds * 1000; /* a date: our own waits do */
}

static void on_head(void *ctx, const struct od_http_answer *answer)
{
    struct chain *chain = ctx;
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
static void put_off(struct chain *chain)
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
    struct chain *chain = ctx;
    struct row *row = &chain->rows[chain->at];
    char why[OD_HOOK_ERROR_MAX];
    /* A status is all that is wanted: what is wrong with the rest of the answer is the other's. */
    bool ok = chain->status >= 200 && chain->status < 300;
    chain->id.gen = 0;
    if (err == OD_ECANCELED && !ok) {
        gate_leave(chain);
        finish(chain);
        return;
    }
    row->row.attempts += row->row.attempts < UINT16_MAX;
    row->row.tries += row->row.tries < UINT16_MAX;
    /* With no answer nobody knows; a status says that it was not taken. */
    if (chain->status || !is_marked(row))
        row->row.http_status = (uint16_t)chain->status;
    if (chain->status)
        snprintf(why, sizeof why, "status %d", chain->status);
    else
        snprintf(why, sizeof why, "%s", answer->why);
    if (ok)
        delivered(chain, row);
    else
        failed(chain, row, err == OD_EDENIED && !chain->status, why);
    gate_leave(chain);
    chain->at++;
    next(chain);
}

static bool facts_of(struct chain *chain, const struct od_hook_row *row, char *scratch,
                     struct od_call_rec *call, struct od_hook_facts *facts)
{
    const struct od_outbox_config *config = &chain->outbox->config;
    if (!chain->record.bytes || od_outbox_call(row, chain->record, chain->lane, scratch, call))
        return false;
    if (call->hook_status != OD_CALL_HOOK_NONE) /* as of the event nothing has been told */
        call->hook_status = OD_CALL_HOOK_PENDING;
    *facts = (struct od_hook_facts){
        .event = row->event,
        .seq = row->seq,
        .at_ms = row->at_ms,
        .org = chain->org,
        .call = call,
        .agent = config->agent ? config->agent(config->ctx, &call->agent) : NULL,
        .from_domain = config->domain ? config->domain(config->ctx, call->trunk) : "",
    };
    return true;
}

static yyjson_val *result_hook(yyjson_val *agent)
{
    yyjson_val *hook = yyjson_obj_get(yyjson_obj_get(agent, "config"), "resultWebhook");
    return hook ? hook : yyjson_obj_get(agent, "resultWebhook");
}

/* The URL of an inline webhook as a document of one text, or the agent's own webhook object. */
static yyjson_val *find_hook(const struct chain *chain, const struct od_hook_facts *facts,
                             yyjson_mut_doc **made, yyjson_doc **extra)
{
    const struct od_call_rec *call = facts->call;
    struct od_text url = {"", 0};
    switch (chain->rows[chain->at].row.to) {
    case OD_HOOK_TO_NATIVE:
        url = call->webhook_url.bytes ? call->webhook_url : chain->hook;
        break;
    case OD_HOOK_TO_CALLINGBOX:
        if (!call->webhook_url.bytes)
            return yyjson_obj_get(facts->agent, "webhook_url");
        url = call->webhook_url;
        break;
    case OD_HOOK_TO_DASHA: {
        *extra = call->extra.bytes ? yyjson_read(call->extra.at, call->extra.bytes, 0) : NULL;
        yyjson_val *own =
            yyjson_obj_get(yyjson_doc_get_root(*extra),
                           od_hook_dasha_done(call) ? "completedWebHook" : "failedWebHook");
        return own && !yyjson_is_null(own) ? own : result_hook(facts->agent);
    }
    default:
        url = chain->endpoint.url;
    }
    if (!url.bytes)
        return NULL;
    *made = yyjson_mut_doc_new(NULL);
    if (!*made)
        return NULL;
    yyjson_mut_doc_set_root(*made, yyjson_mut_strn(*made, url.at, url.bytes));
    *extra = yyjson_mut_doc_imut_copy(*made, NULL);
    return yyjson_doc_get_root(*extra);
}

/* Makes the row's request, or takes the frozen one. False with why: it can't ever be made. */
static bool make_request(struct chain *chain, struct row *row, const char **why)
{
    struct od_call_rec call;
    struct od_hook_facts facts;
    char *scratch = malloc(chain->record.bytes + 1);
    yyjson_mut_doc *made = NULL;
    yyjson_doc *extra = NULL;
    bool ok = false;
    *why = "out of memory";
    if (!scratch)
        return false;
    if (!facts_of(chain, &row->row, scratch, &call, &facts)) {
        *why = "the call is gone";
    } else {
        yyjson_val *hook = find_hook(chain, &facts, &made, &extra);
        size_t bytes = 0;
        char *body = hook ? od_hook_body(row->row.to, &facts, &bytes) : NULL;
        if (!hook || yyjson_is_null(hook))
            *why = "there is no such webhook any more";
        else if (body)
            ok = od_hook_request_make(&row->request, hook, body, bytes, why) == 0;
        free(body);
    }
    yyjson_mut_doc_free(made);
    yyjson_doc_free(extra);
    free(scratch);
    return ok;
}

static void add_header(struct od_buf *buf, const char *name, const char *value)
{
    od_buf_str(buf, name);
    od_buf_str(buf, ": ");
    od_buf_str(buf, value);
    od_buf_str(buf, "\r\n");
}

/* The secrets that sign for the chain, opened. Returns how many; they live in memory. */
static size_t secrets_of(struct chain *chain, struct od_text out[OD_OUTBOX_SECRETS_MAX],
                         char memory[2][OD_HOOK_SECRET_MAX])
{
    struct od_outbox *outbox = chain->outbox;
    const struct od_text sealed[2] = {chain->endpoint.secret, chain->endpoint.secret_old};
    char context[OD_NAME_MAX + 16];
    size_t count = 0;
    if (!chain->endpoint.to)
        return outbox->config.secrets ? outbox->config.secrets(outbox->config.ctx, chain->org, out)
                                      : 0;
    snprintf(context, sizeof context, "%s webhook", chain->org);
    for (int i = 0; i < 2; i++) {
        size_t used = 0;
        if (!sealed[i].bytes || (i == 1 && wall_ms() >= chain->endpoint.old_until_ms) ||
            outbox->config.box->open(outbox->config.box->ctx, context, sealed[i], memory[i],
                                     OD_HOOK_SECRET_MAX, &used))
            continue;
        out[count++] = (struct od_text){memory[i], used};
    }
    return count;
}

static void add_headers(struct chain *chain, const struct row *row, struct od_buf *buf,
                        struct od_text body)
{
    char id[OD_HOOK_ID_TEXT], text[OD_HOOK_SIGNATURE_MAX], uid[OD_UID_TEXT];
    char memory[2][OD_HOOK_SECRET_MAX];
    struct od_text secrets[OD_OUTBOX_SECRETS_MAX];
    size_t count = secrets_of(chain, secrets, memory);
    int64_t now_s = wall_ms() / 1000;
    const char *event = od_hook_event_name(row->row.event);
    od_hook_event_id(&row->row.call, row->row.seq, id);
    od_uid_text(&row->row.call, uid);
    if (row->row.to == OD_HOOK_TO_CALLINGBOX || row->row.to == OD_HOOK_TO_POINT_CALLINGBOX) {
        if (od_hook_sign_callingbox(secrets, count, now_s, body.at, body.bytes, text))
            add_header(buf, "CallingBox-Signature", text);
        add_header(buf, "CallingBox-Event-Id", id);
        add_header(buf, "CallingBox-Event-Type", event);
        add_header(buf, "X-CallingBox-Event", event);
        add_header(buf, "X-CallingBox-Call-Id", uid);
    } else {
        add_header(buf, "webhook-id", id);
        snprintf(text, sizeof text, "%" PRId64, now_s);
        add_header(buf, "webhook-timestamp", text);
        if (od_hook_sign_standard(secrets, count, id, now_s, body.at, body.bytes, text))
            add_header(buf, "webhook-signature", text);
    }
    snprintf(text, sizeof text, "%" PRIu32, row->row.seq);
    add_header(buf, "Outdial-Sequence", text);
    explicit_bzero(memory, sizeof memory);
}

static int send_request(struct chain *chain, struct row *row)
{
    struct od_outbox *outbox = chain->outbox;
    const struct od_hook_frozen *frozen = &row->row.frozen;
    bool kept = frozen->method.bytes > 0; /* what was frozen is what is sent, always */
    const char *method = kept ? frozen->method.at : row->request.method;
    const char *url = kept ? frozen->url.at : row->request.url;
    struct od_text body = kept ? frozen->body
                               : (struct od_text){row->request.body ? row->request.body : "",
                                                  row->request.body_bytes};
    size_t room = strlen(row->request.headers ? row->request.headers : "") + 2048;
    char *headers = malloc(room);
    struct od_buf buf;
    if (!headers)
        return OD_ENOMEM;
    od_buf_init(&buf, headers, room);
    od_buf_str(&buf, row->request.headers ? row->request.headers : "");
    add_headers(chain, row, &buf, body);
    chain->status = 0;
    chain->retry_after_ms = 0;
    int err =
        od_http_client_request(outbox->config.client,
                               &(struct od_http_call){.method = method,
                                                      .url = url,
                                                      .headers = headers,
                                                      .content_type = row->request.content_type,
                                                      .body = body.at,
                                                      .body_bytes = body.bytes,
                                                      .deadline_ms = outbox->config.timeout_ms,
                                                      .response_max = ANSWER_BYTES_MAX,
                                                      .allow_private = outbox->config.allow_private,
                                                      .on_head = on_head,
                                                      .on_data = on_data,
                                                      .on_done = on_done,
                                                      .ctx = chain},
                               &chain->id);
    free(headers);
    return err;
}

/* Starts the row's attempt. False: the row has ended without one. */
static bool attempt(struct chain *chain, struct row *row)
{
    const char *why = "";
    struct od_http_url url;
    bool frozen = row->row.frozen.method.bytes > 0;
    bool made = row->request.method || make_request(chain, row, &why);
    if (!made && !frozen) {
        say(chain->outbox, chain, "given up", why);
        bury(chain, row, 's', why);
        return false;
    }
    if (od_http_url_read(&url, frozen ? row->row.frozen.url.at : row->request.url) ||
        url.scheme == OD_HTTP_UNIX) {
        bury(chain, row, 'x', "the URL breaks the rules of URLs");
        return false;
    }
    chain->gate = gate_get(chain->outbox, &url);
    if (!chain->gate || !gate_open(chain->gate)) {
        chain->gate = NULL;
        put_off(chain);
        return true;
    }
    int err = send_request(chain, row);
    if (err == OD_EINVAL) {
        chain->gate = NULL;
        bury(chain, row, 'x', "the request can't be sent: a header breaks the rules");
        return false;
    }
    if (err) {
        chain->gate = NULL;
        put_off(chain);
        return true;
    }
    chain->gate->running++;
    chain->outbox->stats.attempts++;
    return true;
}

/* True: there is something to do for the row now. */
static bool is_due(const struct chain *chain, const struct row *row)
{
    if (row->what != 'p')
        return false;
    bool first = !others_before(chain, row);
    if ((!first || has_marked(chain)) && row->row.event < OD_HOOK_COMPLETED)
        return false;
    return row->row.due_ms <= wall_ms() || (first && chain->flows);
}

/* Works on from chain->at until an attempt is under way or all is done. */
static void next(struct chain *chain)
{
    struct od_outbox *outbox = chain->outbox;
    while (chain->at < chain->count) {
        if (outbox->closing || uv_now(outbox->config.loop) - chain->began_ms > BUDGET_MS)
            break;
        struct row *row = &chain->rows[chain->at];
        bool due = is_due(chain, row);
        if (due && others_before(chain, row) && !is_marked(row)) {
            row->row.http_status = MAY_HAVE_ARRIVED;
            row->row.due_ms = wall_ms();
            break; /* and comes again when that is on disk */
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
    struct chain *chain = claim->row_count <= ROWS_MAX ? chain_create(outbox, claim) : NULL;
    if (chain)
        next(chain); /* else: no memory; the claim runs out and it comes again */
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
    outbox->rng.state = uv_hrtime();
    uv_timer_init(config->loop, &outbox->timer);
    outbox->timer.data = outbox;
    od_store_outbox(config->store, &(struct od_outbox_events){
                                       .ctx = outbox, .room = on_room, .claimed = on_claimed});
    *out = outbox;
    return 0;
}

void od_outbox_stats(const struct od_outbox *outbox, struct od_outbox_stats *out)
{
    *out = outbox->stats;
}

static void on_limit(uv_timer_t *timer)
{
    struct od_outbox *outbox = timer->data;
    for (struct chain *chain = outbox->chains; chain; chain = chain->next)
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
