/*
 * What comes out of the store is input: stored JSON is looked at before it becomes part of an
 * answer, so that a damaged record spoils its own field and nothing else.
 */
#include "engine/api/project.h"

#include <stdlib.h>
#include <string.h>

#include "engine/api/agent_view.h"
#include "engine/api/secret_fields.h"
#include "engine/api/time_text.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"

yyjson_mut_doc *od_project_doc(void)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
    if (!root) {
        yyjson_mut_doc_free(doc);
        return NULL;
    }
    yyjson_mut_doc_set_root(doc, root);
    return doc;
}

void od_put_uid(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key,
                const struct od_uid *uid)
{
    char text[OD_UID_TEXT];
    if (od_uid_none(uid)) {
        yyjson_mut_obj_add_null(doc, object, key);
        return;
    }
    od_uid_text(uid, text);
    yyjson_mut_obj_add_strcpy(doc, object, key, text);
}

void od_put_time(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, int64_t wall_ms)
{
    char text[OD_TIME_TEXT];
    if (wall_ms <= 0) {
        yyjson_mut_obj_add_null(doc, object, key);
        return;
    }
    od_time_text(wall_ms, text);
    yyjson_mut_obj_add_strcpy(doc, object, key, text);
}

void od_put_milli(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, uint64_t milli)
{
    if (!milli)
        yyjson_mut_obj_add_null(doc, object, key);
    else if (milli % 1000 == 0)
        yyjson_mut_obj_add_uint(doc, object, key, milli / 1000);
    else
        yyjson_mut_obj_add_real(doc, object, key, (double)milli / 1000.0);
}

void od_put_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, struct od_text text)
{
    if (text.bytes && od_str_utf8(text.at, text.bytes))
        yyjson_mut_obj_add_strncpy(doc, object, key, text.at, text.bytes);
    else
        yyjson_mut_obj_add_null(doc, object, key);
}

void od_put_url(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, struct od_text url)
{
    bool good = url.bytes && od_str_utf8(url.at, url.bytes);
    yyjson_mut_val *shown = good ? od_secrets_shown_url(doc, url) : NULL;
    yyjson_mut_obj_add_val(doc, object, key, shown ? shown : yyjson_mut_null(doc));
}

static void put_word(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, const char *text,
                     size_t size)
{
    od_put_text(doc, object, key, (struct od_text){text, strnlen(text, size)});
}

void od_put_json(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, struct od_text text,
                 const char *otherwise)
{
    yyjson_doc *check = text.bytes ? yyjson_read(text.at, text.bytes, 0) : NULL;
    yyjson_mut_val *value =
        check ? yyjson_mut_rawn(doc, text.at, text.bytes) : yyjson_mut_raw(doc, otherwise);
    yyjson_doc_free(check);
    yyjson_mut_obj_add_val(doc, object, key, value);
}

/* ---- campaigns ---- */

const char *od_project_state(const struct od_campaign_rec *rec)
{
    switch ((enum od_campaign_state)rec->state) {
    case OD_CAMPAIGN_DRAFT:
        return "draft";
    case OD_CAMPAIGN_RUNNING:
        return rec->total && rec->ended >= rec->total ? "completed" : "running";
    case OD_CAMPAIGN_PAUSED:
        return "paused";
    case OD_CAMPAIGN_CANCELED:
        return "canceled";
    case OD_CAMPAIGN_DRAINING:
        return rec->active ? "draining" : "drained";
    }
    return "unknown";
}

