/*
 * call_wait - see the header. The words are those of the "why" of a call, of which the first is
 * taken.
 */
#include "engine/api/call_wait.h"

#include <string.h>

#include "engine/base/str.h"

/* A whole lane stands still, not this call alone. */
static bool closes_lane(const char *reason)
{
    return strcmp(reason, "schedule") == 0 || strcmp(reason, "disabled agent") == 0 ||
           strcmp(reason, "legal hours") == 0;
}

void od_call_wait(const struct od_api *api, struct od_call_rec *rec)
{
    struct od_api_hold hold;
    if (rec->phase != OD_PHASE_QUEUED || !api->host.holds ||
        !api->host.holds(api->host.ctx, rec, &hold, 1))
        return;
    od_str_copy(rec->wait_reason, sizeof rec->wait_reason, hold.reason, strlen(hold.reason));
    if (hold.until_ms)
        rec->next_ms = hold.until_ms;
    if (closes_lane(hold.reason))
        rec->phase = OD_PHASE_WAITING;
}
