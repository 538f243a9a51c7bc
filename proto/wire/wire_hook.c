/*
 * wire_hook - see the header. Fields of fixed size by hand: the row is written by a script too, and
 * read far more often than it changes.
 */
#include "proto/wire/wire_hook.h"

#include <limits.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/wire/wire.h"

struct cursor {
    const uint8_t *at;
    size_t left;
    bool bad;
};

static uint64_t take(struct cursor *in, unsigned bytes)
{
    uint64_t value = 0;
    if (in->left < bytes) {
        in->bad = true;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | in->at[i];
    in->at += bytes;
    in->left -= bytes;
    return value;
}

static struct od_text take_text(struct cursor *in, unsigned length_bytes, size_t max)
{
    uint64_t bytes = take(in, length_bytes);
    if (in->bad || bytes > in->left || bytes > max) {
        in->bad = true;
        return (struct od_text){"", 0};
    }
    struct od_text text = {(const char *)in->at, (size_t)bytes};
    in->at += bytes;
    in->left -= (size_t)bytes;
    return text;
}

static void take_uid(struct cursor *in, struct od_uid *out)
{
    if (in->left < sizeof out->b) {
        in->bad = true;
        return;
    }
    memcpy(out->b, in->at, sizeof out->b);
    in->at += sizeof out->b;
    in->left -= sizeof out->b;
}

int od_wire_hook_get(const void *at, size_t bytes, struct od_hook_row *out)
{
    struct cursor in = {at, bytes, false};
    memset(out, 0, sizeof *out);
    if (take(&in, 1) != OD_WIRE_VERSION)
        return OD_EPROTO;
    out->status = (uint8_t)take(&in, 1);
    out->event = (uint8_t)take(&in, 1);
    out->to = (uint8_t)take(&in, 1);
    out->attempts = (uint16_t)take(&in, 2);
    out->manual = (uint16_t)take(&in, 2);
    out->http_status = (uint16_t)take(&in, 2);
    out->tries = (uint16_t)take(&in, 2);
    out->seq = (uint32_t)take(&in, 4);
    out->at_ms = (int64_t)take(&in, 6);
    out->due_ms = (int64_t)take(&in, 6);
    out->updated_ms = (int64_t)take(&in, 6);
    take_uid(&in, &out->call);
    take_uid(&in, &out->endpoint);
    out->record_bytes = (uint32_t)take(&in, 4);
    out->state = take_text(&in, 1, 255);
    const struct od_text none = {"", 0};
    out->error = none;
    out->frozen = (struct od_hook_frozen){none, none, none, none, none};
    if (!in.bad && in.left) {
        out->error = take_text(&in, 1, OD_HOOK_ERROR_MAX);
        out->frozen.method = take_text(&in, 1, 16);
        out->frozen.url = take_text(&in, 2, OD_HOOK_URL_MAX);
        out->frozen.body = take_text(&in, 4, OD_HOOK_BODY_MAX);
    }
    if (!in.bad && in.left) {
        out->frozen.type = take_text(&in, 1, UINT8_MAX);
        out->frozen.headers = take_text(&in, 2, UINT16_MAX);
    }
    bool known = out->status <= OD_HOOK_DEAD && out->event > 0 &&
                 out->event < OD_HOOK_EVENT_COUNT && out->to > 0 && out->to < OD_HOOK_TO_COUNT &&
                 out->seq > 0 && out->state.bytes > 0;
    return in.bad || in.left || !known ? OD_EPROTO : 0;
}

static void give(uint8_t **at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        *(*at)++ = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

static void give_text(uint8_t **at, unsigned length_bytes, struct od_text text)
{
    give(at, text.bytes, length_bytes);
    if (text.bytes)
        memcpy(*at, text.at, text.bytes);
    *at += text.bytes;
}

size_t od_wire_hook_bytes(const struct od_hook_row *row)
{
    return OD_WIRE_HOOK_HEAD + row->state.bytes + 1 + row->error.bytes + 1 +
           row->frozen.method.bytes + 2 + row->frozen.url.bytes + 4 + row->frozen.body.bytes +
           (row->frozen.headers.bytes ? 1 + row->frozen.type.bytes + 2 + row->frozen.headers.bytes
                                      : 0);
}

int od_wire_hook_put(void *out, size_t size, const struct od_hook_row *row)
{
    size_t bytes = od_wire_hook_bytes(row);
    if (bytes > size || bytes > INT_MAX || row->state.bytes > 255 ||
        row->error.bytes > OD_HOOK_ERROR_MAX || row->frozen.method.bytes > 16 ||
        row->frozen.url.bytes > OD_HOOK_URL_MAX || row->frozen.body.bytes > OD_HOOK_BODY_MAX ||
        row->frozen.type.bytes > UINT8_MAX || row->frozen.headers.bytes > UINT16_MAX)
        return OD_ETOOBIG;
    uint8_t *at = out;
    give(&at, OD_WIRE_VERSION, 1);
    give(&at, row->status, 1);
    give(&at, row->event, 1);
    give(&at, row->to, 1);
    give(&at, row->attempts, 2);
    give(&at, row->manual, 2);
    give(&at, row->http_status, 2);
    give(&at, row->tries, 2);
    give(&at, row->seq, 4);
    give(&at, (uint64_t)row->at_ms, 6);
    give(&at, (uint64_t)row->due_ms, 6);
    give(&at, (uint64_t)row->updated_ms, 6);
    memcpy(at, row->call.b, sizeof row->call.b);
    at += sizeof row->call.b;
    memcpy(at, row->endpoint.b, sizeof row->endpoint.b);
    at += sizeof row->endpoint.b;
    give(&at, row->record_bytes, 4);
    give_text(&at, 1, row->state);
    give_text(&at, 1, row->error);
    give_text(&at, 1, row->frozen.method);
    give_text(&at, 2, row->frozen.url);
    give_text(&at, 4, row->frozen.body);
    if (row->frozen.headers.bytes) {
        give_text(&at, 1, row->frozen.type);
        give_text(&at, 2, row->frozen.headers);
    }
    return (int)bytes;
}
