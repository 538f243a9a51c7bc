/*
 * hook_body - see the header. One function per contract; the words of a call's state come from the
 * tables that the contracts' read routes use too.
 */
#include "engine/api/hook_body.h"

#include <stdlib.h>
#include <string.h>

#include "engine/api/agent_view.h"
#include "engine/api/project.h"
#include "engine/api/time_text.h"
#include "engine/api/vendor_call.h"
#include "engine/base/uid.h"

static char *write_doc(yyjson_mut_doc *doc, size_t *bytes)
{
    char *json = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, bytes);
    yyjson_mut_doc_free(doc);
    return json;
}

/* ---- our own: Standard Webhooks, { type, timestamp, data } ---- */

static char *native_body(const struct od_hook_facts *facts, size_t *bytes)
{
    yyjson_mut_doc *doc = od_project_doc();
    if (!doc)
        return NULL;
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    char id[OD_HOOK_ID_TEXT];
    od_hook_event_id(&facts->call->id, facts->seq, id);
    yyjson_mut_obj_add_str(doc, root, "type", od_hook_event_name(facts->event));
    od_put_time(doc, root, "timestamp", facts->at_ms);
    yyjson_mut_obj_add_strcpy(doc, root, "id", id);
    yyjson_mut_obj_add_uint(doc, root, "sequence", facts->seq);
    yyjson_mut_obj_add_val(doc, root, "data", od_project_call(doc, facts->call));
    return write_doc(doc, bytes);
}

/* ---- CallingBox: { id, type, created, api_version, data: { call } } ---- */

static char *callingbox_body(const struct od_hook_facts *facts, size_t *bytes)
{
    yyjson_mut_doc *doc = od_project_doc();
    if (!doc)
        return NULL;
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    char id[OD_HOOK_ID_TEXT];
    od_hook_event_id(&facts->call->id, facts->seq, id);
    yyjson_mut_obj_add_strcpy(doc, root, "id", id);
    yyjson_mut_obj_add_str(doc, root, "type", od_hook_event_name(facts->event));
    yyjson_mut_obj_add_int(doc, root, "created", facts->at_ms / 1000);
    yyjson_mut_obj_add_str(doc, root, "api_version", "2026-04");
    yyjson_mut_val *data = yyjson_mut_obj_add_obj(doc, root, "data");
    yyjson_mut_obj_add_val(doc, data, "call", od_callingbox_call(doc, facts->call, facts->agent));
    return write_doc(doc, bytes);
}

/* ---- Dasha ---- */

bool od_hook_dasha_done(const struct od_call_rec *call)
{
    return call->outcome.cause == OD_CAUSE_COMPLETED || call->outcome.cause == OD_CAUSE_MACHINE;
}

static bool is_canceled(const struct od_call_rec *call)
{
    return call->outcome.cause == OD_CAUSE_CANCELED || call->outcome.cause == OD_CAUSE_DEADLINE;
}

static void put_copy(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, yyjson_val *value)
{
    yyjson_mut_val *copy = value ? yyjson_val_mut_copy(doc, value) : yyjson_mut_obj(doc);
    yyjson_mut_obj_add_val(doc, o, key, copy);
}

/* Texts always: what is not known yet (no trunk has been chosen) is an empty one. */
static void put_sip(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct od_hook_facts *facts)
{
    const struct od_call_rec *call = facts->call;
    yyjson_mut_val *sip = yyjson_mut_obj_add_obj(doc, root, "sip");
    const char *from = call->from[0] ? call->from : od_agent_number(facts->agent);
    yyjson_mut_obj_add_strcpy(doc, sip, "fromUser", from ? from : "");
    yyjson_mut_obj_add_strcpy(doc, sip, "fromDomain", facts->from_domain);
    yyjson_mut_obj_add_strcpy(doc, sip, "toUser", call->to);
    yyjson_mut_obj_add_strcpy(doc, sip, "toDomain", facts->from_domain);
    yyjson_mut_obj_add_arr(doc, sip, "diversion");
}

