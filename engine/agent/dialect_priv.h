/*
 * dialect_priv - what a dialect's table is made of. Private to engine/agent/dialect*.c.
 *
 * Templates of the JSON dialects are text with places of two characters:
 *   %a account SID       %c call SID          %s stream SID       %i our call id
 *   %f from              %o to                %q sequence number  %k chunk number
 *   %t media time in ms  %R sample rate       %A audio in base64  %n name, as text in JSON
 *   %j name, as it is    %J json              %P parameters, an object of strings
 *   %F the same without its braces, a comma before it if it isn't empty
 *   %H the same as one text "k=v;k2=v2"       %D details, an object
 *   %d key               %m played ms         %M of ms            %r reason
 *   %S SIP status
 */
#ifndef ENGINE_AGENT_DIALECT_PRIV_H
#define ENGINE_AGENT_DIALECT_PRIV_H

#include "engine/agent/dialect.h"
#include "engine/base/str.h"

/* What an incoming JSON message means, by its word. */
struct od_dialect_row {
    const char *word;
    uint8_t command;   /* enum od_stream_command_kind */
    const char *in;    /* the member that holds what follows; NULL: the message itself */
    const char *at;    /* of AUDIO_OUT: the base64; of others: the text. NULL: none is needed */
    bool raw;          /* `at` may be any JSON, and is kept as such */
    const char *queue; /* of AUDIO_OUT: unless this member is true, what was there before goes */
};

struct od_dialect {
    const char *name, *subprotocol;
    uint8_t codec; /* enum od_wire_codec */
    bool binary;   /* audio goes in binary messages */
    bool shared, flow, bare;
    uint32_t frames;
    uint32_t rates[OD_DIALECT_RATES]; /* the first is the default; 0 ends */
    size_t (*write)(const struct od_dialect *dialect, enum od_stream_event event,
                    const struct od_stream_words *words, char *out, size_t size, bool *text);
    void (*read)(const struct od_dialect *dialect, struct od_envelope *envelope, bool text,
                 const uint8_t *at, size_t bytes, od_stream_command_fn fn, void *ctx);

    /* JSON dialects */
    const char *out[OD_STREAM_EVENT_COUNT]; /* NULL: isn't told */
    const char *key;                        /* the member whose text is the word */
    const struct od_dialect_row *rows;      /* a NULL word ends */
};

extern const struct od_dialect od_dialect_msgpack;

size_t od_dialect_json_write(const struct od_dialect *dialect, enum od_stream_event event,
                             const struct od_stream_words *words, char *out, size_t size,
                             bool *text);
void od_dialect_json_read(const struct od_dialect *dialect, struct od_envelope *envelope, bool text,
                          const uint8_t *at, size_t bytes, od_stream_command_fn fn, void *ctx);

size_t od_dialect_msgpack_write(const struct od_dialect *dialect, enum od_stream_event event,
                                const struct od_stream_words *words, char *out, size_t size,
                                bool *text);
void od_dialect_msgpack_read(const struct od_dialect *dialect, struct od_envelope *envelope,
                             bool text, const uint8_t *at, size_t bytes, od_stream_command_fn fn,
                             void *ctx);

/* Text as the inside of a JSON string. */
void od_json_escape(struct od_buf *buf, const char *text, size_t bytes);

#endif
