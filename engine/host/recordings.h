/*
 * recordings - calls written to disk as stereo WAV or Ogg Opus files (8 kHz; left the callee, right
 * the agent) under DATA_DIR/recordings, by a thread of its own: a slow, full or broken disk costs
 * the recording, never a frame of the call. What is on disk is a valid file at any moment: samples
 * are written first, the header that counts them after, once a second.
 *
 * Lifetime: owned by its opener until close()'s callback. A recording is its call's from open() to
 * close(); what it handed over is written after that too. All functions on the loop's thread.
 */
#ifndef ENGINE_HOST_RECORDINGS_H
#define ENGINE_HOST_RECORDINGS_H

#include <uv.h>

#include "engine/media/g711.h"
#include "outdial/types.h"

struct od_recordings;
struct od_recording;

struct od_recordings_stats {
    uint64_t begun, broken; /* broken: something of it could not be written */
    uint64_t dropped;       /* seconds that found the queue full */
    size_t queued_bytes;
};

/* OD_ENOMEM, OD_EIO (the folder can't be made, no thread): `why` says so. */
int od_recordings_open(struct od_recordings **out, uv_loop_t *loop, const char *data_dir, char *why,
                       size_t why_bytes);
/* fn fires when all that was handed over is written or given up. */
void od_recordings_close(struct od_recordings *recordings, void (*fn)(void *ctx), void *ctx);

struct od_recording_how {
    bool opus;    /* else WAV */
    uint8_t part; /* 0: the whole call; else what its agent recorded, 1.. */
};

/* NULL: no memory. The file is named by the call; an earlier one of its name is replaced. */
struct od_recording *od_recording_open(struct od_recordings *recordings, const struct od_uid *call,
                                       struct od_recording_how how);

/* The next 20 ms of the callee; the agent's side is silence until said(). */
void od_recording_heard(struct od_recording *recording, const uint8_t ulaw[OD_FRAME_BYTES]);
void od_recording_said(struct od_recording *recording, const uint8_t ulaw[OD_FRAME_BYTES]);

struct od_recording_facts {
    uint64_t ms;
    bool complete; /* as far as is known yet */
};
struct od_recording_facts od_recording_facts(const struct od_recording *recording);

/* The call is over. NULL is fine. */
void od_recording_close(struct od_recording *recording);

/* A piece of a call's recording, read in a worker thread: at most OD_RECORDING_PIECE bytes. err:
 * OD_ENOENT (there is none), OD_EIO. fn fires once, from the loop. */
enum { OD_RECORDING_PIECE = 128 * 1024 };
typedef void (*od_recording_read_fn)(void *ctx, int err, const uint8_t *bytes, size_t count,
                                     uint64_t total);
/* OD_ENOMEM. */
int od_recordings_read(struct od_recordings *recordings, const struct od_uid *call, uint8_t part,
                       uint64_t at, od_recording_read_fn fn, void *ctx);

void od_recordings_stats(const struct od_recordings *recordings, struct od_recordings_stats *out);

#endif