/* What all of Dasha's payloads begin with. */
static yyjson_mut_doc *dasha_doc(const char *type, const char *status,
                                 const struct od_hook_facts *facts)
{
    yyjson_mut_doc *doc = od_project_doc();
    if (!doc)
        return NULL;
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    yyjson_mut_obj_add_str(doc, root, "type", type);
    yyjson_mut_obj_add_str(doc, root, "status", status);
    od_put_uid(doc, root, "callId", &facts->call->id);
    od_put_uid(doc, root, "agentId", &facts->call->agent);
    yyjson_mut_obj_add_str(doc, root, "orgId", facts->org);
    od_put_json(doc, root, "callAdditionalData", facts->call->context, "{}");
    put_copy(doc, root, "agentAdditionalData", yyjson_obj_get(facts->agent, "additionalData"));
    put_sip(doc, root, facts);
    yyjson_mut_obj_add_str(doc, root, "endpoint", facts->call->to);
    return doc;
}

static void put_completed(yyjson_mut_doc *doc, yyjson_mut_val *root,
                          const struct od_hook_facts *facts)
{
    const struct od_outcome *outcome = &facts->call->outcome;
    int64_t talked_ms = outcome->answered_ms > 0 && outcome->ended_ms > outcome->answered_ms
                            ? outcome->ended_ms - outcome->answered_ms
                            : 0;
    yyjson_mut_obj_add_int(doc, root, "durationSeconds", (talked_ms + 500) / 1000);
    yyjson_mut_obj_add_val(doc, root, "transcription", od_dasha_transcription(doc, facts->call));
    od_dasha_put_result(doc, root, facts->call);
    yyjson_mut_obj_add_null(doc, root, "inspectorUrl");
    yyjson_mut_obj_add_str(doc, root, "callType", "OutboundAudio");
    yyjson_mut_obj_add_null(doc, root, "recordingUrl");
}

static char *dasha_body(const struct od_hook_facts *facts, size_t *bytes)
{
    const struct od_call_rec *call = facts->call;
    if (facts->event == OD_HOOK_TRANSFER)
        return od_hook_ask_body(OD_HOOK_ASK_TRANSFER, facts, NULL, (struct od_text){"", 0}, bytes);
    bool done = od_hook_dasha_done(call), canceled = is_canceled(call);
    yyjson_mut_doc *doc = dasha_doc(done       ? "CompletedWebHookPayload"
                                    : canceled ? "CallDeadLineWebHookPayload"
                                               : "FailedWebHookPayload",
                                    done       ? "Completed"
                                    : canceled ? "Canceled"
                                               : "Failed",
                                    facts);
    if (!doc)
        return NULL;
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    if (done)
        put_completed(doc, root, facts);
    else
        yyjson_mut_obj_add_strcpy(doc, root, "errorMessage", od_dasha_error(call));
    od_put_time(doc, root, "createdTime", call->created_ms);
    od_put_time(doc, root, "completedTime", call->outcome.ended_ms);
    return write_doc(doc, bytes);
}

char *od_hook_body(enum od_hook_to to, const struct od_hook_facts *facts, size_t *bytes)
{
    switch (to) {
    case OD_HOOK_TO_CALLINGBOX:
    case OD_HOOK_TO_POINT_CALLINGBOX:
        return callingbox_body(facts, bytes);
    case OD_HOOK_TO_DASHA:
        return dasha_body(facts, bytes);
    default:
        return native_body(facts, bytes);
    }
}

char *od_hook_ask_body(enum od_hook_ask ask, const struct od_hook_facts *facts, const char *tool,
                       struct od_text arguments, size_t *bytes)
{
    static const struct {
        const char *type, *status;
    } words[] = {
        [OD_HOOK_ASK_START] = {"StartWebHookPayload", "Queued"},
        [OD_HOOK_ASK_TOOL] = {"ToolWebHookPayload", "Running"},
        [OD_HOOK_ASK_TRANSFER] = {"TransferWebHookPayload", "Running"},
        [OD_HOOK_ASK_UNKNOWN] = {"UnknownWebHookPayload", "Unknown"},
    };
    yyjson_mut_doc *doc = dasha_doc(words[ask].type, words[ask].status, facts);
    if (!doc)
        return NULL;
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    if (tool) {
        yyjson_mut_obj_add_str(doc, root, "toolName", tool);
        od_put_json(doc, root, "arguments", arguments, "{}");
    } else if (arguments.bytes) {
        od_put_json(doc, root, "transfer", arguments, "{}");
    }
    return write_doc(doc, bytes);
}
