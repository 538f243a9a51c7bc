/*
 * outbox_request - see the header.
 */
#include "engine/host/outbox_request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "engine/api/hook_body.h"
#include "engine/base/uid.h"
#include "engine/host/hook_sign.h"
#include "proto/redis/redis_outbox.h"

/* The agent as it is, or as it was for the row. */
static yyjson_val *agent_of(const struct od_outbox_config *config, const struct od_outbox_row *row,
                            const struct od_uid *agent, bool present)
{
    if (!present && row->of_the_past)
        return row->past ? od_outbox_past_root(row->past) : NULL;
    return config->agent ? config->agent(config->ctx, agent) : NULL;
}

static bool facts_of(const struct od_outbox_config *config, const struct od_outbox_chain *chain,
                     const struct od_outbox_row *from, bool present, char *scratch,
                     struct od_call_rec *call, struct od_hook_facts *facts)
{
    const struct od_hook_row *row = &from->row;
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
        .agent = agent_of(config, from, &call->agent, present),
        .from_domain = config->domain ? config->domain(config->ctx, call->trunk) : "",
    };
    return true;
}

static yyjson_val *result_hook(yyjson_val *agent)
{
    yyjson_val *hook = yyjson_obj_get(yyjson_obj_get(agent, "config"), "resultWebhook");
    return hook ? hook : yyjson_obj_get(agent, "resultWebhook");
}

/* A document made for one webhook. */
struct found {
    yyjson_mut_doc *made;
    yyjson_doc *extra;
};

static void found_free(struct found *found)
{
    yyjson_mut_doc_free(found->made);
    yyjson_doc_free(found->extra);
}

/* The URL of an inline webhook as a document of one text, or the agent's own webhook object. */
static yyjson_val *find_hook(const struct od_outbox_chain *chain, const struct od_outbox_row *row,
                             const struct od_hook_facts *facts, bool present, struct found *found)
{
    const struct od_call_rec *call = facts->call;
    struct od_text url = {"", 0};
    switch (row->row.to) {
    case OD_HOOK_TO_NATIVE:
        url = call->webhook_url.bytes ? call->webhook_url : chain->hook;
        break;
    case OD_HOOK_TO_CALLINGBOX:
        if (!call->webhook_url.bytes)
            return yyjson_obj_get(facts->agent, "webhook_url");
        url = call->webhook_url;
        break;
    case OD_HOOK_TO_DASHA: {
        if (facts->event == OD_HOOK_TRANSFER) /* a call's own webhooks are for its end */
            return result_hook(facts->agent);
        found->extra = call->extra.bytes ? yyjson_read(call->extra.at, call->extra.bytes, 0) : NULL;
        yyjson_val *own =
            yyjson_obj_get(yyjson_doc_get_root(found->extra),
                           od_hook_dasha_done(call) ? "completedWebHook" : "failedWebHook");
        return own && !yyjson_is_null(own) ? own : result_hook(facts->agent);
    }
    default:
        url = row->url.bytes && !present ? row->url : chain->endpoint.url;
    }
    if (!url.bytes)
        return NULL;
    found->made = yyjson_mut_doc_new(NULL);
    if (!found->made)
        return NULL;
    yyjson_mut_doc_set_root(found->made, yyjson_mut_strn(found->made, url.at, url.bytes));
    found->extra = yyjson_mut_doc_imut_copy(found->made, NULL);
    return yyjson_doc_get_root(found->extra);
}

bool od_outbox_request_make(const struct od_outbox_config *config,
                            const struct od_outbox_chain *chain, struct od_outbox_row *row,
                            const char **why)
{
    struct od_call_rec call;
    struct od_hook_facts facts;
    char *scratch = malloc(chain->record.bytes + 1);
    struct found found = {NULL, NULL};
    bool ok = false;
    *why = "out of memory";
    if (!scratch)
        return false;
    if (!facts_of(config, chain, row, false, scratch, &call, &facts)) {
        *why = "the call is gone";
    } else {
        yyjson_val *hook = find_hook(chain, row, &facts, false, &found);
        size_t bytes = 0;
        char *body = hook ? od_hook_body(row->row.to, &facts, &bytes) : NULL;
        if (!hook || yyjson_is_null(hook))
            *why = "there was no such webhook any more";
        else if (body)
            ok = od_hook_request_make(&row->request, hook, body, bytes, why) == 0;
        free(body);
    }
    found_free(&found);
    free(scratch);
    return ok;
}

static void box_context(const struct od_outbox_chain *chain, char out[OD_NAME_MAX + 16])
{
    snprintf(out, OD_NAME_MAX + 16, "%s delivery", chain->org);
}

