/*
 * ws_frame - WebSocket frames (RFC 6455) as a client sees them: a reader that turns a server's
 * bytes, in pieces as they come, into whole messages, and a writer for the masked frames a client
 * sends. Pure. No extension is spoken.
 *
 * Lifetime: a reader is embedded in its connection; a message is borrowed until the next step.
 */
#ifndef PROTO_WS_WS_FRAME_H
#define PROTO_WS_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/http/http_bytes.h"

/* RFC 6455 section 5.2 */
enum od_ws_op {
    OD_WS_CONTINUATION = 0,
    OD_WS_TEXT = 1,
    OD_WS_BINARY = 2,
    OD_WS_CLOSE = 8,
    OD_WS_PING = 9,
    OD_WS_PONG = 10,
};

/* RFC 6455 section 7.4.1 */
enum od_ws_code {
    OD_WS_NORMAL = 1000,
    OD_WS_GOING_AWAY = 1001,
    OD_WS_PROTOCOL = 1002,
    OD_WS_NO_CODE = 1005, /* never on the wire: the close frame had none */
    OD_WS_BROKEN = 1006,  /* never on the wire: there was no close frame */
    OD_WS_BAD_TEXT = 1007,
    OD_WS_TOO_BIG = 1009,
};

enum { OD_WS_HEAD_MAX = 14, OD_WS_CONTROL_MAX = 125 };

enum od_ws_step {
    OD_WS_MORE,    /* all bytes are used; no message is complete */
    OD_WS_MESSAGE, /* op, at, bytes: a text, a binary, or a control message */
    OD_WS_BAD,     /* the peer broke the rules: `code` and `why` say how; nothing more is read */
};

struct od_ws_reader {
    /* set by the owner */
    size_t message_max; /* bytes of one message */

    /* read by the owner after MESSAGE */
    uint8_t op; /* enum od_ws_op; never CONTINUATION */
    const uint8_t *at;
    size_t bytes;
    uint16_t close_code; /* of CLOSE; its reason is at[2..bytes) when bytes > 2 */

    /* read by the owner after BAD */
    uint16_t code;
    const char *why;

    /* private */
    uint8_t head[OD_WS_HEAD_MAX], head_have;
    uint8_t frame_op, message_op; /* message_op 0: not within a message */
    bool fin, in_payload;
    uint64_t payload_left;
    uint8_t control[OD_WS_CONTROL_MAX], control_have;
    struct od_http_bytes message; /* of a message that came in pieces */
    size_t valid;                 /* bytes of it that were seen to be UTF-8, of a text */
    bool spent;                   /* what message holds was handed out */
};

void od_ws_reader_init(struct od_ws_reader *reader, size_t message_max);
void od_ws_reader_free(struct od_ws_reader *reader);

/* Takes from *data and *bytes, moving them on. */
enum od_ws_step od_ws_reader_step(struct od_ws_reader *reader, const uint8_t **data, size_t *bytes);

/* The head of a whole (FIN) masked frame. Returns its length, at most OD_WS_HEAD_MAX. */
size_t od_ws_head(uint8_t out[OD_WS_HEAD_MAX], enum od_ws_op op, size_t payload_bytes,
                  const uint8_t mask[4]);

/* Masks the payload: RFC 6455 section 5.3. out may be in. */
void od_ws_mask(uint8_t *out, const uint8_t *in, size_t bytes, const uint8_t mask[4]);

#endif
