/*
 * redis_read - replies of the scripts to records.
 */
#include "proto/redis/redis_read.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "proto/redis/redis_lane.h"
#include "proto/wire/wire.h"

bool od_redis_read_array(const struct redisReply *reply, size_t least)
{
    return reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements >= least;
}

static const struct redisReply *element(const struct redisReply *array, size_t at)
{
    return od_redis_read_array(array, at + 1) ? array->element[at] : NULL;
}

struct od_text od_redis_read_text(const struct redisReply *array, size_t at)
{
    const struct redisReply *e = element(array, at);
    if (e == NULL || e->type != REDIS_REPLY_STRING)
        return (struct od_text){"", 0};
    return (struct od_text){e->str, (size_t)e->len};
}

static int64_t number(struct od_text text)
{
    bool minus = text.bytes > 0 && text.at[0] == '-';
    uint64_t value = 0;
    if (!od_str_u64(text.at + minus, text.bytes - minus, INT64_MAX, &value))
        return 0;
    return minus ? -(int64_t)value : (int64_t)value;
}

int64_t od_redis_read_int(const struct redisReply *array, size_t at)
{
    const struct redisReply *e = element(array, at);
    if (e == NULL)
        return 0;
    if (e->type == REDIS_REPLY_INTEGER)
        return e->integer;
    return number(od_redis_read_text(array, at));
}

bool od_redis_read_uid(const struct redisReply *array, size_t at, struct od_uid *out)
{
    struct od_text text = od_redis_read_text(array, at);
    if (text.bytes != sizeof out->b)
        return false;
    memcpy(out->b, text.at, sizeof out->b);
    return true;
}

bool od_redis_read_agent(const struct redisReply *array, size_t at, struct od_agent_rec *out)
{
    memset(out, 0, sizeof *out);
    if (!od_redis_read_array(array, at + 7) || !od_redis_read_uid(array, at, &out->id))
        return false;
    struct od_text name = od_redis_read_text(array, at + 1);
    od_str_copy(out->name, sizeof out->name, name.at, name.bytes);
    out->doc = od_redis_read_text(array, at + 2);
    out->created_ms = od_redis_read_int(array, at + 3);
    out->updated_ms = od_redis_read_int(array, at + 4);
    int64_t order = od_redis_read_int(array, at + 5), in_use = od_redis_read_int(array, at + 6);
    out->order = order == OD_AGENT_PAUSED || order == OD_AGENT_DRAINING ? (uint8_t)order : 0;
    out->in_use = in_use < 0 ? 0 : (uint64_t)in_use;
    return true;
}

bool od_redis_read_thing(const struct redisReply *array, size_t at, struct od_thing_rec *out)
{
    memset(out, 0, sizeof *out);
    if (!od_redis_read_array(array, at + 5) || !od_redis_read_uid(array, at, &out->id))
        return false;
    out->key = od_redis_read_text(array, at + 1);
    out->doc = od_redis_read_text(array, at + 2);
    out->created_ms = od_redis_read_int(array, at + 3);
    out->updated_ms = od_redis_read_int(array, at + 4);
    return true;
}

static bool is(struct od_text text, const char *word)
{
    return text.bytes == strlen(word) && memcmp(text.at, word, text.bytes) == 0;
}

static uint32_t number_u32(struct od_text text)
{
    int64_t value = number(text);
    return value < 0 || value > UINT32_MAX ? 0 : (uint32_t)value;
}

/* A counter can't be below zero; a broken one reads as zero. */
static uint64_t counter(struct od_text text)
{
    int64_t value = number(text);
    return value < 0 ? 0 : (uint64_t)value;
}

static void campaign_field(struct od_text name, struct od_text value, struct od_campaign_rec *out)
{
    uint64_t cause;
    if (is(name, "agent") && value.bytes == sizeof out->agent.b)
        memcpy(out->agent.b, value.at, sizeof out->agent.b);
    else if (is(name, "name"))
        od_str_copy(out->name, sizeof out->name, value.at, value.bytes);
    else if (is(name, "state"))
        out->state = (uint8_t)(number_u32(value) <= OD_CAMPAIGN_DRAINING ? number_u32(value) : 0);
    else if (is(name, "prio"))
        out->priority = (int32_t)number(value);
    else if (is(name, "cps"))
        out->cps_milli = number_u32(value);
    else if (is(name, "max"))
        out->max_calls = number_u32(value);
    else if (is(name, "hook"))
        out->webhook_url = value;
    else if (is(name, "retry"))
        out->has_retry = od_wire_retry_get(value.at, value.bytes, &out->retry) == 0;
    else if (is(name, "created"))
        out->created_ms = number(value);
    else if (is(name, "started"))
        out->started_ms = number(value);
    else if (is(name, "total"))
        out->total = counter(value);
    else if (is(name, "waiting"))
        out->waiting = counter(value);
    else if (is(name, "active"))
        out->active = counter(value);
    else if (is(name, "ended"))
        out->ended = counter(value);
    else if (name.bytes > 1 && name.at[0] == 'e' &&
             od_str_u64(name.at + 1, name.bytes - 1, OD_CAUSE_COUNT - 1, &cause))
        out->ended_by[cause] = counter(value);
}

