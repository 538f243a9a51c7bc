/*
 * agent_def - an agent's JSON document read into what the engine needs to run it: who it is, which
 * trunks it dials through, how long it rings, and the steps of its script. The document itself is
 * stored elsewhere, byte for byte; fields that only an outside agent understands are left alone.
 * Pure: bytes in, struct or problem out. Called by the API when an agent is written and by the host
 * when one is loaded.
 *
 * What is read (product contract, sections 3 and 6):
 *   name                              1..100 characters, required
 *   enabled | isEnabled               false: nothing is dialled for it
 *   number                            caller number or SIP user it calls from
 *   maxDuration | config.features.maxDuration   { isEnabled, maxDurationSeconds }
 *   talkFirst, silenceManagement, ambientNoise   likewise (agent_features.h)
 *   schedule                          when it may dial (agent_rules.h)
 *   outdial.retry                     what is tried again (agent_rules.h)
 *   outdial.trunks                    names, in the order of preference of the host's table
 *   outdial.ring_timeout_s
 *   outdial.amd                       { mode: "async"|"sync"|"off", voicemail?: "hangup"|
 *                                     "leave_message", timeout_ms?, human_as_machine?,
 *                                     machine_as_human?, provisional? }
 *   outdial.record                    true: calls are recorded
 *   outdial.recording                 { format: "wav"|"opus" }: likewise, in that format
 *   outdial.transfer                  how a bot's orders hand on where they don't say (transfer.h);
 *                                     also maxDuration.maxDurationInTransferSeconds
 *   features.transfer | config.features.transfer   whom they hand on to (transfer_plan.h)
 *   voicemail_action                  "hangup" | "leave_message"; turns amd on
 *   ivrDetection | config.features.ivrDetection { isEnabled, forOutbound }; turns amd on
 *   outdial.agent                     { kind: "script", voice?, steps: [ ... ] }, or
 *                                     { kind: "stream", url, ... } (agent_stream.h)
 *
 * Inside `outdial` the reading is strict: unknown keys are refused with the list of the known ones.
 *
 * Lifetime: the struct is immutable and owned by whom parse() gave it to; everything in it dies in
 * destroy().
 */
#ifndef ENGINE_AGENT_AGENT_DEF_H
#define ENGINE_AGENT_AGENT_DEF_H

#include "engine/agent/agent_features.h"
#include "engine/agent/agent_stream.h"
#include "engine/agent/transfer.h"
#include "engine/media/amd.h"
#include "outdial/rules.h"
#include "outdial/types.h"

enum {
    OD_AGENT_DOC_BYTES_MAX = 256 * 1024,
    OD_AGENT_STEPS_MAX = 256,
    OD_AGENT_TEXT_BYTES_MAX = 4000, /* of one say or prompt, before filling in */
    OD_AGENT_DIGITS_MAX = 32,       /* of one gather */
    OD_AGENT_CHOICES_MAX = 64,      /* entries of one map */
    OD_AGENT_URL_MAX = 2048,        /* with NUL */
};

enum od_step_kind {
    OD_STEP_SAY,    /* text */
    OD_STEP_PLAY,   /* text: the file's name */
    OD_STEP_GATHER, /* text: the prompt or NULL; digits, ms, into, finish_key, choices */
    OD_STEP_PAUSE,  /* ms */
    OD_STEP_HANGUP,
    OD_STEP_LABEL,    /* text: a place to go to */
    OD_STEP_GOTO,     /* to */
    OD_STEP_BRANCH,   /* into: the gathered value that decides; cases; to: otherwise */
    OD_STEP_RECORD,   /* the callee, into a file of its own; into: where the result names it */
    OD_STEP_TRANSFER, /* text: whom to hand the callee on to; transfer: how */
    OD_STEP_COUNT,
};

#define OD_STEP_NEXT UINT32_MAX /* as a place to go to: the step that follows */

/* Where a value leads: its text, or its JSON ("true", "5", "null": nothing was gathered). */
struct od_step_case {
    const char *value;
    const char *label;
    uint32_t to;
};

/* What digits mean: { "1": true } is digits "1", json "true". */
struct od_step_choice {
    const char *digits;
    const char *json; /* a scalar as JSON text */
};

