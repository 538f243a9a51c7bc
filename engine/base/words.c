/*
 * words - the names of what the shared headers enumerate.
 */
#include <string.h>

#include "outdial/cause.h"
#include "outdial/engine.h"
#include "outdial/err.h"
#include "outdial/repo.h"

const char *od_err_text(int err)
{
    switch ((enum od_err)err) {
    case OD_OK:
        return "ok";
    case OD_EINVAL:
        return "invalid";
    case OD_ENOMEM:
        return "out of memory";
    case OD_ENOENT:
        return "not found";
    case OD_EEXIST:
        return "exists already";
    case OD_ECONFLICT:
        return "conflict with its present state";
    case OD_EDOWN:
        return "not reachable";
    case OD_ETIMEOUT:
        return "no answer in time";
    case OD_ECANCELED:
        return "canceled";
    case OD_EPROTO:
        return "protocol error";
    case OD_EBUSY:
        return "over a limit";
    case OD_EIO:
        return "refused by the operating system";
    case OD_EDENIED:
        return "not allowed";
    case OD_ETOOBIG:
        return "too big";
    }
    return "unknown error";
}

static const char *const causes[OD_CAUSE_COUNT] = {
    [OD_CAUSE_NONE] = "none",
    [OD_CAUSE_COMPLETED] = "completed",
    [OD_CAUSE_MACHINE] = "machine",
    [OD_CAUSE_BUSY] = "busy",
    [OD_CAUSE_NO_ANSWER] = "no_answer",
    [OD_CAUSE_DECLINED] = "declined",
    [OD_CAUSE_INVALID_NUMBER] = "invalid_number",
    [OD_CAUSE_REJECTED] = "rejected",
    [OD_CAUSE_TRUNK_FAILED] = "trunk_failed",
    [OD_CAUSE_MEDIA_FAILED] = "media_failed",
    [OD_CAUSE_AGENT_FAILED] = "agent_failed",
    [OD_CAUSE_REFUSED] = "refused",
    [OD_CAUSE_CANCELED] = "canceled",
    [OD_CAUSE_DEADLINE] = "deadline",
    [OD_CAUSE_UNKNOWN] = "unknown",
};

const char *od_cause_name(enum od_cause cause)
{
    return (unsigned)cause < OD_CAUSE_COUNT ? causes[cause] : "none";
}

enum od_cause od_cause_from_name(const char *name)
{
    for (unsigned cause = 0; cause < OD_CAUSE_COUNT; cause++)
        if (strcmp(causes[cause], name) == 0)
            return (enum od_cause)cause;
    return OD_CAUSE_COUNT;
}

static const char *const phases[OD_PHASE_COUNT] = {
    [OD_PHASE_CREATED] = "created", [OD_PHASE_WAITING] = "waiting",
    [OD_PHASE_QUEUED] = "queued",   [OD_PHASE_START_HOOK] = "start_hook",
    [OD_PHASE_DIALING] = "dialing", [OD_PHASE_RINGING] = "ringing",
    [OD_PHASE_TALKING] = "talking", [OD_PHASE_ENDED] = "ended",
};

const char *od_phase_name(enum od_call_phase phase)
{
    return (unsigned)phase < OD_PHASE_COUNT ? phases[phase] : "none";
}

const char *od_health_name(enum od_health_state state)
{
    static const char *const names[] = {
        [OD_HEALTH_UP] = "up", [OD_HEALTH_PROBING] = "probing", [OD_HEALTH_DOWN] = "down"};
    return (unsigned)state < sizeof names / sizeof *names ? names[state] : "down";
}

const char *od_breaker_axis_name(enum od_breaker_axis axis)
{
    static const char *const names[OD_BREAKER_AXIS_COUNT] = {
        [OD_BREAKER_TRUNK] = "trunk",
        [OD_BREAKER_PREFIX] = "trunk_prefix",
        [OD_BREAKER_CALLER] = "caller",
        [OD_BREAKER_CAMPAIGN] = "campaign",
    };

    return axis < OD_BREAKER_AXIS_COUNT ? names[axis] : "?";
}

const char *od_breaker_state_name(enum od_breaker_state state)
{
    static const char *const names[OD_BREAKER_STATE_COUNT] = {
        [OD_BREAKER_CLOSED] = "closed",
        [OD_BREAKER_HALF_OPEN] = "half_open",
        [OD_BREAKER_OPEN] = "open",
    };

    return state < OD_BREAKER_STATE_COUNT ? names[state] : "?";
}
