/*
 * wire_encode - structs to bytes. msgpack-c's packer writes straight into the caller's memory, so
 * nothing is allocated; what does not fit is noticed once, at the end.
 */
#include "proto/wire/wire.h"

#include <limits.h>
#include <msgpack.h>
#include <string.h>

#include "outdial/err.h"

struct out {
    uint8_t *at;
    size_t size, used;
    bool cut;
    int err;
};

static void put(struct out *out, const void *bytes, size_t count)
{
    if (count > out->size - out->used) {
        out->cut = true;
        return;
    }
    if (count > 0)
        memcpy(out->at + out->used, bytes, count);
    out->used += count;
}

static int put_packed(void *ctx, const char *bytes, size_t count)
{
    put(ctx, bytes, count);
    return 0;
}

static void put_be(struct out *out, uint64_t value, unsigned bytes)
{
    uint8_t be[8];
    if (bytes < 8 && value >> (8 * bytes) != 0)
        out->err = OD_EINVAL;
    for (unsigned i = 0; i < bytes; i++)
        be[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    put(out, be, bytes);
}

static void put_time(struct out *out, int64_t wall_ms)
{
    put_be(out, wall_ms < 0 ? UINT64_MAX : (uint64_t)wall_ms, OD_WIRE_TIME_MAX_BITS / 8);
}

static int done(const struct out *out)
{
    if (out->err != 0)
        return out->err;
    return out->cut || out->used > INT_MAX ? OD_ETOOBIG : (int)out->used;
}

static struct out out_of(void *at, size_t size)
{
    return (struct out){.at = at, .size = size};
}

static void pack_text(msgpack_packer *pk, struct out *out, struct od_text text, size_t max)
{
    if (text.bytes > max) {
        out->cut = true;
        return;
    }
    if (text.bytes == 0) {
        msgpack_pack_nil(pk);
        return;
    }
    msgpack_pack_str(pk, text.bytes);
    msgpack_pack_str_body(pk, text.at, text.bytes);
}

static void pack_time(msgpack_packer *pk, struct out *out, int64_t wall_ms)
{
    if (wall_ms < 0 || wall_ms >> OD_WIRE_TIME_MAX_BITS != 0)
        out->err = OD_EINVAL;
    msgpack_pack_int64(pk, wall_ms);
}

static void put_job(struct out *out, const struct od_wire_job *job)
{
    if (job->to.bytes == 0)
        out->err = OD_EINVAL;
    put_be(out, OD_WIRE_VERSION, 1);
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, put_packed);
    msgpack_pack_array(&pk, 10);
    pack_text(&pk, out, job->to, OD_ENDPOINT_MAX - 1);
    pack_text(&pk, out, job->from, OD_ENDPOINT_MAX - 1);
    pack_text(&pk, out, job->context, OD_WIRE_DOC_MAX);
    pack_text(&pk, out, job->webhook_url, OD_WIRE_URL_MAX);
    pack_time(&pk, out, job->created_ms);
    pack_time(&pk, out, job->not_before_ms);
    pack_time(&pk, out, job->deadline_ms);
    msgpack_pack_uint64(&pk, job->row);
    pack_text(&pk, out, job->extra, OD_WIRE_DOC_MAX);
    pack_text(&pk, out, job->timezone, OD_ZONE_MAX - 1);
}

int od_wire_job_put(void *at, size_t size, const struct od_wire_job *job)
{
    struct out out = out_of(at, size);
    put_job(&out, job);
    return done(&out);
}

int od_wire_state_put(void *at, size_t size, const struct od_wire_state *state)
{
    struct out out = out_of(at, size);
    put_be(&out, OD_WIRE_VERSION, 1);
    put_be(&out, state->phase, 1);
    put_be(&out, state->cause, 1);
    put_be(&out, state->flags, 1);
    put_be(&out, (uint64_t)(state->tries & 15) << 12 | (state->attempts & OD_WIRE_ATTEMPTS_MAX), 2);
    put_be(&out, state->sip_status, 2);
    put_be(&out, state->fence, 4);
    put_be(&out, state->worker, 4);
    put_be(&out, state->lane, 4);
    put_be(&out, state->job_bytes, 4);
    put_time(&out, state->due_ms);
    put_time(&out, state->dialed_ms);
    put_time(&out, state->ringing_ms);
    put_time(&out, state->answered_ms);
    put_time(&out, state->phase == OD_PHASE_ENDED ? state->ended_ms : state->reason);
    return done(&out);
}

/* An entry's length is known only after its body: it is written afterwards, in place. */
static size_t entry_begin(struct out *out, char type)
{
    put(out, &type, 1);
    put_be(out, 0, 4);
    size_t body = out->used;
    put_be(out, OD_WIRE_VERSION, 1);
    return body;
}

