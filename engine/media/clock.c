/*
 * clock - see clock.h.
 */
#include "engine/media/clock.h"

void od_clock_start(struct od_clock *clock, uint64_t now_ns, uint32_t phase)
{
    uint64_t slot = now_ns / OD_CLOCK_SLOT_NS + 1;
    uint64_t ahead = (phase + OD_CLOCK_PHASES - slot % OD_CLOCK_PHASES) % OD_CLOCK_PHASES;
    clock->start_ns = (slot + ahead) * OD_CLOCK_SLOT_NS;
    clock->frames = 0;
}

struct od_clock_due od_clock_take(struct od_clock *clock, uint64_t now_ns)
{
    struct od_clock_due due = {0, 0};
    if (now_ns < clock->start_ns)
        return due;
    uint64_t total = (now_ns - clock->start_ns) / OD_CLOCK_FRAME_NS + 1;
    if (total <= clock->frames)
        return due;
    uint64_t behind = total - clock->frames;
    due.send = behind < OD_CLOCK_BURST_MAX ? (uint32_t)behind : OD_CLOCK_BURST_MAX;
    due.skip = behind - due.send;
    clock->frames = total;
    return due;
}
