/*
 * conduct - see conduct.h. The callee speaks when three frames in a row are loud: a click doesn't
 * end a silence.
 */
#include "engine/agent/conduct.h"

#include "engine/media/level.h"

enum { LOUD_FRAMES = 3 };

void od_conduct_init(struct od_conduct *c, const struct od_agent_features *features, uint32_t max_s)
{
    *c = (struct od_conduct){.features = *features,
                             .max_frames = (uint64_t)max_s * 1000 / OD_FRAME_MS};
}

bool od_conduct_may_speak(const struct od_conduct *c)
{
    return !c->features.talk_first || c->frames * OD_FRAME_MS >= c->features.talk_first_delay_ms;
}

static void someone_spoke(struct od_conduct *c)
{
    c->quiet_frames = 0;
}

void od_conduct_key(struct od_conduct *c)
{
    c->reminder = 0;
    someone_spoke(c);
}

void od_conduct_heard(struct od_conduct *c, const uint8_t ulaw[OD_FRAME_BYTES])
{
    if (!c->features.silence)
        return;
    if (od_level_dbov(ulaw, OD_FRAME_BYTES) > OD_CONDUCT_VOICE_DBOV) {
        c->loud_frames = 0;
        return;
    }
    if (++c->loud_frames < LOUD_FRAMES)
        return;
    c->reminder = 0; /* the callee is there: reminders begin anew */
    someone_spoke(c);
}

static enum od_conduct_fact look_at_silence(struct od_conduct *c)
{
    if (!c->features.silence || c->gave_up ||
        c->quiet_frames * OD_FRAME_MS < c->features.silence_ms)
        return OD_CONDUCT_NOTHING;
    c->quiet_frames = 0;
    if (c->reminder < c->features.silence_reminders) {
        c->reminder++;
        return OD_CONDUCT_REMIND;
    }
    if (!c->features.silence_ends)
        return OD_CONDUCT_NOTHING;
    c->gave_up = true;
    return OD_CONDUCT_GIVE_UP;
}

static enum od_conduct_fact look_at_end(struct od_conduct *c)
{
    uint64_t warn = OD_CONDUCT_WARN_MS / OD_FRAME_MS;
    if (!c->max_frames || c->warned)
        return OD_CONDUCT_NOTHING;
    if (warn > c->max_frames / 4) /* of a short call a quarter is warning enough */
        warn = c->max_frames / 4;
    if (c->frames + warn < c->max_frames)
        return OD_CONDUCT_NOTHING;
    c->warned = true;
    c->left_ms = (uint32_t)(warn * OD_FRAME_MS);
    return OD_CONDUCT_ENDS_SOON;
}

enum od_conduct_fact od_conduct_next(struct od_conduct *c)
{
    if (c->features.talk_first && !c->told_speak && od_conduct_may_speak(c)) {
        c->told_speak = true;
        return OD_CONDUCT_SPEAK;
    }
    enum od_conduct_fact fact = look_at_end(c);
    return fact ? fact : look_at_silence(c);
}

enum od_conduct_fact od_conduct_step(struct od_conduct *c, bool agent_talks)
{
    c->frames++;
    c->quiet_frames++;
    if (agent_talks)
        someone_spoke(c);
    return od_conduct_next(c);
}
