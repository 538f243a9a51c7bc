/*
 * vendor_call - the calls of both vendors. A member that their page calls an object is one always,
 * {} when there is nothing to say; what their page calls "| null" may be null.
 */
#include "engine/api/vendor_call.h"

#include <stdlib.h>
#include <string.h>

#include "engine/agent/template.h"
#include "engine/api/agent_view.h"
#include "engine/api/call_extra.h"
#include "engine/api/json_read.h"
#include "engine/api/project.h"
#include "engine/api/vendor_status.h"
#include "engine/base/str.h"

static const char LANGUAGE_DEFAULT[] = "en-US";

/* ---- parts of both ---- */

static void put_text(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const char *text)
{
    if (text)
        od_put_text(doc, o, key, (struct od_text){text, strlen(text)});
    else
        yyjson_mut_obj_add_null(doc, o, key);
}

/* A text that is never null. */
static void put_word(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const char *text)
{
    yyjson_mut_obj_add_strcpy(doc, o, key, text && od_str_utf8(text, strlen(text)) ? text : "");
}

/* Copies a member out of stored JSON; {} when it is no object. */
static void put_object(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, yyjson_val *value)
{
    yyjson_mut_val *copy = yyjson_is_obj(value) ? yyjson_val_mut_copy(doc, value) : NULL;
    yyjson_mut_obj_add_val(doc, o, key, copy ? copy : yyjson_mut_obj(doc));
}

/* A stored text of JSON as an object; {} when it is none. */
static void put_stored(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, struct od_text text)
{
    yyjson_doc *stored =
        text.bytes ? yyjson_read(text.at, text.bytes, YYJSON_READ_NUMBER_AS_RAW) : NULL;
    put_object(doc, o, key, yyjson_doc_get_root(stored));
    yyjson_doc_free(stored);
}

static void put_seconds(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, int64_t ms)
{
    if (ms < 0)
        yyjson_mut_obj_add_null(doc, o, key);
    else
        yyjson_mut_obj_add_int(doc, o, key, (ms + 500) / 1000);
}

/* How long was talked; -1: the call has not ended. */
static int64_t talked_ms(const struct od_call_rec *rec)
{
    const struct od_outcome *end = &rec->outcome;
    if (rec->phase != OD_PHASE_ENDED)
        return -1;
    return end->answered_ms > 0 && end->ended_ms > end->answered_ms
               ? end->ended_ms - end->answered_ms
               : 0;
}

static bool waits(const struct od_call_rec *rec)
{
    return rec->phase < OD_PHASE_DIALING;
}

static void put_wait(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key,
                     const struct od_call_rec *rec)
{
    put_text(doc, o, key, waits(rec) && rec->wait_reason[0] ? rec->wait_reason : NULL);
}

/* When a waiting call is looked at next, null when it is in its turn. */
static void put_next(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key,
                     const struct od_call_rec *rec)
{
    int64_t next_ms = rec->next_ms ? rec->next_ms : rec->not_before_ms;
    od_put_time(doc, o, key, waits(rec) ? next_ms : 0);
}

static int64_t latest(const struct od_call_rec *rec)
{
    const int64_t times[] = {rec->outcome.dialed_ms, rec->outcome.ringing_ms,
                             rec->outcome.answered_ms, rec->outcome.ended_ms};
    int64_t last = rec->created_ms;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (times[i] > last)
            last = times[i];
    return last;
}

/* ---- CallingBox ---- */

/* persona and instructions with their places filled in, one after the other. */
static void put_prompt(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_call_rec *rec,
                       const char *persona, const char *instructions)
{
    struct od_context *context = NULL;
    char *text = malloc(2 * OD_TEMPLATE_BYTES_MAX + 3);
    size_t used = 0;
    if (rec->context.bytes && od_context_create(&context, rec->context.at, rec->context.bytes))
        context = NULL;
    const char *parts[] = {persona, instructions};
    for (unsigned i = 0; text && i < 2; i++) {
        if (!parts[i] || !*parts[i])
            continue;
        if (used) {
            memcpy(text + used, "\n\n", 2);
            used += 2;
        }
        int bytes = od_template_fill(context, parts[i], text + used, OD_TEMPLATE_BYTES_MAX);
        if (bytes < 0) { /* too long to be filled in: as it was written */
            size_t whole = strlen(parts[i]);
            char *more = realloc(text, used + whole + OD_TEMPLATE_BYTES_MAX + 3);
            if (!more)
                break;
            text = more;
            memcpy(text + used, parts[i], whole);
            bytes = (int)whole;
        }
        used += (size_t)bytes;
    }
    if (text && od_str_utf8(text, used))
        yyjson_mut_obj_add_strncpy(doc, o, "prompt", text, used);
    else
        yyjson_mut_obj_add_str(doc, o, "prompt", "");
    free(text);
    od_context_destroy(context);
}

