/*
 * amd - who or what took the call: a person, an answering machine, a robot that screens calls, a
 * fax, an announcement of the network. Listens to the callee's 20 ms frames and says what it
 * believes, how sure it is and when it knew, as a stream: a later verdict may correct an earlier
 * one. Pure and of fixed size; reads no clock: time is the frames it was given.
 *
 * Two clocks: before the answer (early media) and from the answer on.
 *
 * How: frames become runs of talk and pause (level against a noise floor that is learnt, tones and
 * steady noises left out). A person says little and waits; a greeting goes on. Each moment's odds
 * for a machine come from how much was said and how long the pause has lasted; the verdict falls as
 * soon as being wrong costs less than waiting on, by the costs in the configuration. Tones are
 * told by their kind: a fax's answer, special information tones, and the beep that ends a greeting.
 *
 * Verdicts are of two ranks. A settled one is what the costs ask for: act on it. Before it may come
 * a provisional "human": something short was said and a pause follows that is longer than those
 * inside words. Its confidence is how often it was right on the corpus; the settled verdict
 * confirms or corrects it. Tell it, or greet on it, and undo nothing for it. There is no
 * provisional "machine".
 *
 * The runs are kept: od_amd_rejudge() gives the verdict that other costs would have given.
 */
#ifndef ENGINE_MEDIA_AMD_H
#define ENGINE_MEDIA_AMD_H

#include "engine/base/str.h"
#include "engine/media/beep.h"
#include "engine/media/tone.h"

enum od_amd_kind {
    OD_AMD_UNKNOWN,      /* the time is up and nothing is sure */
    OD_AMD_HUMAN,        /* a person */
    OD_AMD_MACHINE,      /* a recorded greeting */
    OD_AMD_SCREENING,    /* a robot that asks who is calling: it ended and waits, no beep came */
    OD_AMD_FAX,          /* a fax machine or modem */
    OD_AMD_ANNOUNCEMENT, /* the network speaks: special information tones, or early speech */
    OD_AMD_BEEP,         /* the machine records from now on */
    OD_AMD_GREETING_END, /* the greeting has ended without a beep so far */
    OD_AMD_KINDS,
};

const char *od_amd_kind_name(enum od_amd_kind kind); /* "human", ...; never NULL */

struct od_amd_config {
    uint16_t human_as_machine; /* what it costs to take a person for a machine, 1.. */
    uint16_t machine_as_human; /* and the other way round, 1.. */
    uint16_t timeout_ms;       /* after the answer; nothing sure by then: unknown */
    uint8_t provisional;       /* percent of confidence that a provisional verdict needs, 50..100;
                                  100: none is said */
};

#define OD_AMD_CONFIG_DEFAULT                                                                      \
    {                                                                                              \
        .human_as_machine = 120, .machine_as_human = 5, .timeout_ms = 5000, .provisional = 75      \
    }

struct od_amd_verdict {
    uint8_t kind;       /* enum od_amd_kind */
    uint8_t confidence; /* percent */
    bool early;         /* at_ms counts from the first early frame, else from the answer */
    bool settled;       /* not provisional */
    uint32_t at_ms;
};

enum {
    OD_AMD_HISTORY = 512, /* frames that are looked back at: 10 s */
    OD_AMD_RUNS_MAX = 24, /* kept for the record */
    OD_AMD_VERDICTS_MAX = 6,
    OD_AMD_TONES_MAX = 6,
    OD_AMD_JSON_MAX = 1024, /* what od_amd_write() needs at most */
};

struct od_amd { /* private */
    struct od_amd_config config;
    struct od_tone tone;
    struct od_beep beep;
    uint32_t frames; /* on the present clock */
    bool answered;
    bool decided; /* human, machine, fax or announcement was said, and settled */
    bool guessed; /* a provisional verdict was said */
    uint8_t kind; /* what was said last of these */
    bool ended;   /* beep or end of the greeting was said */

    /* the frames of this clock, up to OD_AMD_HISTORY */
    uint8_t level[OD_AMD_HISTORY]; /* -dBov */
    uint8_t mark[OD_AMD_HISTORY];  /* enum mark */
    uint16_t by_level[128];        /* how many frames of each level */
    uint8_t smooth[16];            /* latest levels, averaged over three */

    uint32_t talk_last;  /* frame of the latest talk */
    uint32_t fax_frames; /* of 2100 Hz in a row */
    uint8_t sit;         /* how many of the three tones have come */
    uint32_t sit_end;
    uint8_t floor;

    struct od_amd_verdict verdicts[OD_AMD_VERDICTS_MAX];
    uint8_t verdict_count;
    struct od_tone_run tones[OD_AMD_TONES_MAX];
    uint8_t tone_count;
    uint8_t run_count;
    uint16_t runs_ms[OD_AMD_RUNS_MAX]; /* pause, talk, pause, ...: of the answered call */
    uint32_t early_ms, early_talk_ms;
};

void od_amd_init(struct od_amd *amd, const struct od_amd_config *config);

/* The call was answered: the second clock starts. */
void od_amd_answer(struct od_amd *amd);

/* The next 20 ms of the callee. True and *out when there is something to say. */
bool od_amd_frame(struct od_amd *amd, const uint8_t ulaw[OD_FRAME_BYTES],
                  struct od_amd_verdict *out);

/* "human", "machine", ...: what is believed at last, provisionally or not, for the call's record;
 * "" when nothing is. */
const char *od_amd_answered_by(const struct od_amd *amd);

/* Writes what was heard and said as a JSON object. */
void od_amd_write(const struct od_amd *amd, struct od_buf *out);

/* The settled verdict of these costs on recorded runs (pause, talk, pause, ..., in ms). */
struct od_amd_verdict od_amd_rejudge(const struct od_amd_config *config, const uint16_t *runs_ms,
                                     size_t count);

#endif