static void entry_end(struct out *out, size_t body)
{
    if (out->cut)
        return;
    struct out length = out_of(out->at + body - 4, 4);
    put_be(&length, out->used - body, 4);
}

static void put_attempt(struct out *out, const struct od_wire_attempt *attempt)
{
    size_t body = entry_begin(out, 'A');
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, put_packed);
    msgpack_pack_array(&pk, 6);
    msgpack_pack_uint16(&pk, attempt->number);
    pack_time(&pk, out, attempt->at_ms);
    pack_text(&pk, out, attempt->trunk, OD_NAME_MAX - 1);
    pack_text(&pk, out, attempt->call_id, 64);
    pack_text(&pk, out, attempt->from_tag, 64);
    pack_text(&pk, out, attempt->branch, 64);
    entry_end(out, body);
}

static void put_leg(struct out *out, struct od_text leg)
{
    if (leg.bytes == 0)
        return;
    size_t body = entry_begin(out, 'L');
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, put_packed);
    msgpack_pack_array(&pk, 1);
    pack_text(&pk, out, leg, OD_WIRE_LEG_MAX);
    entry_end(out, body);
}

int od_wire_attempt_put(void *at, size_t size, const struct od_wire_attempt *attempt)
{
    struct out out = out_of(at, size);
    put_attempt(&out, attempt);
    put_leg(&out, attempt->leg);
    return done(&out);
}

static void put_end(struct out *out, const struct od_wire_end *end)
{
    size_t body = entry_begin(out, 'E');
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, put_packed);
    msgpack_pack_array(&pk, 3);
    msgpack_pack_uint8(&pk, end->verdict);
    pack_text(&pk, out, end->trunk, OD_NAME_MAX - 1);
    pack_text(&pk, out, end->reason, OD_REASON_MAX - 1);
    entry_end(out, body);
}

int od_wire_end_put(void *at, size_t size, const struct od_wire_end *end)
{
    struct out out = out_of(at, size);
    put_end(&out, end);
    return done(&out);
}

static void put_document(struct out *out, char entry, struct od_text json, size_t max)
{
    size_t body = entry_begin(out, entry);
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, put_packed);
    msgpack_pack_array(&pk, 1);
    pack_text(&pk, out, json, max);
    entry_end(out, body);
}

static void put_result(struct out *out, struct od_text json)
{
    put_document(out, 'R', json, OD_WIRE_DOC_MAX);
}

static void put_media(struct out *out, struct od_text json)
{
    put_document(out, 'M', json, OD_WIRE_MEDIA_MAX);
}

int od_wire_result_put(void *at, size_t size, struct od_text json)
{
    struct out out = out_of(at, size);
    if (json.bytes == 0)
        return OD_EINVAL;
    put_result(&out, json);
    return done(&out);
}

int od_wire_media_put(void *at, size_t size, struct od_text json)
{
    struct out out = out_of(at, size);
    if (json.bytes == 0)
        return OD_EINVAL;
    put_media(&out, json);
    return done(&out);
}

int od_wire_cap_put(void *at, size_t size, const struct od_cap *cap)
{
    struct out out = out_of(at, size);
    put_be(&out, cap->attempts, 4);
    put_time(&out, cap->window_ms);
    return done(&out);
}

int od_wire_retry_put(void *at, size_t size, const struct od_retry *retry)
{
    struct out out = out_of(at, size);
    put_be(&out, retry->attempts_max, 1);
    for (unsigned i = 0; i < OD_CAUSE_COUNT; i++)
        put_be(&out, retry->after_s[i], 4);
    return done(&out);
}

int od_wire_row_put(void *at, size_t size, const struct od_uid *uid, uint8_t hooks,
                    const struct od_wire_job *job)
{
    struct out out = out_of(at, size);
    put(&out, uid->b, sizeof uid->b);
    put_time(&out, job->not_before_ms);
    put_time(&out, job->deadline_ms);
    put_be(&out, hooks, 1);
    put_be(&out, job->to.bytes, 1);
    put(&out, job->to.at, job->to.bytes);
    put_job(&out, job);
    return done(&out);
}

static struct out order_begin(void *at, size_t size, char kind, const struct od_wire_order *order)
{
    struct out out = out_of(at, size);
    put(&out, &kind, 1);
    put(&out, order->uid.b, sizeof order->uid.b);
    put_be(&out, order->fence, 4);
    return out;
}