/* What the call runs under: its snapshot, else the agent as it is. */
static void put_snapshot(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_call_rec *rec,
                         yyjson_val *extra, yyjson_val *agent)
{
    bool own = yyjson_equals_str(yyjson_obj_get(extra, "api"), "callingbox");
    const char *persona =
        own ? yyjson_get_str(yyjson_obj_get(extra, "persona")) : od_agent_persona(agent);
    const char *instructions = yyjson_get_str(yyjson_obj_get(extra, "instructions"));
    const char *language =
        own ? yyjson_get_str(yyjson_obj_get(extra, "language")) : od_agent_language(agent);
    if (!own && !instructions)
        instructions = od_agent_instructions(agent);
    put_text(doc, o, "persona", persona);
    put_text(doc, o, "instructions", instructions);
    put_prompt(doc, o, rec, persona, instructions);
    put_stored(doc, o, "context", rec->context);
    put_object(doc, o, "returns", yyjson_obj_get(own ? extra : agent, "returns"));
    put_word(doc, o, "language", language ? language : LANGUAGE_DEFAULT);
}

/* A result that isn't what the agent's `returns` promises is given as it came, and has failed. */
static void put_result(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_call_rec *rec)
{
    bool ended = rec->phase == OD_PHASE_ENDED;
    bool talked = ended && rec->outcome.cause == OD_CAUSE_COMPLETED;
    yyjson_doc *media = talked ? yyjson_read(rec->media.at, rec->media.bytes, 0) : NULL;
    const char *error = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(media), "result_error"));
    if (ended && !talked)
        error = "there was no conversation to take a result from";
    put_stored(doc, o, "result", rec->result);
    yyjson_mut_obj_add_str(doc, o, "result_status",
                           !ended  ? "pending"
                           : error ? "failed"
                                   : "completed");
    put_text(doc, o, "result_error", error);
    yyjson_doc_free(media);
}

static void put_hook(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_call_rec *rec,
                     yyjson_val *agent)
{
    static const char *const words[] = {"none", "pending", "delivered", "failed"};
    const char *agents_own = yyjson_get_str(yyjson_obj_get(agent, "webhook_url"));
    unsigned status = rec->hook_status <= OD_CALL_HOOK_FAILED ? rec->hook_status : 0;
    struct od_text own = {agents_own, agents_own ? strlen(agents_own) : 0};
    od_put_url(doc, o, "webhook_url", rec->webhook_url.bytes ? rec->webhook_url : own);
    if (!status && agents_own && *agents_own)
        status = OD_CALL_HOOK_PENDING; /* nothing has been told yet */
    yyjson_mut_obj_add_str(doc, o, "webhook_status", words[status]);
    od_put_text(doc, o, "webhook_error", rec->hook_error);
}

static void put_end(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_call_rec *rec)
{
    const struct od_outcome *end = &rec->outcome;
    const char *trouble = od_call_trouble(rec);
    bool answered = end->answered_ms > 0;
    od_put_time(doc, o, "started_at", end->ringing_ms);
    od_put_time(doc, o, "answered_at", end->answered_ms);
    od_put_time(doc, o, "ended_at", end->ended_ms);
    put_seconds(doc, o, "duration_seconds", talked_ms(rec));
    put_seconds(doc, o, "billed_duration_seconds", talked_ms(rec));
    yyjson_mut_obj_add_null(doc, o, "billing_amount_milli_cents"); /* nobody is billed here */
    yyjson_mut_obj_add_str(doc, o, "reservation_status",
                           rec->phase != OD_PHASE_ENDED ? "reserved"
                           : answered                   ? "settled"
                                                        : "released");
    if (trouble && end->sip_status >= 300) {
        char code[8];
        struct od_buf buf;
        od_buf_init(&buf, code, sizeof code);
        od_buf_u64(&buf, end->sip_status);
        yyjson_mut_obj_add_strcpy(doc, o, "error_code", code);
    } else {
        yyjson_mut_obj_add_null(doc, o, "error_code");
    }
    put_text(doc, o, "error_message", trouble && end->reason[0] ? end->reason : trouble);
    put_text(doc, o, "hangup_cause", od_call_hangup_cause(rec));
}

