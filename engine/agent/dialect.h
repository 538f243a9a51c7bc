/*
 * dialect - how a call is spoken about on the wire to an outside agent. There is one inner model,
 * the events and commands below; a dialect is a table that says how each event is written and what
 * each incoming message means. Pure: bytes in, commands out, and the other way round.
 *
 * Formats: reference in README ("Stream agents"). `twilio` is Twilio's Media Streams to the letter;
 * what we add to it (result, transcript, tool_call, hangup, transfer, dtmf) comes from the agent as
 * further events.
 *
 * Lifetime: dialects are static. A command's pointers are borrowed while its function runs.
 */
#ifndef ENGINE_AGENT_DIALECT_H
#define ENGINE_AGENT_DIALECT_H

#include "engine/agent/envelope.h"
#include "outdial/types.h"

enum {
    OD_DIALECT_NAME_MAX = 4096, /* bytes of a mark's name; longer ones are cut */
    OD_DIALECT_RATES = 4,
    /* Bytes of a message that is parsed; a longer one is audio and little else, or bad. */
    OD_DIALECT_PARSED_MAX = 128 * 1024,
};

/* How audio is written; mono. */
enum od_wire_codec {
    OD_WIRE_ULAW,
    OD_WIRE_ALAW,
    OD_WIRE_L16,    /* 16-bit little-endian */
    OD_WIRE_AGREED, /* of a piece of audio: what its stream has */
};

/* What one connection carries, both ways. */
struct od_wire_media {
    uint8_t codec;   /* enum od_wire_codec, not AGREED */
    uint32_t rate;   /* Hz: 8000; of L16 also its multiples up to 48000 */
    uint32_t frames; /* of 20 ms in a message to the agent: 1..OD_WIRE_FRAMES_MAX */
};

enum { OD_WIRE_FRAMES_MAX = 5 };

/* What is told to the agent. */
enum od_stream_event {
    OD_STREAM_OPEN,         /* the connection stands */
    OD_STREAM_START,        /* the callee has answered */
    OD_STREAM_AUDIO,        /* a piece of the callee */
    OD_STREAM_DTMF,         /* the callee pressed a key */
    OD_STREAM_MARK,         /* what was before the mark has been played */
    OD_STREAM_MARK_CLEARED, /* what was before the mark was thrown away by CLEAR, all or in part */
    OD_STREAM_PLAYED,       /* a piece that was sent with a name of its own has been played */
    OD_STREAM_CLEARED,      /* CLEAR was done; after its marks, but for thousands of them */
    OD_STREAM_NOTICE,       /* one of our own words (amd, silence, max_duration, ...) */
    OD_STREAM_TOOL_RESULT,  /* the answer to a TOOL_CALL */
    OD_STREAM_CREDIT,       /* so much more audio may be sent */
    OD_STREAM_STOP,         /* the call is over */
    OD_STREAM_EVENT_COUNT,
};

/* What an event is written with. Texts are never NULL; those that are JSON are inserted as they
 * are. */
struct od_stream_words {
    uint32_t sid;                        /* of formats that carry many calls on one connection */
    const char *account, *call, *stream; /* SIDs */
    const char *call_id;                 /* our UUID */
    const char *from, *to;
    const char *params;  /* JSON: an object of strings */
    const char *details; /* JSON: an object; what the agent should know of call and configuration */
    const char *campaign; /* its id; empty: none */
    uint16_t attempt;     /* on the person, from 1 */
    const char *amd;      /* JSON: an object {mode, kind}: who takes the call, as far as is known */
    uint64_t seq, chunk, ts_ms;
    uint8_t codec; /* enum od_wire_codec; what the connection carries, as are the next two */
    uint32_t rate, ptime_ms;
    const uint8_t *audio; /* in the wire's codec */
    size_t audio_bytes;
    const char *name; /* of a mark; of a notice */
    size_t name_bytes;
    uint64_t played_ms, of_ms; /* MARK_CLEARED: of the audio between this mark and the one before */
    uint64_t credit_ms;        /* CREDIT */
    char digit;
    const char *json;   /* NOTICE, TOOL_RESULT: an object */
    const char *reason; /* STOP */
    uint16_t sip_status;
};