void od_outbox_request_freeze(const struct od_outbox_config *config,
                              const struct od_outbox_chain *chain, struct od_outbox_row *row)
{
    const struct od_hook_request *request = &row->request;
    struct od_hook_frozen *frozen = &row->row.frozen;
    char context[OD_NAME_MAX + 16];
    size_t used = 0;
    if (frozen->method.bytes || !request->method)
        return;
    *frozen = (struct od_hook_frozen){
        .method = {request->method, strlen(request->method)},
        .url = {request->url, strlen(request->url)},
        .body = {request->body ? request->body : "", request->body_bytes},
        .type = {"", 0},
        .headers = {"", 0},
    };
    struct od_text headers = {request->headers, strlen(request->headers)};
    size_t size = OD_BOX_SEALED_BYTES(headers.bytes);
    box_context(chain, context);
    row->sealed = malloc(size);
    if (!row->sealed ||
        config->box->seal(config->box->ctx, context, headers, row->sealed, size, &used))
        return; /* they are made anew when they are wanted */
    frozen->headers = (struct od_text){row->sealed, used};
    if (request->content_type)
        frozen->type = (struct od_text){request->content_type, strlen(request->content_type)};
}

/* As the webhook is now, if it leads to where the row goes. NULL: it doesn't. */
static char *present_headers(const struct od_outbox_config *config,
                             const struct od_outbox_chain *chain, const struct od_outbox_row *row,
                             const char *url)
{
    struct od_call_rec call;
    struct od_hook_facts facts;
    struct found found = {NULL, NULL};
    char *scratch = malloc(chain->record.bytes + 1), *headers = NULL;
    if (scratch && facts_of(config, chain, row, true, scratch, &call, &facts)) {
        yyjson_val *hook = find_hook(chain, row, &facts, true, &found);
        const char *there = yyjson_is_str(hook) ? yyjson_get_str(hook)
                                                : yyjson_get_str(yyjson_obj_get(hook, "url"));
        if (there && od_hook_same_origin(there, url))
            headers = od_hook_request_headers(hook);
    }
    found_free(&found);
    free(scratch);
    return headers;
}

/* None when they can't be opened: the receiver then says that it wants some. */
static char *frozen_headers(const struct od_outbox_config *config,
                            const struct od_outbox_chain *chain, struct od_text sealed)
{
    char context[OD_NAME_MAX + 16], *out = malloc(sealed.bytes + 1);
    size_t used = 0;
    box_context(chain, context);
    if (out && config->box->open(config->box->ctx, context, sealed, out, sealed.bytes + 1, &used))
        out[0] = '\0';
    return out;
}

char *od_outbox_request_own_headers(const struct od_outbox_config *config,
                                    const struct od_outbox_chain *chain,
                                    const struct od_outbox_row *row)
{
    const struct od_hook_frozen *frozen = &row->row.frozen;
    char *headers = NULL;
    if (frozen->method.bytes || row->of_the_past || row->url.bytes)
        headers = present_headers(config, chain, row,
                                  frozen->method.bytes ? frozen->url.at : row->request.url);
    if (!headers && row->request.headers)
        headers = strdup(row->request.headers);
    if (!headers && frozen->headers.bytes)
        headers = frozen_headers(config, chain, frozen->headers);
    return headers;
}

static void add_header(struct od_buf *buf, const char *name, const char *value)
{
    od_buf_str(buf, name);
    od_buf_str(buf, ": ");
    od_buf_str(buf, value);
    od_buf_str(buf, "\r\n");
}

/* The secrets that sign for the chain, opened. Returns how many; they live in memory. */
static size_t secrets_of(const struct od_outbox_config *config, const struct od_outbox_chain *chain,
                         int64_t wall_ms, struct od_text out[OD_OUTBOX_SECRETS_MAX],
                         char memory[2][OD_HOOK_SECRET_MAX])
{
    const struct od_text sealed[2] = {chain->endpoint.secret, chain->endpoint.secret_old};
    char context[OD_NAME_MAX + 16];
    size_t count = 0;
    if (!chain->endpoint.to)
        return config->secrets ? config->secrets(config->ctx, chain->org, out) : 0;
    snprintf(context, sizeof context, "%s webhook", chain->org);
    for (int i = 0; i < 2; i++) {
        size_t used = 0;
        if (!sealed[i].bytes || (i == 1 && wall_ms >= chain->endpoint.old_until_ms) ||
            config->box->open(config->box->ctx, context, sealed[i], memory[i], OD_HOOK_SECRET_MAX,
                              &used))
            continue;
        out[count++] = (struct od_text){memory[i], used};
    }
    return count;
}

void od_outbox_request_headers(const struct od_outbox_config *config,
                               const struct od_outbox_chain *chain, const struct od_outbox_row *row,
                               struct od_text body, int64_t wall_ms, struct od_buf *buf)
{
    char id[OD_HOOK_ID_TEXT], text[OD_HOOK_SIGNATURE_MAX], uid[OD_UID_TEXT];
    char memory[2][OD_HOOK_SECRET_MAX];
    struct od_text secrets[OD_OUTBOX_SECRETS_MAX];
    size_t count = secrets_of(config, chain, wall_ms, secrets, memory);
    int64_t now_s = wall_ms / 1000;
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