/* A time as it is written: in the largest unit that fits. */
static void put_duration(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, uint32_t seconds)
{
    static const struct {
        uint32_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    char text[16];
    struct od_buf buf;
    unsigned i = 0;
    while (seconds % units[i].seconds)
        i++;
    od_buf_init(&buf, text, sizeof text);
    od_buf_u64(&buf, seconds / units[i].seconds);
    od_buf_char(&buf, units[i].unit);
    yyjson_mut_obj_add_val(doc, o, key, yyjson_mut_strcpy(doc, text));
}

static void put_retry(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_campaign_rec *rec)
{
    if (!rec->has_retry) {
        yyjson_mut_obj_add_null(doc, o, "retry");
        return;
    }
    yyjson_mut_val *retry = yyjson_mut_obj_add_obj(doc, o, "retry");
    yyjson_mut_obj_add_uint(doc, retry, "max_attempts", rec->retry.attempts_max);
    yyjson_mut_val *on = yyjson_mut_obj_add_obj(doc, retry, "on");
    for (unsigned i = 0; i < OD_CAUSE_COUNT; i++)
        if (rec->retry.after_s[i])
            put_duration(doc, on, od_cause_name((enum od_cause)i), rec->retry.after_s[i]);
}

yyjson_mut_val *od_project_campaign(yyjson_mut_doc *doc, const struct od_campaign_rec *rec)
{
    yyjson_mut_val *o = yyjson_mut_obj(doc);
    od_put_uid(doc, o, "id", &rec->id);
    put_word(doc, o, "name", rec->name, sizeof rec->name);
    od_put_uid(doc, o, "agent_id", &rec->agent);
    yyjson_mut_obj_add_str(doc, o, "state", od_project_state(rec));
    yyjson_mut_obj_add_int(doc, o, "priority", rec->priority);
    od_put_milli(doc, o, "cps", rec->cps_milli);
    if (rec->max_calls)
        yyjson_mut_obj_add_uint(doc, o, "max_calls", rec->max_calls);
    else
        yyjson_mut_obj_add_null(doc, o, "max_calls");
    od_put_url(doc, o, "webhook_url", rec->webhook_url);
    put_retry(doc, o, rec);
    yyjson_mut_val *counts = yyjson_mut_obj_add_obj(doc, o, "counts");
    yyjson_mut_obj_add_uint(doc, counts, "total", rec->total);
    yyjson_mut_obj_add_uint(doc, counts, "waiting", rec->waiting);
    yyjson_mut_obj_add_uint(doc, counts, "active", rec->active);
    yyjson_mut_obj_add_uint(doc, counts, "ended", rec->ended);
    yyjson_mut_val *outcomes = yyjson_mut_obj_add_obj(doc, counts, "outcomes");
    for (unsigned i = OD_CAUSE_NONE + 1; i < OD_CAUSE_COUNT; i++)
        if (rec->ended_by[i])
            yyjson_mut_obj_add_uint(doc, outcomes, od_cause_name((enum od_cause)i),
                                    rec->ended_by[i]);
    od_put_time(doc, o, "created_at", rec->created_ms);
    od_put_time(doc, o, "started_at", rec->started_ms);
    return o;
}

/* ---- calls ---- */

const char *od_project_status(const struct od_call_rec *rec)
{
    if (rec->phase >= OD_PHASE_COUNT)
        return "unknown";
    if (rec->phase == OD_PHASE_ENDED)
        return od_cause_name(rec->outcome.cause);
    return od_phase_name((enum od_call_phase)rec->phase);
}

static void put_outcome(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_outcome *outcome)
{
    if (outcome->sip_status)
        yyjson_mut_obj_add_uint(doc, o, "sip_status", outcome->sip_status);
    else
        yyjson_mut_obj_add_null(doc, o, "sip_status");
    put_word(doc, o, "reason", outcome->reason, sizeof outcome->reason);
    od_put_time(doc, o, "dialed_at", outcome->dialed_ms);
    od_put_time(doc, o, "ringing_at", outcome->ringing_ms);
    od_put_time(doc, o, "answered_at", outcome->answered_ms);
    od_put_time(doc, o, "ended_at", outcome->ended_ms);
    /* how long was talked; 0 for a call that was never answered */
    if (outcome->ended_ms <= 0)
        yyjson_mut_obj_add_null(doc, o, "duration_ms");
    else if (outcome->answered_ms > 0 && outcome->ended_ms > outcome->answered_ms)
        yyjson_mut_obj_add_int(doc, o, "duration_ms", outcome->ended_ms - outcome->answered_ms);
    else
        yyjson_mut_obj_add_int(doc, o, "duration_ms", 0);
}

void od_project_answered_by(const struct od_call_rec *rec, char out[OD_ANSWERED_BY_MAX])
{
    out[0] = '\0';
    if (!rec->media.bytes)
        return;
    yyjson_doc *media = yyjson_read(rec->media.at, rec->media.bytes, 0);
    yyjson_val *word = yyjson_obj_get(yyjson_doc_get_root(media), "answered_by");
    if (yyjson_is_str(word))
        od_str_copy(out, OD_ANSWERED_BY_MAX, yyjson_get_str(word), yyjson_get_len(word));
    yyjson_doc_free(media);
}

yyjson_mut_val *od_project_call(yyjson_mut_doc *doc, const struct od_call_rec *rec)
{
    yyjson_mut_val *o = yyjson_mut_obj(doc);
    od_put_uid(doc, o, "id", &rec->id);
    yyjson_mut_obj_add_str(doc, o, "status", od_project_status(rec));
    put_word(doc, o, "to", rec->to, sizeof rec->to);
    put_word(doc, o, "from", rec->from, sizeof rec->from);
    od_put_uid(doc, o, "agent_id", &rec->agent);
    od_put_uid(doc, o, "campaign_id", &rec->campaign);
    if (rec->row)
        yyjson_mut_obj_add_uint(doc, o, "row", rec->row);
    yyjson_mut_obj_add_int(doc, o, "priority", rec->priority);
    yyjson_mut_obj_add_uint(doc, o, "attempts", rec->attempts);
    yyjson_mut_obj_add_uint(doc, o, "tries", rec->tries);
    put_word(doc, o, "trunk", rec->trunk, sizeof rec->trunk);
    put_word(doc, o, "wait_reason", rec->wait_reason, sizeof rec->wait_reason);
    od_put_json(doc, o, "context", rec->context, "{}");
    od_put_json(doc, o, "result", rec->result, "null");
    char who[OD_ANSWERED_BY_MAX];
    od_project_answered_by(rec, who);
    put_word(doc, o, "answered_by", who, sizeof who);
    od_put_json(doc, o, "media", rec->media, "null");
    od_put_time(doc, o, "created_at", rec->created_ms);
    od_put_time(doc, o, "not_before", rec->not_before_ms);
    od_put_time(doc, o, "next_at", rec->next_ms);
    od_put_time(doc, o, "deadline", rec->deadline_ms);
    put_word(doc, o, "timezone", rec->timezone, sizeof rec->timezone);
    put_outcome(doc, o, &rec->outcome);
    return o;
}

/* ---- agents ---- */

/* What it was ordered to; without an order, whether it is meant to make calls. */
static const char *live_state(const struct od_agent_rec *rec, yyjson_val *agent)
{
    if (rec->order == OD_AGENT_PAUSED)
        return "paused";
    if (rec->order == OD_AGENT_DRAINING)
        return rec->in_use ? "draining" : "drained";
    if (od_agent_archived(agent))
        return "archived";
    return od_agent_enabled(agent) ? "active" : "disabled";
}

static void put_live(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_agent_rec *rec,
                     yyjson_val *agent)
{
    yyjson_mut_val *live = yyjson_mut_obj_add_obj(doc, o, "live");
    yyjson_mut_obj_add_str(doc, live, "state", live_state(rec, agent));
    yyjson_mut_obj_add_uint(doc, live, "in_use", rec->in_use);
}

yyjson_mut_val *od_project_agent(yyjson_mut_doc *doc, const struct od_agent_rec *rec)
{
    yyjson_doc *stored = yyjson_read(rec->doc.at, rec->doc.bytes, YYJSON_READ_NUMBER_AS_RAW);
    yyjson_val *root = yyjson_doc_get_root(stored), *key, *value;
    yyjson_mut_val *o = yyjson_is_obj(root) ? yyjson_mut_obj(doc) : NULL;
    size_t i, max;
    if (o) {
        od_put_uid(doc, o, "id", &rec->id);
        od_put_time(doc, o, "created_at", rec->created_ms);
        od_put_time(doc, o, "updated_at", rec->updated_ms);
        put_live(doc, o, rec, root);
        yyjson_obj_foreach(root, i, max, key, value)
            yyjson_mut_obj_add(o, yyjson_val_mut_copy(doc, key), yyjson_val_mut_copy(doc, value));
        od_secrets_hide(doc, o);
    }
    yyjson_doc_free(stored);
    return o;
}
