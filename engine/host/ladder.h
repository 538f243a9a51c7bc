/*
 * ladder - the last lines of each call's life, SIP messages and state changes with their times, for
 * `outdial call trace`. A fixed number of bytes per call in memory, and a ring of calls that ended
 * lately; older ones are forgotten. It never grows. A call's first lines are the ones kept.
 *
 * Lifetime: owned by the host. Text is copied.
 */
#ifndef ENGINE_HOST_LADDER_H
#define ENGINE_HOST_LADDER_H

#include <stdbool.h>

#include "engine/base/str.h"
#include "outdial/types.h"

struct od_ladder;

enum od_ladder_kind {
    OD_LADDER_SENT,     /* a SIP message of ours: its start line */
    OD_LADDER_RECEIVED, /* a SIP message of the peer's */
    OD_LADDER_STEP,     /* a change of state, or what else happened in the call */
};

/* calls_max: as the engine's; ended_max: how many ended calls are kept. OD_ENOMEM. */
int od_ladder_create(struct od_ladder **out, uint32_t calls_max, uint32_t ended_max);
void od_ladder_destroy(struct od_ladder *ladder); /* NULL is fine */

/* A change of state; the words are static. */
struct od_ladder_step {
    const char *from, *event, *to;
    bool second; /* of the call's second leg */
};

/* "ringing -> talking (answer)" */
void od_ladder_step_text(struct od_buf *buf, const struct od_ladder_step *step);

/* Of a call that a step has named. Up to 160 characters of the text are kept. */
void od_ladder_add(struct od_ladder *ladder, struct od_call_id call, int64_t wall_ms,
                   enum od_ladder_kind kind, const char *text);

/* The first step of a call in a slot clears what the slot held before. uid names the call; it may
 * be all zero when only the slot is known (then the slot's call must have been named before). */
void od_ladder_add_step(struct od_ladder *ladder, struct od_call_id call, const struct od_uid *uid,
                        int64_t wall_ms, const struct od_ladder_step *step);

/* The call is over: its lines move to the ring of ended calls. */
void od_ladder_end(struct od_ladder *ladder, struct od_call_id call);

/* A JSON array of {"at":"RFC 3339","kind":"sent|received|step","text":"..."}; bytes written, 0 when
 * the call is not known here. Where lines were not kept the last one says how many; what does not
 * fit is left out line by line. */
size_t od_ladder_json(const struct od_ladder *ladder, const struct od_uid *uid, char *out,
                      size_t size);

#endif