bool od_redis_read_campaign(const struct redisReply *array, size_t at, struct od_campaign_rec *out)
{
    memset(out, 0, sizeof *out);
    if (!od_redis_read_array(array, at + 2) || !od_redis_read_uid(array, at, &out->id) ||
        !od_redis_read_array(array->element[at + 1], 2))
        return false;
    const struct redisReply *fields = array->element[at + 1];
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        campaign_field(od_redis_read_text(fields, i), od_redis_read_text(fields, i + 1), out);
    return true;
}

void od_redis_read_outcome(const struct od_wire_call *record, struct od_outcome *out)
{
    memset(out, 0, sizeof *out);
    out->cause = (enum od_cause)record->state.cause;
    out->verdict = (enum od_verdict)record->end.verdict;
    if (!record->has_end && (out->cause == OD_CAUSE_CANCELED || out->cause == OD_CAUSE_DEADLINE))
        out->verdict = OD_VERDICT_USER;
    out->sip_status = record->state.sip_status;
    out->trunk = OD_NO_TRUNK;
    out->dialed_ms = record->state.dialed_ms;
    out->ringing_ms = record->state.ringing_ms;
    out->answered_ms = record->state.answered_ms;
    out->ended_ms = record->state.ended_ms;
    od_str_copy(out->reason, sizeof out->reason,
                record->end.reason.at == NULL ? "" : record->end.reason.at,
                record->end.reason.bytes);
}

bool od_redis_read_record(struct od_text bytes, struct od_text lane_def, const struct od_uid *uid,
                          struct od_call_rec *out)
{
    struct od_wire_call record;
    memset(out, 0, sizeof *out);
    if (od_wire_call_get(bytes.at, bytes.bytes, &record) != 0)
        return false;
    out->id = *uid;
    struct od_lane_info lane = {.open = true};
    od_redis_lane_def(lane_def, &lane);
    out->agent = lane.agent;
    out->campaign = lane.campaign;
    out->via = lane.via;
    out->priority = lane.priority;
    out->phase = record.state.phase;
    out->attempts = record.state.attempts;
    out->tries = record.state.tries;
    od_str_copy(out->to, sizeof out->to, record.job.to.at, record.job.to.bytes);
    od_str_copy(out->from, sizeof out->from, record.job.from.at, record.job.from.bytes);
    struct od_text trunk = record.end.trunk.bytes > 0 ? record.end.trunk : record.attempt.trunk;
    if (trunk.bytes > 0)
        od_str_copy(out->trunk, sizeof out->trunk, trunk.at, trunk.bytes);
    if (out->phase < OD_PHASE_DIALING) {
        const char *reason = od_wire_reason(record.state.reason);
        od_str_copy(out->wait_reason, sizeof out->wait_reason, reason, strlen(reason));
    }
    if (out->phase == OD_PHASE_QUEUED && record.state.worker == 0 && !lane.open) {
        out->phase = OD_PHASE_WAITING; /* in turn, but its campaign stands still */
        od_str_copy(out->wait_reason, sizeof out->wait_reason, "paused", 6);
    }
    if (record.job.timezone.bytes > 0)
        od_str_copy(out->timezone, sizeof out->timezone, record.job.timezone.at,
                    record.job.timezone.bytes);
    out->context = record.job.context;
    out->result = record.result;
    out->extra = record.job.extra;
    out->webhook_url = record.job.webhook_url;
    out->media = record.media;
    out->hooks = record.state.flags & OD_WIRE_FLAG_HOOKS;
    out->hook_status = record.hook_status;
    if (!out->hook_status && out->hooks & OD_CALL_HOOK_URL)
        out->hook_status = OD_CALL_HOOK_PENDING;
    out->hook_error = record.hook_error;
    out->created_ms = record.job.created_ms;
    out->not_before_ms = out->phase == OD_PHASE_WAITING && record.state.due_ms > 0
                             ? record.state.due_ms
                             : record.job.not_before_ms;
    out->next_ms = out->phase == OD_PHASE_WAITING ? record.state.due_ms : 0;
    out->deadline_ms = record.job.deadline_ms;
    out->row = record.job.row;
    od_redis_read_outcome(&record, &out->outcome);
    return true;
}

bool od_redis_read_call_of(const struct redisReply *array, size_t at, const struct od_uid *uid,
                           struct od_call_rec *out)
{
    return od_redis_read_record(od_redis_read_text(array, at), od_redis_read_text(array, at + 1),
                                uid, out);
}

bool od_redis_read_call(const struct redisReply *array, size_t at, struct od_call_rec *out)
{
    struct od_uid uid;
    if (!od_redis_read_uid(array, at, &uid) || !od_redis_read_call_of(array, at + 1, &uid, out))
        return false;
    struct od_text why = od_redis_read_text(array, at + 3);
    if (why.bytes > 0)
        od_str_copy(out->wait_reason, sizeof out->wait_reason, why.at, why.bytes);
    return true;
}