yyjson_mut_val *od_callingbox_call(yyjson_mut_doc *doc, const struct od_call_rec *rec,
                                   yyjson_val *agent_doc)
{
    yyjson_mut_val *o = yyjson_mut_obj(doc);
    yyjson_doc *extra_doc = od_call_extra(rec);
    yyjson_val *extra = yyjson_doc_get_root(extra_doc);
    const char *number = rec->from[0] ? rec->from : od_agent_number(agent_doc);
    od_put_uid(doc, o, "id", &rec->id);
    od_put_uid(doc, o, "agent_id", &rec->agent);
    put_word(doc, o, "to_number", rec->to);
    put_word(doc, o, "from_number", number);
    yyjson_mut_obj_add_str(doc, o, "status", od_callingbox_status(rec));
    yyjson_mut_obj_add_str(doc, o, "direction", "outbound");
    put_snapshot(doc, o, rec, extra, agent_doc);
    put_result(doc, o, rec);
    put_hook(doc, o, rec, agent_doc);
    od_put_time(doc, o, "created_at", rec->created_ms);
    put_end(doc, o, rec);
    char by[OD_ANSWERED_BY_MAX] = "";
    od_project_answered_by(rec, by);
    put_text(doc, o, "answered_by",
             rec->outcome.cause == OD_CAUSE_MACHINE ? "machine"
             : by[0]                                ? by
                                                    : NULL);
    put_object(doc, o, "metadata", yyjson_obj_get(extra, "metadata"));
    put_wait(doc, o, "wait_reason", rec);
    put_next(doc, o, "next_attempt_at", rec);
    od_put_time(doc, o, "updated_at", latest(rec));
    yyjson_doc_free(extra_doc);
    return o;
}

/* What was said, out of the media's notes: [{ role, text, started_ms, ended_ms, source? }]. */
static yyjson_val *transcript_of(yyjson_doc *media)
{
    return od_json_arr(yyjson_obj_get(yyjson_doc_get_root(media), "transcript"));
}

static yyjson_doc *read_media(const struct od_call_rec *rec)
{
    return rec->media.bytes ? yyjson_read(rec->media.at, rec->media.bytes, 0) : NULL;
}

static const char *member_text(yyjson_val *object, const char *name)
{
    return yyjson_get_str(yyjson_obj_get(object, name));
}

yyjson_mut_val *od_callingbox_segments(yyjson_mut_doc *doc, const struct od_call_rec *rec)
{
    yyjson_mut_val *out = yyjson_mut_arr(doc);
    yyjson_doc *media = read_media(rec);
    size_t i, max;
    yyjson_val *said;
    yyjson_arr_foreach(transcript_of(media), i, max, said)
    {
        int64_t from_ms = yyjson_get_sint(yyjson_obj_get(said, "started_ms"));
        int64_t to_ms = yyjson_get_sint(yyjson_obj_get(said, "ended_ms"));
        yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, out);
        yyjson_mut_obj_add_uint(doc, o, "sequence_no", i + 1);
        put_word(doc, o, "role", member_text(said, "role"));
        put_word(doc, o, "text", member_text(said, "text"));
        od_put_time(doc, o, "started_at", from_ms);
        od_put_time(doc, o, "ended_at", to_ms);
        if (from_ms > 0 && to_ms >= from_ms)
            yyjson_mut_obj_add_int(doc, o, "duration_ms", to_ms - from_ms);
        else
            yyjson_mut_obj_add_null(doc, o, "duration_ms");
        const char *source = member_text(said, "source");
        put_word(doc, o, "source", source ? source : "agent");
    }
    yyjson_doc_free(media);
    return out;
}

yyjson_mut_val *od_dasha_transcription(yyjson_mut_doc *doc, const struct od_call_rec *rec)
{
    yyjson_mut_val *out = yyjson_mut_arr(doc);
    yyjson_doc *media = read_media(rec);
    size_t i, max;
    yyjson_val *said;
    yyjson_arr_foreach(transcript_of(media), i, max, said)
    {
        yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, out);
        put_word(doc, o, "speaker", member_text(said, "role"));
        put_word(doc, o, "text", member_text(said, "text"));
        od_put_time(doc, o, "startTime", yyjson_get_sint(yyjson_obj_get(said, "started_ms")));
        od_put_time(doc, o, "endTime", yyjson_get_sint(yyjson_obj_get(said, "ended_ms")));
    }
    yyjson_doc_free(media);
    return out;
}

/* ---- Dasha ---- */

static void put_member(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, yyjson_val *extra)
{
    yyjson_val *value = yyjson_obj_get(extra, key);
    yyjson_mut_val *copy = value ? yyjson_val_mut_copy(doc, value) : NULL;
    yyjson_mut_obj_add_val(doc, o, key, copy ? copy : yyjson_mut_null(doc));
}

static void put_url(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, yyjson_val *extra)
{
    yyjson_val *url = yyjson_obj_get(extra, key);
    od_put_url(doc, o, key, (struct od_text){yyjson_get_str(url), yyjson_get_len(url)});
}

static const char *finish_reason(const struct od_call_rec *rec)
{
    bool told = rec->outcome.cause == OD_CAUSE_COMPLETED && rec->outcome.reason[0];
    return told ? rec->outcome.reason : od_call_hangup_cause(rec);
}

