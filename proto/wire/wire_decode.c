/*
 * wire_decode - bytes to structs. What is read was written by us or by anybody with access to the
 * store, so every document is walked once before msgpack-c sees it: declared counts and lengths
 * are held against the bytes there are, nesting against a small limit, and the document has to end
 * where its bytes end. (msgpack-c by itself allocates for the count a header claims.)
 */
#include <msgpack.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/wire/wire.h"

enum { DEPTH_MAX = 4 };

static uint64_t be(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

/* The bytes of the head (type and length) of the value at `at`, the bytes of its body and the
 * number of values inside it; false for a type that no record of ours carries. */
static bool head(const uint8_t *at, size_t left, size_t *head_bytes, uint64_t *body,
                 uint64_t *inside)
{
    uint8_t t = at[0];
    *head_bytes = 1;
    *body = *inside = 0;
    if (t <= 0x7f || t >= 0xe0 || t == 0xc0 || t == 0xc2 || t == 0xc3)
        return true; /* small integer, nil, boolean */
    if (t >= 0xa0 && t <= 0xbf) {
        *body = t & 0x1f; /* fixstr */
        return true;
    }
    if (t >= 0x90 && t <= 0x9f) {
        *inside = t & 0x0f; /* fixarray */
        return true;
    }
    unsigned extra; /* bytes of the length field */
    switch (t) {
    case 0xcc: /* uint 8 */
    case 0xd0: /* int 8 */
        *body = 1;
        return true;
    case 0xcd:
    case 0xd1:
        *body = 2;
        return true;
    case 0xce:
    case 0xd2:
        *body = 4;
        return true;
    case 0xcf:
    case 0xd3:
        *body = 8;
        return true;
    case 0xd9: /* str 8 */
    case 0xc4: /* bin 8 */
        extra = 1;
        break;
    case 0xda:
    case 0xc5:
    case 0xdc: /* array 16 */
        extra = 2;
        break;
    case 0xdb:
    case 0xc6:
    case 0xdd: /* array 32 */
        extra = 4;
        break;
    default: /* maps, floats, extensions */
        return false;
    }
    if (left < 1 + (size_t)extra)
        return false;
    *head_bytes = 1 + extra;
    uint64_t count = be(at + 1, extra);
    if (t == 0xdc || t == 0xdd)
        *inside = count;
    else
        *body = count;
    return true;
}

/* True when the bytes are exactly one well-formed value. */
static bool sound(const uint8_t *at, size_t bytes)
{
    uint64_t due[DEPTH_MAX + 1] = {1}; /* values still to come, per depth */
    unsigned depth = 0;
    while (true) {
        while (due[depth] == 0) {
            if (depth == 0)
                return bytes == 0;
            depth--;
        }
        if (bytes == 0)
            return false;
        size_t head_bytes;
        uint64_t body, inside;
        if (!head(at, bytes, &head_bytes, &body, &inside))
            return false;
        bytes -= head_bytes;
        at += head_bytes;
        if (body > bytes || inside > bytes) /* each value inside takes a byte at least */
            return false;
        bytes -= (size_t)body;
        at += body;
        due[depth]--;
        if (inside > 0) {
            if (depth == DEPTH_MAX)
                return false;
            due[++depth] = inside;
        }
    }
}

/* A document: version byte, then an array of `least` fields or more, up to `count`; those that are
 * missing read as nil. They live in the zone. */
static int open_doc_of(const uint8_t *at, size_t bytes, uint32_t least, uint32_t count,
                       msgpack_zone *zone, const msgpack_object **fields)
{
    if (bytes < 2 || at[0] != OD_WIRE_VERSION || !sound(at + 1, bytes - 1))
        return OD_EPROTO;
    msgpack_object doc;
    size_t off = 0;
    if (msgpack_unpack((const char *)at + 1, bytes - 1, &off, zone, &doc) != MSGPACK_UNPACK_SUCCESS)
        return OD_EPROTO;
    if (doc.type != MSGPACK_OBJECT_ARRAY || doc.via.array.size < least ||
        doc.via.array.size > count)
        return OD_EPROTO;
    *fields = doc.via.array.ptr;
    if (doc.via.array.size == count)
        return 0;
    msgpack_object *all = msgpack_zone_malloc(zone, count * sizeof *all);
    if (all == NULL)
        return OD_ENOMEM;
    memcpy(all, doc.via.array.ptr, doc.via.array.size * sizeof *all);
    for (uint32_t i = doc.via.array.size; i < count; i++)
        all[i] = (msgpack_object){.type = MSGPACK_OBJECT_NIL};
    *fields = all;
    return 0;
}

static int open_doc(const uint8_t *at, size_t bytes, uint32_t count, msgpack_zone *zone,
                    const msgpack_object **fields)
{
    return open_doc_of(at, bytes, count, count, zone, fields);
}

static bool text(const msgpack_object *field, size_t max, struct od_text *out)
{
    *out = (struct od_text){"", 0};
    if (field->type == MSGPACK_OBJECT_NIL)
        return true;
    if (field->type != MSGPACK_OBJECT_STR || field->via.str.size > max)
        return false;
    *out = (struct od_text){field->via.str.ptr, field->via.str.size};
    return true;
}

static bool number(const msgpack_object *field, uint64_t max, uint64_t *out)
{
    if (field->type != MSGPACK_OBJECT_POSITIVE_INTEGER || field->via.u64 > max)
        return false;
    *out = field->via.u64;
    return true;
}

static bool wall_ms(const msgpack_object *field, int64_t *out)
{
    uint64_t value;
    if (!number(field, (UINT64_C(1) << OD_WIRE_TIME_MAX_BITS) - 1, &value))
        return false;
    *out = (int64_t)value;
    return true;
}

const char *od_wire_reason(uint8_t reason)
{
    static const char *const words[] = {
        "",      "hours", "retry", "cap",   "not_before", "paused", "schedule", "draining",
        "route", "rate",  "queue", "store", "busy",       "full",   "slot",     "breaker"};
    return reason < sizeof words / sizeof *words ? words[reason] : "";
}

int od_wire_state_get(const void *bytes_at, size_t bytes, struct od_wire_state *out)
{
    const uint8_t *at = bytes_at;
    if (bytes < OD_WIRE_STATE_BYTES || at[0] != OD_WIRE_VERSION || at[1] >= OD_PHASE_COUNT ||
        at[2] >= OD_CAUSE_COUNT)
        return OD_EPROTO;
    *out = (struct od_wire_state){
        .phase = at[1],
        .cause = at[2],
        .flags = at[3],
        .tries = at[4] >> 4,
        .attempts = (uint16_t)(be(at + 4, 2) & OD_WIRE_ATTEMPTS_MAX),
        .sip_status = (uint16_t)be(at + 6, 2),
        .fence = (uint32_t)be(at + 8, 4),
        .worker = (uint32_t)be(at + 12, 4),
        .lane = (uint32_t)be(at + 16, 4),
        .job_bytes = (uint32_t)be(at + 20, 4),
        .due_ms = (int64_t)be(at + 24, 6),
        .dialed_ms = (int64_t)be(at + 30, 6),
        .ringing_ms = (int64_t)be(at + 36, 6),
        .answered_ms = (int64_t)be(at + 42, 6),
        .ended_ms = (int64_t)be(at + 48, 6),
    };
    if (out->phase != OD_PHASE_ENDED) {
        out->reason = (uint8_t)(out->ended_ms & 0xff);
        out->ended_ms = 0;
    }
    return 0;
}

int od_wire_job_get(const void *at, size_t bytes, struct od_wire_job *out)
{
    memset(out, 0, sizeof *out);
    if (bytes > OD_WIRE_JOB_MAX)
        return OD_EPROTO;
    msgpack_zone zone;
    if (!msgpack_zone_init(&zone, 512))
        return OD_ENOMEM;
    const msgpack_object *f = NULL;
    int err = open_doc_of(at, bytes, 8, 10, &zone, &f);
    if (err == 0 &&
        !(text(&f[0], OD_ENDPOINT_MAX - 1, &out->to) && out->to.bytes > 0 &&
          text(&f[1], OD_ENDPOINT_MAX - 1, &out->from) &&
          text(&f[2], OD_WIRE_DOC_MAX, &out->context) &&
          text(&f[3], OD_WIRE_URL_MAX, &out->webhook_url) && wall_ms(&f[4], &out->created_ms) &&
          wall_ms(&f[5], &out->not_before_ms) && wall_ms(&f[6], &out->deadline_ms) &&
          number(&f[7], UINT64_MAX, &out->row) && text(&f[8], OD_WIRE_DOC_MAX, &out->extra) &&
          text(&f[9], OD_ZONE_MAX - 1, &out->timezone)))
        err = OD_EPROTO;
    msgpack_zone_destroy(&zone);
    return err;
}

int od_wire_retry_get(const void *bytes_at, size_t bytes, struct od_retry *out)
{
    const uint8_t *at = bytes_at;
    memset(out, 0, sizeof *out);
    if (bytes != OD_WIRE_RETRY_BYTES || at[0] > OD_RETRY_ATTEMPTS_MAX)
        return OD_EPROTO;
    out->attempts_max = at[0];
    for (unsigned i = 0; i < OD_CAUSE_COUNT; i++)
        out->after_s[i] = (uint32_t)be(at + 1 + 4 * i, 4);
    return 0;
}

static int entry_get(char type, const uint8_t *at, size_t bytes, struct od_wire_call *out)
{
    msgpack_zone zone;
    if (!msgpack_zone_init(&zone, 512))
        return OD_ENOMEM;
    const msgpack_object *f = NULL;
    uint64_t value = 0;
    bool ok = false;
    int err;
    switch (type) {
    case 'A':
        err = open_doc(at, bytes, 6, &zone, &f);
        ok = err == 0 && number(&f[0], UINT16_MAX, &value) && wall_ms(&f[1], &out->attempt.at_ms) &&
             text(&f[2], OD_NAME_MAX - 1, &out->attempt.trunk) &&
             text(&f[3], 64, &out->attempt.call_id) && text(&f[4], 64, &out->attempt.from_tag) &&
             text(&f[5], 64, &out->attempt.branch);
        out->attempt.number = (uint16_t)value;
        out->has_attempt = ok;
        break;
    case 'B':
        err = open_doc(at, bytes, 5, &zone, &f);
        ok = err == 0 && text(&f[0], OD_NAME_MAX - 1, &out->second.trunk) &&
             text(&f[1], 64, &out->second.call_id) && text(&f[2], 64, &out->second.from_tag) &&
             text(&f[3], 64, &out->second.branch) && text(&f[4], OD_WIRE_LEG_MAX, &out->second.leg);
        break;
    case 'E':
        err = open_doc(at, bytes, 3, &zone, &f);
        ok = err == 0 && number(&f[0], OD_VERDICT_USER, &value) &&
             text(&f[1], OD_NAME_MAX - 1, &out->end.trunk) &&
             text(&f[2], OD_REASON_MAX - 1, &out->end.reason);
        out->end.verdict = (uint8_t)value;
        out->has_end = ok;
        break;
    case 'C':
        err = open_doc(at, bytes, 1, &zone, &f);
        ok = err == 0 && text(&f[0], OD_WIRE_DOC_MAX, &out->job.context);
        break;
    case 'R':
        err = open_doc(at, bytes, 1, &zone, &f);
        ok = err == 0 && text(&f[0], OD_WIRE_DOC_MAX, &out->result);
        break;
    case 'L':
        err = open_doc(at, bytes, 1, &zone, &f);
        ok = err == 0 && text(&f[0], OD_WIRE_LEG_MAX, &out->leg);
        break;
    case 'M':
        err = open_doc(at, bytes, 1, &zone, &f);
        ok = err == 0 && text(&f[0], OD_WIRE_MEDIA_MAX, &out->media);
        break;
    case 'W': /* written by scripts/outbox_turn.lua */
        err = open_doc(at, bytes, 2, &zone, &f);
        ok =
            err == 0 && number(&f[0], 2, &value) && value > 0 && text(&f[1], 255, &out->hook_error);
        out->hook_status = value == 1 ? OD_CALL_HOOK_DELIVERED : OD_CALL_HOOK_FAILED;
        break;
    default:
        err = OD_EPROTO;
    }
    msgpack_zone_destroy(&zone);
    return err != 0 ? err : ok ? 0 : OD_EPROTO;
}

static int entries_get(const uint8_t *at, size_t bytes, struct od_wire_call *out)
{
    int err = 0;
    while (err == 0 && bytes > 0) {
        if (bytes < 5)
            return OD_EPROTO;
        size_t entry_bytes = (size_t)be(at + 1, 4);
        if (entry_bytes > bytes - 5)
            return OD_EPROTO;
        err = entry_get((char)at[0], at + 5, entry_bytes, out);
        at += 5 + entry_bytes;
        bytes -= 5 + entry_bytes;
    }
    return err;
}

int od_wire_told_get(const void *bytes_at, size_t bytes, struct od_wire_call *out)
{
    const uint8_t *at = bytes_at;
    memset(out, 0, sizeof *out);
    char kind = bytes > 0 ? (char)at[0] : '\0';
    /* kind, uid, fence; then number and time, two times, or nothing */
    size_t head = 1 + 16 + 4 + (kind == 'D' ? 2 + 6 : kind == 'P' ? 6 + 6 : 0);
    if (bytes < head || (kind != 'D' && kind != 'P' && kind != 'B'))
        return OD_EPROTO;
    return entries_get(at + head, bytes - head, out);
}

int od_wire_call_get(const void *bytes_at, size_t bytes, struct od_wire_call *out)
{
    const uint8_t *at = bytes_at;
    memset(out, 0, sizeof *out);
    int err = od_wire_state_get(at, bytes, &out->state);
    if (err != 0)
        return err;
    at += OD_WIRE_STATE_BYTES;
    bytes -= OD_WIRE_STATE_BYTES;
    if (out->state.job_bytes > bytes)
        return OD_EPROTO;
    err = od_wire_job_get(at, out->state.job_bytes, &out->job);
    at += out->state.job_bytes;
    bytes -= out->state.job_bytes;
    return err != 0 ? err : entries_get(at, bytes, out);
}
