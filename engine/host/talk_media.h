/*
 * talk_media - what is learnt and kept of a call's audio besides what the agent does with it: who
 * took the call (engine/media/amd.h), the recording, and the notes of it for the call's record.
 * Private to the talking half of the host.
 *
 * Lifetime: embedded in a session; begin() to end().
 */
#ifndef ENGINE_HOST_TALK_MEDIA_H
#define ENGINE_HOST_TALK_MEDIA_H

#include "engine/agent/agent_def.h"
#include "engine/host/media_leg.h"
#include "engine/host/recordings.h"
#include "engine/media/amd.h"
#include "engine/media/quality.h"

enum { OD_TALK_MEDIA_JSON_MAX = 4096 };

struct od_talk_media {
    struct od_amd *amd;             /* NULL: nobody asked */
    struct od_recording *recording; /* NULL: likewise */
};

/* Listens as the agent's definition asks for; again is fine. What there is no memory for is done
 * without. */
void od_talk_media_begin(struct od_talk_media *media, const struct od_agent_def *def);
void od_talk_media_end(struct od_talk_media *media);

/* The call is answered; it is recorded if the definition says so. */
void od_talk_media_answered(struct od_talk_media *media, const struct od_agent_def *def,
                            struct od_recordings *recordings, const struct od_uid *call);

/* 20 ms of the callee. True: there is a verdict. */
bool od_talk_media_heard(struct od_talk_media *media, const uint8_t ulaw[OD_FRAME_BYTES],
                         struct od_amd_verdict *verdict);

/* The 20 ms that were said to it. */
void od_talk_media_said(struct od_talk_media *media, const uint8_t ulaw[OD_FRAME_BYTES]);

/* How the call sounded so far, here and (from its reports) at the peer's. */
struct od_talk_quality {
    uint32_t mos_100, loss_10k, jitter_us;
    uint32_t far_mos_100, far_loss_10k;
};
struct od_talk_quality od_talk_quality_of(const struct od_media_leg *leg);

/* The notes as a JSON object. Returns its bytes; 0: nothing was noted. */
size_t od_talk_media_write(const struct od_talk_media *media, const struct od_media_leg *leg,
                           char *out, size_t size);

#endif
