/*
 * wire_call_fuzz - a stored call's record is input. Whatever the bytes are: no crash, every span
 * of an accepted record lies inside them, and what was accepted is accepted again when it is
 * written anew.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(const uint8_t *data, size_t size, struct od_text span)
{
    if (span.bytes == 0)
        return;
    const uint8_t *at = (const uint8_t *)span.at;
    if (at < data || span.bytes > size || (size_t)(at - data) > size - span.bytes)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct od_wire_call call;
    if (od_wire_call_get(data, size, &call) != 0)
        return 0;
    inside(data, size, call.job.to);
    inside(data, size, call.job.from);
    inside(data, size, call.job.context);
    inside(data, size, call.job.webhook_url);
    inside(data, size, call.attempt.trunk);
    inside(data, size, call.attempt.call_id);
    inside(data, size, call.attempt.from_tag);
    inside(data, size, call.attempt.branch);
    inside(data, size, call.end.trunk);
    inside(data, size, call.end.reason);
    inside(data, size, call.result);
    inside(data, size, call.leg);
    inside(data, size, call.media);

    static uint8_t again[OD_WIRE_JOB_MAX];
    struct od_wire_job back;
    int used = od_wire_job_put(again, sizeof again, &call.job);
    if (used < 0 || od_wire_job_get(again, (size_t)used, &back) != 0)
        abort();
    if (back.row != call.job.row || back.to.bytes != call.job.to.bytes ||
        memcmp(back.to.at, call.job.to.at, back.to.bytes) != 0)
        abort();
    return 0;
}
