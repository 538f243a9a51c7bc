/*
 * conduct - what the engine itself sees to while an outside agent talks: that it begins no earlier
 * than it should, that someone speaks now and then, and that the call's longest time is no
 * surprise. Fed with every 20 ms; pure.
 */
#ifndef ENGINE_AGENT_CONDUCT_H
#define ENGINE_AGENT_CONDUCT_H

#include "engine/agent/agent_features.h"
#include "engine/media/g711.h"

enum { OD_CONDUCT_WARN_MS = 30000, OD_CONDUCT_VOICE_DBOV = 45 };

enum od_conduct_fact {
    OD_CONDUCT_NOTHING,
    OD_CONDUCT_SPEAK,    /* talk first: the delay is over */
    OD_CONDUCT_REMIND,   /* nobody has spoken: `reminder` tells the how manieth time */
    OD_CONDUCT_GIVE_UP,  /* the reminders have brought nothing: end the call */
    OD_CONDUCT_ENDS_SOON /* `left_ms` of the longest time are left */
};

struct od_conduct { /* private but for what the facts name */
    struct od_agent_features features;
    uint64_t frames;       /* since the answer */
    uint64_t quiet_frames; /* since someone spoke */
    uint64_t max_frames;   /* 0: no limit */
    uint32_t reminder;
    uint32_t left_ms;
    uint32_t loud_frames; /* in a row */
    bool told_speak, warned, gave_up;
};

/* max_s: the longest talk; 0: none. */
void od_conduct_init(struct od_conduct *conduct, const struct od_agent_features *features,
                     uint32_t max_s);

/* The agent's audio may go out. */
bool od_conduct_may_speak(const struct od_conduct *conduct);

/* The callee's 20 ms; and a key, which is a sign of life too. */
void od_conduct_heard(struct od_conduct *conduct, const uint8_t ulaw[OD_FRAME_BYTES]);
void od_conduct_key(struct od_conduct *conduct);

/* Each 20 ms, after both sides' frames. agent_talks: it was heard just now. Call again until
 * NOTHING. */
enum od_conduct_fact od_conduct_step(struct od_conduct *conduct, bool agent_talks);
enum od_conduct_fact od_conduct_next(struct od_conduct *conduct);

#endif
