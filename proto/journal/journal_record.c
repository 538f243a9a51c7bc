/*
 * journal_record - see journal_record.h.
 */
#include "proto/journal/journal_record.h"

#include <stdbool.h>
#include <string.h>
#include <zlib.h>

#include "outdial/err.h"

enum { ORDER_HEAD = 1 + 16 + 4, RUN_ID_MAX = 64 };

static void put_le32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get_le32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t get_be(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;
    while (bytes-- > 0)
        value = value << 8 | *at++;
    return value;
}

static void put_be(uint8_t *at, uint64_t value, size_t bytes)
{
    while (bytes-- > 0) {
        at[bytes] = (uint8_t)value;
        value >>= 8;
    }
}

int od_journal_record_put(void *out, size_t size, struct od_text org, struct od_text order)
{
    uint8_t *at = out;
    size_t payload = 2 + org.bytes + order.bytes;
    if (org.bytes >= OD_NAME_MAX || order.bytes == 0 || order.bytes > OD_JOURNAL_ORDER_MAX ||
        size < OD_JOURNAL_HEAD_BYTES + payload)
        return OD_ETOOBIG;
    uint8_t *body = at + OD_JOURNAL_HEAD_BYTES;
    body[0] = OD_JOURNAL_VERSION;
    body[1] = (uint8_t)org.bytes;
    if (org.bytes > 0)
        memcpy(body + 2, org.at, org.bytes);
    memcpy(body + 2 + org.bytes, order.at, order.bytes);
    put_le32(at, (uint32_t)payload);
    put_le32(at + 4, (uint32_t)crc32(0, body, (uInt)payload));
    return (int)(OD_JOURNAL_HEAD_BYTES + payload);
}

size_t od_journal_mark_put(uint8_t out[OD_JOURNAL_MARK_MAX], char kind, const struct od_uid *uid,
                           uint32_t fence, uint16_t number, int64_t at_ms)
{
    out[0] = (uint8_t)kind;
    memcpy(out + 1, uid->b, sizeof uid->b);
    put_be(out + 17, fence, 4);
    put_be(out + ORDER_HEAD, number, 2);
    put_be(out + ORDER_HEAD + 2, (uint64_t)at_ms, 6);
    return OD_JOURNAL_MARK_MAX;
}

/* False: no order that belongs into a journal. */
static bool read_order(struct od_journal_record *out)
{
    const uint8_t *at = (const uint8_t *)out->order.at;
    size_t bytes = out->order.bytes;
    out->kind = (char)at[0];
    if (out->kind == 'R')
        return bytes <= 1 + RUN_ID_MAX;
    if (bytes < ORDER_HEAD || strchr("DPBFSV", out->kind) == NULL || out->org.bytes == 0)
        return false;
    memcpy(out->uid.b, at + 1, sizeof out->uid.b);
    out->fence = (uint32_t)get_be(at + 17, 4);
    if (out->kind == 'P' || out->kind == 'B' || out->kind == 'F')
        return true;
    if (bytes < OD_JOURNAL_MARK_MAX)
        return false;
    out->number = (uint16_t)get_be(at + ORDER_HEAD, 2);
    out->at_ms = (int64_t)get_be(at + ORDER_HEAD + 2, 6);
    return out->number > 0;
}

size_t od_journal_record_get(const void *from, size_t bytes, struct od_journal_record *out)
{
    const uint8_t *at = from, *body = at + OD_JOURNAL_HEAD_BYTES;
    memset(out, 0, sizeof *out);
    if (bytes < OD_JOURNAL_HEAD_BYTES + 3)
        return 0;
    size_t payload = get_le32(at);
    if (payload < 3 || payload > OD_JOURNAL_RECORD_MAX - OD_JOURNAL_HEAD_BYTES ||
        payload > bytes - OD_JOURNAL_HEAD_BYTES ||
        (uint32_t)crc32(0, body, (uInt)payload) != get_le32(at + 4))
        return 0;
    size_t org = body[1];
    if (body[0] != OD_JOURNAL_VERSION || org >= OD_NAME_MAX || payload < 2 + org + 1)
        return 0;
    out->org = (struct od_text){(const char *)body + 2, org};
    out->order = (struct od_text){(const char *)body + 2 + org, payload - 2 - org};
    return read_order(out) ? OD_JOURNAL_HEAD_BYTES + payload : 0;
}
