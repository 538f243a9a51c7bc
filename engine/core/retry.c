/*
 * retry - see retry.h. One cap counts all attempts on the person, whatever they ended with: budgets
 * by cause would add up. An attempt that the trunk refused is none on the person; such are bounded
 * by the number of attempts in all.
 */
#include "engine/core/retry.h"

void od_retry_decide(const struct od_retry *rule, const struct od_retry_facts *facts,
                     struct od_outcome *outcome)
{
    bool counts = outcome->verdict != OD_VERDICT_TRUNK;
    unsigned tries = facts->tries + (unsigned)counts;
    int64_t due_ms;

    outcome->retry_ms = 0;
    outcome->retry_max = rule->attempts_max;
    if (outcome->verdict == OD_VERDICT_USER || outcome->cause >= OD_CAUSE_COUNT ||
        !rule->after_s[outcome->cause] || tries >= rule->attempts_max ||
        facts->attempt >= rule->attempts_max * OD_RETRY_TRUNK_FACTOR)
        return;
    due_ms = outcome->ended_ms + (int64_t)rule->after_s[outcome->cause] * 1000;
    if (facts->window.next_ms && due_ms >= facts->window.close_ms && due_ms < facts->window.next_ms)
        due_ms = facts->window.next_ms;
    if (!facts->deadline_ms || due_ms < facts->deadline_ms)
        outcome->retry_ms = due_ms;
}
