/*
 * redis_event - an event of the stream as its reader wants it.
 */
#include "proto/redis/redis_event.h"

#include <string.h>

#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "proto/redis/redis_lane.h"
#include "proto/redis/redis_read.h"
#include "proto/wire/wire.h"

enum { EVENT_BYTES = 26, KIND_ENDED = 4, KIND_RETRY = 5, KIND_IMPORTED = 15, KIND_DRAINING = 16 };

struct event {
    uint8_t kind, cause;
    uint16_t sip_status;
    int64_t at_ms;
    struct od_uid uid;
    uint32_t added, twice; /* an import's */
    int64_t retry_ms;      /* a retry's: the next attempt is not before */
};

static uint64_t be(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

static bool parse(struct od_text text, struct event *out)
{
    const uint8_t *at = (const uint8_t *)text.at;
    memset(out, 0, sizeof *out);
    if (text.bytes < EVENT_BYTES || at[1] >= OD_CAUSE_COUNT)
        return false;
    out->kind = at[0];
    out->cause = at[1];
    out->sip_status = (uint16_t)be(at + 2, 2);
    out->at_ms = (int64_t)be(at + 4, 6);
    memcpy(out->uid.b, at + 10, sizeof out->uid.b);
    if (out->kind == KIND_RETRY && text.bytes >= EVENT_BYTES + 6)
        out->retry_ms = (int64_t)be(at + EVENT_BYTES, 6);
    if (text.bytes >= EVENT_BYTES + 8) {
        out->added = (uint32_t)be(at + EVENT_BYTES, 4);
        out->twice = (uint32_t)be(at + EVENT_BYTES + 4, 4);
    }
    return true;
}

/* The words of the CallingBox dialect, by cause. */
static const char *ended_type(uint8_t cause)
{
    switch ((enum od_cause)cause) {
    case OD_CAUSE_COMPLETED:
        return "call.completed";
    case OD_CAUSE_BUSY:
    case OD_CAUSE_DECLINED:
        return "call.busy";
    case OD_CAUSE_NO_ANSWER:
    case OD_CAUSE_MACHINE:
        return "call.no_answer";
    case OD_CAUSE_CANCELED:
    case OD_CAUSE_DEADLINE:
        return "call.canceled";
    default:
        return "call.failed";
    }
}

static const char *type_of(const struct event *event)
{
    static const char *const calls[] = {NULL, "call.queued", "call.ringing", "call.answered"};
    static const char *const campaigns[] = {
        "campaign.created",  "campaign.started",  "campaign.paused",  "campaign.resumed",
        "campaign.canceled", "campaign.imported", "campaign.draining"};
    if (event->kind >= 1 && event->kind <= 3)
        return calls[event->kind];
    if (event->kind == KIND_ENDED)
        return ended_type(event->cause);
    if (event->kind == KIND_RETRY)
        return "call.retry";
    if (event->kind >= 10 && event->kind <= KIND_DRAINING)
        return campaigns[event->kind - 10];
    return NULL;
}

/* A JSON string (RFC 8259 section 7). What is not UTF-8 becomes an empty one. */
static void json_text(struct od_buf *buf, const char *text, size_t bytes)
{
    static const char hex[] = "0123456789abcdef";
    od_buf_char(buf, '"');
    if (!od_str_utf8(text, bytes))
        bytes = 0;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            od_buf_char(buf, '\\');
            od_buf_char(buf, (char)c);
        } else if (c < 0x20) {
            od_buf_str(buf, "\\u00");
            od_buf_char(buf, hex[c >> 4]);
            od_buf_char(buf, hex[c & 15]);
        } else {
            od_buf_char(buf, (char)c);
        }
    }
    od_buf_char(buf, '"');
}

static void json_uid(struct od_buf *buf, const char *name, const struct od_uid *uid)
{
    char text[OD_UID_TEXT];
    od_uid_text(uid, text);
    od_buf_str(buf, name);
    json_text(buf, text, strlen(text));
}

static void json_time(struct od_buf *buf, const char *name, int64_t ms)
{
    if (ms <= 0)
        return;
    od_buf_str(buf, name);
    od_buf_u64(buf, (uint64_t)ms);
}

static void json_call(struct od_buf *buf, const struct event *event, const struct od_call_rec *call)
{
    if (call != NULL) {
        od_buf_str(buf, ",\"to\":");
        json_text(buf, call->to, strlen(call->to));
        json_uid(buf, ",\"agent\":", &call->agent);
        if (!od_uid_none(&call->campaign))
            json_uid(buf, ",\"campaign\":", &call->campaign);
        if (call->row != 0) {
            od_buf_str(buf, ",\"row\":");
            od_buf_u64(buf, call->row);
        }
    }
    if (event->kind != KIND_ENDED && event->kind != KIND_RETRY)
        return;
    json_time(buf, ",\"retry_ms\":", event->retry_ms);
    od_buf_str(buf, ",\"cause\":");
    const char *cause = od_cause_name((enum od_cause)event->cause);
    json_text(buf, cause, strlen(cause));
    od_buf_str(buf, ",\"sip_status\":");
    od_buf_u64(buf, event->sip_status);
    if (call != NULL) {
        od_buf_str(buf, ",\"attempts\":");
        od_buf_u64(buf, call->attempts);
        json_time(buf, ",\"created_ms\":", call->created_ms);
        json_time(buf, ",\"dialed_ms\":", call->outcome.dialed_ms);
        json_time(buf, ",\"ringing_ms\":", call->outcome.ringing_ms);
        json_time(buf, ",\"answered_ms\":", call->outcome.answered_ms);
        json_time(buf, ",\"ended_ms\":", call->outcome.ended_ms);
    }
}

bool od_redis_event_read(const struct redisReply *array, size_t at, struct od_event_rec *out,
                         char body[OD_REDIS_EVENT_BODY_MAX])
{
    struct event event;
    memset(out, 0, sizeof *out);
    if (!parse(od_redis_read_text(array, at + 1), &event) || type_of(&event) == NULL)
        return false;
    struct od_text id = od_redis_read_text(array, at);
    od_str_copy(out->id, sizeof out->id, id.at, id.bytes);
    const char *type = type_of(&event);
    od_str_copy(out->type, sizeof out->type, type, strlen(type));

    struct od_buf buf;
    od_buf_init(&buf, body, OD_REDIS_EVENT_BODY_MAX);
    if (event.kind >= 10) {
        json_uid(&buf, "{\"campaign\":", &event.uid);
        if (event.kind == KIND_IMPORTED) {
            od_buf_str(&buf, ",\"added\":");
            od_buf_u64(&buf, event.added);
            od_buf_str(&buf, ",\"twice\":");
            od_buf_u64(&buf, event.twice);
        }
    } else {
        struct od_call_rec call;
        bool known = od_redis_read_call_of(array, at + 2, &event.uid, &call);
        json_uid(&buf, "{\"call\":", &event.uid);
        json_call(&buf, &event, known ? &call : NULL);
    }
    json_time(&buf, ",\"at_ms\":", event.at_ms);
    od_buf_char(&buf, '}');
    if (buf.cut)
        return false;
    out->body = (struct od_text){body, buf.used};
    return true;
}