void od_dasha_put_result(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_call_rec *rec)
{
    if (rec->phase != OD_PHASE_ENDED) {
        yyjson_mut_obj_add_null(doc, o, "result");
        return;
    }
    put_stored(doc, o, "result", rec->result);
    yyjson_mut_val *result = yyjson_mut_obj_get(o, "result");
    if (!yyjson_mut_obj_get(result, "finishReason"))
        yyjson_mut_obj_add_strcpy(doc, result, "finishReason", finish_reason(rec));
    if (!yyjson_mut_obj_get(result, "status"))
        yyjson_mut_obj_add_str(doc, result, "status", od_dasha_status(rec, false));
    if (!yyjson_mut_obj_get(result, "postCallAnalysis"))
        put_stored(doc, result, "postCallAnalysis", rec->result);
}

const char *od_dasha_error(const struct od_call_rec *rec)
{
    bool said = rec->phase == OD_PHASE_ENDED && rec->outcome.cause == OD_CAUSE_REFUSED &&
                rec->outcome.reason[0];
    return said ? rec->outcome.reason : od_call_trouble(rec);
}

static void put_dasha_end(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_call_rec *rec)
{
    od_put_time(doc, o, "completedTime", rec->outcome.ended_ms);
    put_seconds(doc, o, "durationSeconds", talked_ms(rec));
    od_dasha_put_result(doc, o, rec);
    yyjson_mut_obj_add_val(doc, o, "transcription", od_dasha_transcription(doc, rec));
    put_text(doc, o, "errorMessage", od_dasha_error(rec));
    yyjson_mut_obj_add_null(doc, o, "inspectorUrl");
    yyjson_mut_obj_add_null(doc, o, "recordingUrl");
}

yyjson_mut_val *od_dasha_call(yyjson_mut_doc *doc, const struct od_call_rec *rec, const char *org,
                              bool running_word)
{
    yyjson_mut_val *o = yyjson_mut_obj(doc);
    yyjson_doc *extra_doc = od_call_extra(rec);
    yyjson_val *extra = yyjson_doc_get_root(extra_doc);
    od_put_uid(doc, o, "callId", &rec->id);
    put_word(doc, o, "orgId", org);
    od_put_uid(doc, o, "agentId", &rec->agent);
    put_word(doc, o, "endpoint", rec->to);
    yyjson_mut_obj_add_str(doc, o, "status", od_dasha_status(rec, running_word));
    od_put_time(doc, o, "createdTime", rec->created_ms);
    put_next(doc, o, "nextScheduleTime", rec);
    put_stored(doc, o, "additionalData", rec->context);
    yyjson_mut_obj_add_int(doc, o, "priority", rec->priority);
    od_put_time(doc, o, "callDeadline", rec->deadline_ms);
    put_text(doc, o, "timezone", rec->timezone[0] ? rec->timezone : NULL);
    put_member(doc, o, "overrideOutboundConfig", extra);
    put_url(doc, o, "completedWebHook", extra);
    put_url(doc, o, "failedWebHook", extra);
    yyjson_mut_obj_add_null(doc, o, "recordId");
    put_dasha_end(doc, o, rec);
    put_wait(doc, o, "waitReason", rec);
    yyjson_doc_free(extra_doc);
    return o;
}

static void put_sip(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_call_rec *rec)
{
    yyjson_mut_val *sip = yyjson_mut_obj_add_obj(doc, o, "sip");
    put_text(doc, sip, "fromUser", rec->from[0] ? rec->from : NULL);
    yyjson_mut_obj_add_null(doc, sip, "fromDomain");
    put_text(doc, sip, "toUser", rec->to);
    yyjson_mut_obj_add_null(doc, sip, "toDomain");
    yyjson_mut_obj_add_val(doc, sip, "diversion", yyjson_mut_arr(doc));
}

yyjson_mut_val *od_dasha_result(yyjson_mut_doc *doc, const struct od_call_rec *rec, const char *org,
                                bool running_word)
{
    yyjson_mut_val *o = yyjson_mut_obj(doc);
    od_put_uid(doc, o, "callId", &rec->id);
    od_put_uid(doc, o, "agentId", &rec->agent);
    put_word(doc, o, "orgId", org);
    put_stored(doc, o, "callAdditionalData", rec->context);
    yyjson_mut_obj_add_str(doc, o, "callStatus", od_dasha_status(rec, running_word));
    yyjson_mut_obj_add_str(doc, o, "callType", "OutboundAudio");
    od_put_time(doc, o, "createdTime", rec->created_ms);
    put_word(doc, o, "endpoint", rec->to);
    put_sip(doc, o, rec);
    put_dasha_end(doc, o, rec);
    yyjson_mut_obj_add_null(doc, o, "serverJobId");
    yyjson_mut_obj_add_null(doc, o, "score");
    yyjson_mut_obj_add_val(doc, o, "highlights", yyjson_mut_obj(doc));
    return o;
}