static void put_places(struct out *out, const struct od_wire_attempt *attempt)
{
    put_be(out, attempt->place_count, 1);
    for (uint8_t i = 0; i < attempt->place_count; i++) {
        const struct od_place *place = &attempt->places[i];
        size_t bytes = strnlen(place->name, sizeof place->name - 1);
        put_be(out, place->max_calls, 4);
        put_be(out, bytes, 1);
        put(out, place->name, bytes);
    }
}

int od_wire_order_intent(void *at, size_t size, const struct od_wire_order *order,
                         const struct od_wire_attempt *attempt)
{
    struct out out = order_begin(at, size, 'I', order);
    put_be(&out, attempt->number | (attempt->shared ? 0x8000u : 0), 2);
    put_time(&out, attempt->at_ms);
    put_places(&out, attempt);
    put_attempt(&out, attempt);
    put_leg(&out, attempt->leg);
    if (attempt->context.bytes > 0)
        put_document(&out, 'C', attempt->context, OD_WIRE_DOC_MAX);
    return done(&out);
}

int od_wire_reconcile(void *at, size_t size, const struct od_wire_order *order,
                      const struct od_wire_attempt *attempt)
{
    struct out out = order_begin(at, size, attempt->places ? 'C' : 'D', order);
    put_be(&out, attempt->number, 2);
    put_time(&out, attempt->at_ms);
    if (attempt->places)
        put_places(&out, attempt);
    put_attempt(&out, attempt);
    put_leg(&out, attempt->leg);
    return done(&out);
}

int od_wire_order_bury(void *at, size_t size, const struct od_wire_order *order, const char *why)
{
    struct out out = order_begin(at, size, 'X', order);
    put(&out, why, strnlen(why, OD_NAME_MAX - 1));
    return done(&out);
}

int od_wire_order_progress(void *at, size_t size, const struct od_wire_order *order,
                           int64_t ringing_ms, int64_t answered_ms, struct od_text leg)
{
    struct out out = order_begin(at, size, 'P', order);
    put_time(&out, ringing_ms);
    put_time(&out, answered_ms);
    put_leg(&out, leg);
    return done(&out);
}

int od_wire_order_transfer(void *at, size_t size, const struct od_wire_order *order,
                           int64_t ringing_ms, int64_t answered_ms, int64_t at_ms, uint8_t nth)
{
    struct out out = order_begin(at, size, 'T', order);
    put_time(&out, ringing_ms);
    put_time(&out, answered_ms);
    put_time(&out, at_ms);
    put_be(&out, nth, 1);
    return done(&out);
}

int od_wire_order_second(void *at, size_t size, const struct od_wire_order *order,
                         const struct od_wire_attempt *second)
{
    struct out out = order_begin(at, size, 'B', order);
    size_t body = entry_begin(&out, 'B');
    msgpack_packer pk;
    msgpack_packer_init(&pk, &out, put_packed);
    msgpack_pack_array(&pk, 5);
    pack_text(&pk, &out, second->trunk, OD_NAME_MAX - 1);
    pack_text(&pk, &out, second->call_id, 64);
    pack_text(&pk, &out, second->from_tag, 64);
    pack_text(&pk, &out, second->branch, 64);
    pack_text(&pk, &out, second->leg, OD_WIRE_LEG_MAX);
    entry_end(&out, body);
    return done(&out);
}

int od_wire_order_release(void *at, size_t size, const struct od_wire_order *order,
                          int64_t not_before_ms, const char *why)
{
    struct out out = order_begin(at, size, 'L', order);
    put_time(&out, not_before_ms);
    put(&out, why, strnlen(why, OD_NAME_MAX - 1));
    return done(&out);
}

int od_wire_order_finish(void *at, size_t size, const struct od_wire_order *order,
                         const struct od_outcome *outcome, struct od_text trunk,
                         struct od_text result, struct od_text media)
{
    struct out out = order_begin(at, size, 'F', order);
    put_be(&out, (uint64_t)outcome->cause, 1);
    put_be(&out, outcome->sip_status, 2);
    put_time(&out, outcome->dialed_ms);
    put_time(&out, outcome->ringing_ms);
    put_time(&out, outcome->answered_ms);
    put_time(&out, outcome->ended_ms);
    put_time(&out, outcome->retry_ms);
    put_be(&out, outcome->retry_max, 1);
    put_be(&out, outcome->verdict != OD_VERDICT_TRUNK, 1);
    struct od_wire_end end = {
        .verdict = (uint8_t)outcome->verdict,
        .trunk = trunk,
        .reason = {outcome->reason, strnlen(outcome->reason, OD_REASON_MAX - 1)},
    };
    put_end(&out, &end);
    if (result.bytes > 0)
        put_result(&out, result);
    if (media.bytes > 0)
        put_media(&out, media);
    return done(&out);
}
