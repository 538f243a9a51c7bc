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

static bool facts_of(const struct od_outbox_config *config, struct od_outbox_chain *chain,
                     const struct od_hook_row *row, char *scratch, struct od_call_rec *call,
                     struct od_hook_facts *facts)
{
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
static yyjson_val *find_hook(const struct od_outbox_chain *chain, const struct od_hook_facts *facts,
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
        if (facts->event == OD_HOOK_TRANSFER) /* a call's own webhooks are for its end */
            return result_hook(facts->agent);
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

bool od_outbox_request_make(const struct od_outbox_config *config, struct od_outbox_chain *chain,
                            const char **why)
{
    struct od_outbox_row *row = &chain->rows[chain->at];
    struct od_call_rec call;
    struct od_hook_facts facts;
    char *scratch = malloc(chain->record.bytes + 1);
    yyjson_mut_doc *made = NULL;
    yyjson_doc *extra = NULL;
    bool ok = false;
    *why = "out of memory";
    if (!scratch)
        return false;
    if (!facts_of(config, chain, &row->row, scratch, &call, &facts)) {
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
