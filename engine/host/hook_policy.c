/*
 * hook_policy - see the header.
 */
#include "engine/host/hook_policy.h"

enum { MINUTE = 60, HOUR = 3600 };

/* Our own: the schedule that Standard Webhooks proposes, to 75 hours. */
static const uint32_t native_s[] = {5,         5 * MINUTE, 30 * MINUTE, 2 * HOUR,  5 * HOUR,
                                    10 * HOUR, 14 * HOUR,  20 * HOUR,   24 * HOUR, 0};
/* The vendor's: 8 attempts over two days. */
static const uint32_t callingbox_s[] = {1 * MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR,
                                        5 * HOUR,   10 * HOUR,  24 * HOUR,   0};
/* The vendor says that it retries, not how often: 5 attempts over an hour and a half. */
static const uint32_t dasha_s[] = {5, 1 * MINUTE, 10 * MINUTE, 1 * HOUR, 0};

static const struct od_hook_policy policies[OD_HOOK_TO_COUNT] = {
    [OD_HOOK_TO_NATIVE] = {native_s, true, true, true},
    [OD_HOOK_TO_CALLINGBOX] = {callingbox_s, true, false, false},
    [OD_HOOK_TO_DASHA] = {dasha_s, false, false, false},
    [OD_HOOK_TO_POINT_CALLINGBOX] = {callingbox_s, true, false, false},
    [OD_HOOK_TO_POINT_NATIVE] = {native_s, true, true, true},
};

const struct od_hook_policy *od_hook_policy(enum od_hook_to to)
{
    return &policies[(unsigned)to < OD_HOOK_TO_COUNT && to ? to : OD_HOOK_TO_NATIVE];
}

enum od_hook_verdict od_hook_judge(const struct od_hook_policy *policy, int status, bool denied)
{
    if (status >= 200 && status < 300)
        return OD_HOOK_OK;
    if (status == 410 && policy->gone)
        return OD_HOOK_GONE;
    if (denied) /* a rule of the operator's, not a moment's trouble */
        return OD_HOOK_GIVE_UP;
    if (status == 0 || status >= 500 || policy->retry_4xx)
        return OD_HOOK_AGAIN;
    return OD_HOOK_GIVE_UP;
}

uint64_t od_hook_wait_ms(const struct od_hook_policy *policy, unsigned tries, uint64_t floor_ms,
                         uint32_t random)
{
    uint64_t wait_ms = 0;
    for (unsigned i = 0; i < tries; i++) {
        if (!policy->waits_s[i])
            return 0;
        wait_ms = (uint64_t)policy->waits_s[i] * 1000;
    }
    wait_ms = wait_ms * 4 / 5 + random % (wait_ms * 2 / 5 + 1);
    if (floor_ms > (uint64_t)24 * HOUR * 1000)
        floor_ms = (uint64_t)24 * HOUR * 1000;
    if (policy->retry_after && wait_ms < floor_ms)
        wait_ms = floor_ms;
    return wait_ms;
}
