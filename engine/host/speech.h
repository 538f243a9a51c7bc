/*
 * speech - texts and files turned into clips: synthesised by a child process (synth.h), resampled
 * in a worker thread, kept in memory (bounded, least recently used goes first) and on disk under
 * DATA_DIR/speech, where each file is named by the hash of voice and text. WAV files to be played
 * come from DATA_DIR/audio. The loop's thread never waits for any of it.
 *
 * Equal texts asked for at the same time are synthesised once. At most children_max synthesisers
 * run at once; what an answered call waits for goes before what is prepared while a phone rings.
 *
 * Lifetime: owned by its opener until close()'s callback. A request lives until its callback fires
 * or forget() is called.
 */
#ifndef ENGINE_HOST_SPEECH_H
#define ENGINE_HOST_SPEECH_H

#include <uv.h>

#include "engine/host/clip.h"
#include "outdial/types.h"

struct od_speech;
struct od_speech_request;

struct od_speech_config {
    uv_loop_t *loop;
    const char *data_dir;  /* copied */
    const char *program;   /* NULL: "espeak-ng" */
    size_t memory_max;     /* bytes of clips kept; 0: 64 MiB */
    uint64_t disk_max;     /* bytes of speech kept on disk; 0: 256 MiB */
    uint32_t children_max; /* 0: 4 */
    uint32_t timeout_ms;   /* of one synthesis; 0: 10,000 */
};

/* err 0: clip is the receiver's to release; else why is a line for people. Fires at most once,
 * never from inside a function of this header. */
typedef void (*od_speech_fn)(void *ctx, int err, struct od_clip *clip, const char *why);

struct od_speech_ask {
    const char *file; /* a plain name in DATA_DIR/audio; NULL: say the text */
    const char *voice;
    const char *text;
    size_t bytes;
    bool urgent; /* somebody is on the line */
    od_speech_fn fn;
    void *ctx;
};

struct od_speech_stats {
    uint64_t asked, from_memory, from_disk, synthesised, failed;
    size_t memory_bytes;
    uint32_t queued, children;
};

/* OD_ENOMEM; OD_EIO: the folders can't be made, `why` says so. */
int od_speech_open(struct od_speech **out, const struct od_speech_config *config, char *why,
                   size_t why_bytes);
/* Ends children, fires no callback of a request any more; fn fires when all handles are closed. */
void od_speech_close(struct od_speech *speech, void (*fn)(void *ctx), void *ctx);

/* Either *clip (to be released, no callback follows) when it is at hand, or *request. Texts and
 * names are copied. OD_ENOMEM; OD_EINVAL: a file name that is more than a name. */
int od_speech_ask(struct od_speech *speech, const struct od_speech_ask *ask, struct od_clip **clip,
                  struct od_speech_request **request);
void od_speech_hurry(struct od_speech_request *request); /* it has become urgent */
void od_speech_forget(struct od_speech_request *request);

/* False with a line for the operator when the synthesiser isn't installed. */
bool od_speech_able(const struct od_speech *speech, char *why, size_t why_bytes);

void od_speech_stats(const struct od_speech *speech, struct od_speech_stats *out);

#endif
