/*
 * vendor_status - two tables, by phase and by cause; everything is read out of them.
 */
#include "engine/api/vendor_status.h"

#include <string.h>

#include "engine/base/str.h"

static const struct {
    const char *dasha, *callingbox;
} phases[OD_PHASE_COUNT] = {
    [OD_PHASE_CREATED] = {"Created", "queued"},
    [OD_PHASE_WAITING] = {"Created", "queued"},
    [OD_PHASE_QUEUED] = {"Queued", "queued"},
    [OD_PHASE_START_HOOK] = {"Queued", "queued"},
    [OD_PHASE_DIALING] = {"Pending", "initiated"},
    [OD_PHASE_RINGING] = {"Pending", "ringing"},
    [OD_PHASE_TALKING] = {"InProgress", "in_progress"},
};

static const struct {
    const char *dasha, *callingbox;
    const char *trouble; /* NULL: it went well */
    const char *hangup_cause;
} causes[OD_CAUSE_COUNT] = {
    [OD_CAUSE_NONE] = {"Failed", "failed", "unknown outcome", "unknown_outcome"},
    [OD_CAUSE_COMPLETED] = {"Completed", "completed", NULL, "normal"},
    [OD_CAUSE_MACHINE] = {"Completed", "no_answer", NULL, "voicemail"},
    [OD_CAUSE_BUSY] = {"Failed", "busy", "busy", "busy"},
    [OD_CAUSE_NO_ANSWER] = {"Failed", "no_answer", "no answer", "no_answer"},
    [OD_CAUSE_DECLINED] = {"Failed", "busy", "declined", "declined"},
    [OD_CAUSE_INVALID_NUMBER] = {"Failed", "failed", "invalid number", "invalid_number"},
    [OD_CAUSE_REJECTED] = {"Failed", "failed", "rejected by the carrier", "rejected"},
    [OD_CAUSE_TRUNK_FAILED] = {"Failed", "failed", "the trunk failed", "trunk_failed"},
    [OD_CAUSE_MEDIA_FAILED] = {"Failed", "failed", "the audio failed", "media_failed"},
    [OD_CAUSE_AGENT_FAILED] = {"Failed", "failed", "the agent failed", "agent_failed"},
    [OD_CAUSE_REFUSED] = {"Failed", "failed", "refused", "refused"},
    [OD_CAUSE_CANCELED] = {"Canceled", "canceled", "canceled", "canceled"},
    [OD_CAUSE_DEADLINE] = {"Canceled", "canceled", "the deadline has passed", "deadline"},
    [OD_CAUSE_UNKNOWN] = {"Failed", "failed", "unknown outcome", "unknown_outcome"},
};

static enum od_cause cause_of(const struct od_call_rec *rec)
{
    return (unsigned)rec->outcome.cause < OD_CAUSE_COUNT ? rec->outcome.cause : OD_CAUSE_UNKNOWN;
}

static bool is_live(const struct od_call_rec *rec)
{
    return rec->phase < OD_PHASE_ENDED;
}

const char *od_dasha_status(const struct od_call_rec *rec, bool running_word)
{
    if (!is_live(rec))
        return causes[cause_of(rec)].dasha;
    if (rec->phase == OD_PHASE_TALKING && running_word)
        return "Running";
    return phases[rec->phase].dasha;
}

const char *od_callingbox_status(const struct od_call_rec *rec)
{
    return is_live(rec) ? phases[rec->phase].callingbox : causes[cause_of(rec)].callingbox;
}

static bool same(const char *a, const char *b)
{
    return od_str_equal_nocase(a, strlen(a), b);
}

bool od_dasha_status_add(const char *word, struct od_call_set *set)
{
    bool known = same(word, "Unknown"); /* in the vendor's list; no call of ours has it */
    if (same(word, "Running"))
        word = "InProgress";
    for (unsigned i = 0; i < OD_PHASE_ENDED; i++)
        if (same(word, phases[i].dasha)) {
            set->phases |= 1u << i;
            known = true;
        }
    for (unsigned i = 0; i < OD_CAUSE_COUNT; i++)
        if (same(word, causes[i].dasha)) {
            set->causes |= 1u << i;
            known = true;
        }
    return known;
}

bool od_callingbox_status_add(const char *word, struct od_call_set *set)
{
    bool known = false;
    for (unsigned i = 0; i < OD_PHASE_ENDED; i++)
        if (same(word, phases[i].callingbox)) {
            set->phases |= 1u << i;
            known = true;
        }
    for (unsigned i = 0; i < OD_CAUSE_COUNT; i++)
        if (same(word, causes[i].callingbox)) {
            set->causes |= 1u << i;
            known = true;
        }
    return known;
}

bool od_call_set_has(const struct od_call_set *set, const struct od_call_rec *rec)
{
    return is_live(rec) ? set->phases >> rec->phase & 1 : set->causes >> cause_of(rec) & 1;
}

const char *od_call_trouble(const struct od_call_rec *rec)
{
    return is_live(rec) ? NULL : causes[cause_of(rec)].trouble;
}

const char *od_call_hangup_cause(const struct od_call_rec *rec)
{
    return is_live(rec) ? NULL : causes[cause_of(rec)].hangup_cause;
}
