/*
 * envelope - a message of audio without its audio: what stands before and behind the payload. A bot
 * sends the same one hundreds of times a second; once understood, it is not parsed again. Also the
 * cutting out of a payload that is too long to be worth a JSON parser's copy. Pure.
 *
 * Lifetime: a stream's; all zero means that none is known.
 */
#ifndef ENGINE_AGENT_ENVELOPE_H
#define ENGINE_AGENT_ENVELOPE_H

#include "outdial/types.h"

enum { OD_ENVELOPE_BYTES = 384 };

struct od_envelope {
    uint16_t before, after; /* bytes of text; before 0: none is known */
    uint8_t codec;          /* enum od_wire_codec of what is in it */
    uint32_t rate;          /* 0: the stream's */
    char text[OD_ENVELOPE_BYTES];
};

/* Where in a message its payload is: a JSON string, its quotes left out. */
struct od_payload {
    const char *at; /* NULL: there is none */
    size_t bytes;
    bool escapes; /* there may be some in it */
};

/* The first string that is the value of a member of that name, anywhere in the message. */
struct od_payload od_envelope_find(const char *text, size_t bytes, const char *member);
/* The same without looking at more than about `around` bytes at either end: the payload begins in
 * the first of them, and ends with the first quote in the last of them. Should there be one before,
 * it is in the payload, which no base64 has. */
struct od_payload od_envelope_find_long(const char *text, size_t bytes, const char *member,
                                        size_t around);

/* What the characters of a payload stand for, up to `room` of them: an escape is read when what it
 * stands for may be base64, others are left as they are; blanks and line ends, which encoders for
 * mail put into it, are left out. Returns their number; *taken: how many were read. */
size_t od_payload_plain(char *out, size_t room, const char *text, size_t chars, size_t *taken);

/* The message's payload when it comes in this envelope; at NULL: it comes in another. */
struct od_payload od_envelope_open(const struct od_envelope *envelope, const char *text,
                                   size_t bytes);

/* Keeps what stands around the payload, unless it is too much. */
void od_envelope_keep(struct od_envelope *envelope, const char *text, size_t bytes,
                      struct od_payload payload);

#endif