struct od_agent_step {
    uint8_t kind;    /* enum od_step_kind */
    char finish_key; /* GATHER: ends the input early, is not part of it; 0: none */
    uint8_t digits;  /* GATHER: 1..OD_AGENT_DIGITS_MAX */
    uint8_t choice_count;
    uint32_t ms; /* PAUSE: how long; GATHER: longest wait for the next digit; RECORD: longest */
    const char *text;                     /* UTF-8 with {{name}} places; see the kinds */
    const char *into;                     /* GATHER, RECORD: key of the result */
    uint32_t quiet_ms;                    /* RECORD: silence that ends it; 0: none does */
    bool beep;                            /* RECORD: a tone says that it begins */
    const struct od_step_choice *choices; /* GATHER: digits not among them stay a string */
    const char *voice;                    /* SAY: NULL: the agent's */
    uint8_t retry;     /* GATHER: so many times more when nothing that fits was gathered */
    const char *label; /* GOTO; otherwise of GATHER and BRANCH; NULL: the next step */
    uint32_t to;       /* the same, resolved */
    uint32_t case_count;
    const struct od_step_case *cases; /* BRANCH */
    struct od_transfer transfer;      /* TRANSFER; label and to: where it goes on when it failed */
    const char *after; /* TRANSFER: where, after the two have talked; NULL: nowhere */
    uint32_t after_to; /* the same, resolved */
};

/* Whether the engine listens for who takes the call (engine/media/amd.h). */
enum od_amd_mode {
    OD_AMD_OFF,
    OD_AMD_ASYNC, /* the agent talks from the answer on */
    OD_AMD_SYNC,  /* the agent talks when it is known that a person listens */
};

enum od_agent_kind {
    OD_AGENT_NONE, /* it names none: the configuration's default, else it can't talk */
    OD_AGENT_SCRIPT,
    OD_AGENT_STREAM,
};

struct od_agent_def {
    char name[OD_AGENT_NAME_MAX];
    bool enabled;
    char number[OD_ENDPOINT_MAX]; /* empty: the trunk's own identity */
    char voice[33];               /* name of the synthesiser's voice */
    uint32_t ring_timeout_s;      /* 0: the trunk's; else 1..600 */
    uint32_t max_duration_s;      /* longest talk; 0: not limited by the agent */
    struct od_hours hours;        /* the schedule; no block: always open */
    bool has_hours;               /* it closes at some time, so hours.zone must exist */
    struct od_retry retry;        /* attempts_max 0: none */
    uint32_t max_calls;           /* at once; 0: no cap of its own */
    uint32_t cps_milli;           /* thousandths of a call per second; 0: no rate of its own */
    uint8_t trunk_count;          /* 0: every trunk */
    char trunks[OD_TRUNKS_PER_LANE][OD_NAME_MAX];
    uint8_t amd_mode;   /* enum od_amd_mode */
    bool leave_message; /* talk to a machine after its beep; else hang up */
    struct od_amd_config amd;
    bool record;      /* both sides, from the answer on */
    bool record_opus; /* as Ogg Opus; else WAV */
    struct od_agent_features features;
    struct od_transfer transfer;   /* how a bot's order hands on, unless it says otherwise */
    struct od_transfer_plan plan;  /* whom to */
    uint8_t kind;                  /* enum od_agent_kind */
    struct od_agent_stream stream; /* STREAM */
    uint32_t step_count;           /* SCRIPT: 1.. */
    const struct od_agent_step *steps;
    bool speaks; /* some step needs speech synthesis */
};

/* Why a document was refused: one line is "POINTER: expected EXPECTED, found FOUND". */
struct od_agent_problem {
    char pointer[160]; /* JSON pointer (RFC 6901); "" is the whole document */
    char expected[192];
    char found[128];
    size_t position; /* byte offset, for text that isn't JSON; else 0 */
};

/* 0 and *out; OD_EINVAL or OD_ETOOBIG and *problem (may be NULL if not wanted); OD_ENOMEM. */
int od_agent_def_parse(const char *json, size_t bytes, struct od_agent_def **out,
                       struct od_agent_problem *problem);
void od_agent_def_destroy(struct od_agent_def *def); /* NULL is fine */

/* The same document read once more, as parse() left it: without a default. OD_ENOMEM. */
int od_agent_def_again(const struct od_agent_def *def, struct od_agent_def **out);

/* The document it was read from, as long as the def; for members that only some readers know. */
struct yyjson_val *od_agent_def_root(const struct od_agent_def *def);

/* The document's `returns` as JSON text, to be freed by the caller; NULL: it promises nothing. */
char *od_agent_def_returns(const struct od_agent_def *def, size_t *bytes);

/* An agent that names no endpoint gets this one: url, format and secrets, whose texts must outlive
 * it. */
void od_agent_def_default(struct od_agent_def *def, const struct od_agent_stream *fallback);

/* The agent must be reached, or asked, before the phone may ring. */
bool od_agent_needs_admission(const struct od_agent_def *def);

/* "say", "play", ...: the step's key in a document. Never NULL. */
const char *od_step_name(enum od_step_kind kind);

#endif
