/*
 * wire_hook_fuzz - a stored row of the outbox is input: a script writes it, another version may
 * have. Whatever the bytes are: no crash, every span of an accepted row lies inside them, and what
 * was accepted says the same when it is written anew, into no more and no fewer bytes than were
 * asked for.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/wire/wire_hook.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(const uint8_t *data, size_t size, struct od_text span)
{
    const uint8_t *at = (const uint8_t *)span.at;
    if (span.bytes && (at < data || span.bytes > size || (size_t)(at - data) > size - span.bytes))
        abort();
}

static void same(struct od_text a, struct od_text b)
{
    if (a.bytes != b.bytes || (a.bytes && memcmp(a.at, b.at, a.bytes) != 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct od_hook_row row, back;
    if (od_wire_hook_get(data, size, &row) != 0)
        return 0;
    inside(data, size, row.state);
    inside(data, size, row.error);
    inside(data, size, row.frozen.method);
    inside(data, size, row.frozen.url);
    inside(data, size, row.frozen.body);
    inside(data, size, row.frozen.type);
    inside(data, size, row.frozen.headers);

    size_t bytes = od_wire_hook_bytes(&row);
    uint8_t *again = malloc(bytes);
    if (!again)
        return 0;
    if (od_wire_hook_put(again, bytes - 1, &row) != OD_ETOOBIG ||
        od_wire_hook_put(again, bytes, &row) != (int)bytes ||
        od_wire_hook_get(again, bytes, &back) != 0)
        abort();
    same(row.state, back.state);
    same(row.error, back.error);
    same(row.frozen.method, back.frozen.method);
    same(row.frozen.url, back.frozen.url);
    same(row.frozen.body, back.frozen.body);
    same(row.frozen.headers, back.frozen.headers);
    if (row.frozen.headers.bytes) /* else nothing is kept of it */
        same(row.frozen.type, back.frozen.type);
    if (row.seq != back.seq || row.due_ms != back.due_ms || row.at_ms != back.at_ms ||
        row.updated_ms != back.updated_ms || row.status != back.status ||
        row.attempts != back.attempts || row.record_bytes != back.record_bytes ||
        memcmp(&row.call, &back.call, sizeof row.call) != 0)
        abort();
    free(again);
    return 0;
}