/* What the agent wants. */
enum od_stream_command_kind {
    OD_STREAM_AUDIO_OUT, /* audio; text: its own name, to be told when it was PLAYED, or NULL */
    OD_STREAM_SET_MARK,  /* text: its name */
    OD_STREAM_CLEAR,
    OD_STREAM_CLEAR_MARKS, /* end the marks, play on */
    OD_STREAM_HANGUP,      /* text: reason */
    OD_STREAM_TRANSFER,    /* text: target, or empty; json: the whole order */
    OD_STREAM_SEND_DTMF,   /* text: keys; ms */
    OD_STREAM_TOOL_CALL,   /* text: name; json: {id, name, arguments} */
    OD_STREAM_RESULT,      /* json: an object */
    OD_STREAM_TRANSCRIPT,  /* json: {role, text, ...} or an array of them */
    OD_STREAM_ACCEPT,      /* formats with admission */
    OD_STREAM_REJECT,      /* text: reason; ms: SIP-like code */
    OD_STREAM_HELLO,   /* ms: calls it can take; media; text: what of it can't be had, or empty */
    OD_STREAM_PING,    /* json: NULL; ms: its word */
    OD_STREAM_NOTHING, /* well-formed, and of no meaning to us */
    OD_STREAM_BAD,     /* text: what is wrong */
};

struct od_stream_command {
    uint8_t kind; /* enum od_stream_command_kind */
    uint32_t sid;
    bool base64;       /* AUDIO_OUT: `audio` is text to be decoded */
    bool escapes;      /* AUDIO_OUT: and may have JSON's escapes in it */
    bool stays;        /* AUDIO_OUT: `audio` is there for as long as the message is */
    const char *audio; /* AUDIO_OUT */
    size_t audio_bytes;
    uint32_t audio_rate; /* AUDIO_OUT; 0: the stream's */
    uint8_t audio_codec; /* AUDIO_OUT: enum od_wire_codec */
    const char *text;    /* text_bytes of it; no NUL follows */
    size_t text_bytes;
    const char *json; /* NUL-terminated */
    size_t json_bytes;
    uint32_t ms;
    struct od_wire_media media; /* HELLO */
};

typedef void (*od_stream_command_fn)(void *ctx, const struct od_stream_command *command);

struct od_dialect;

bool od_wire_media_equal(const struct od_wire_media *a, const struct od_wire_media *b);

/* NULL: there is none of that name. */
const struct od_dialect *od_dialect_find(const char *name, size_t bytes);
/* The names, comma-separated. */
const char *od_dialect_names(void);

const char *od_dialect_name(const struct od_dialect *dialect);
const char *od_dialect_subprotocol(const struct od_dialect *dialect); /* NULL: none */
/* What a connection of it carries at that rate, when the agent says nothing else. */
struct od_wire_media od_dialect_media(const struct od_dialect *dialect, uint32_t rate);
uint32_t od_dialect_rate(const struct od_dialect *dialect); /* when nothing else is said */
bool od_dialect_rate_ok(const struct od_dialect *dialect, uint32_t rate);
bool od_dialect_shared(const struct od_dialect *dialect); /* many calls on one connection */
bool od_dialect_bare(const struct od_dialect *dialect);   /* its messages delimit themselves */
bool od_dialect_flow(
    const struct od_dialect *dialect); /* it speaks of credit, overflow, underrun */

/* Room that od_dialect_write() needs for the event. */
size_t od_dialect_room(const struct od_dialect *dialect, enum od_stream_event event,
                       const struct od_stream_words *words);
/* The event as one message. Returns its bytes; 0: the dialect doesn't speak of it. */
size_t od_dialect_write(const struct od_dialect *dialect, enum od_stream_event event,
                        const struct od_stream_words *words, char *out, size_t size, bool *text);

/* Tells what a message means, as one command or none. envelope: the stream's; may be NULL. */
void od_dialect_read(const struct od_dialect *dialect, struct od_envelope *envelope, bool text,
                     const uint8_t *at, size_t bytes, od_stream_command_fn fn, void *ctx);

#endif
