/*
 * clock - when frames are due. Pure arithmetic on absolute deadlines, so that a call never drifts:
 * frame k of a stream is due at start + k * 20 ms, whatever happened to the frames before it.
 *
 * Time is cut into slots of OD_CLOCK_SLOT_NS; a slot's phase is its number modulo OD_CLOCK_PHASES.
 * A stream starts at the beginning of a slot and its frames are due in slots of that phase. Streams
 * are spread over the phases, so that a host with many calls works a little in every slot.
 */
#ifndef ENGINE_MEDIA_CLOCK_H
#define ENGINE_MEDIA_CLOCK_H

#include <stdint.h>

#define OD_CLOCK_FRAME_NS UINT64_C(20000000)
#define OD_CLOCK_PHASES 4u
#define OD_CLOCK_SLOT_NS (OD_CLOCK_FRAME_NS / OD_CLOCK_PHASES)

/* At most so many frames are sent at one time when the host is late; the rest are given up. */
enum { OD_CLOCK_BURST_MAX = 3 };

struct od_clock {
    uint64_t start_ns; /* when frame 0 is due: the beginning of a slot */
    uint64_t frames;   /* taken so far, sent or given up: the next frame's number */
};

/* What to do now: give up `skip` frames (their time has passed), then send `send` (0..3). */
struct od_clock_due {
    uint64_t skip;
    uint32_t send;
};

static inline uint32_t od_clock_phase(uint64_t now_ns)
{
    return (uint32_t)(now_ns / OD_CLOCK_SLOT_NS % OD_CLOCK_PHASES);
}

/* Starts at the first slot of the phase that begins after now. phase < OD_CLOCK_PHASES. */
void od_clock_start(struct od_clock *clock, uint64_t now_ns, uint32_t phase);

/* Takes every frame due by now off the count. Called once per slot of the phase, or late. */
struct od_clock_due od_clock_take(struct od_clock *clock, uint64_t now_ns);

#endif
