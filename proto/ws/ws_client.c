/*
 * ws_client - see the header. The handshake is ws_handshake's, the frames are ws_frame's.
 *
 * Masks must be unpredictable to whoever chooses the payload (RFC 6455 section 10.3); they are
 * taken from the system's generator, a page at a time.
 */
#include "proto/ws/ws_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "engine/base/base64.h"
#include "outdial/err.h"
#include "proto/http/http_response.h"
#include "proto/http/http_text.h"
#include "proto/ws/peer_priv.h"
#include "proto/ws/ws_frame.h"
#include "proto/ws/ws_handshake.h"

struct od_ws {
    struct od_peer peer; /* the first member */
    bool said_goodbye;
    struct od_ws_url url;
    char *headers, *subprotocol;
    char key[OD_WS_KEY_CHARS + 1];
    struct od_http_response response;
    struct od_ws_reader reader;
};

static struct od_ws *ws_of(struct od_peer *peer)
{
    return (struct od_ws *)peer;
}

/* ---- sending ---- */

static int next_mask(struct od_peer_hub *hub, uint8_t mask[4])
{
    if (!hub->masks_left) {
        size_t have = 0;
        while (have < sizeof hub->masks) {
            ssize_t got = getrandom((uint8_t *)hub->masks + have, sizeof hub->masks - have, 0);
            if (got < 0)
                return OD_EIO;
            have += (size_t)got;
        }
        hub->masks_left = OD_PEER_MASKS;
    }
    memcpy(mask, hub->masks[--hub->masks_left], 4);
    return 0;
}

static int write_frame(struct od_ws *ws, enum od_ws_op op, const void *at, size_t bytes)
{
    uint8_t small[2048], mask[4];
    uint8_t *frame = small;
    if (next_mask(ws->peer.hub, mask))
        return OD_EIO;
    if (bytes > sizeof small - OD_WS_HEAD_MAX && !(frame = malloc(bytes + OD_WS_HEAD_MAX)))
        return OD_ENOMEM;
    size_t head = od_ws_head(frame, op, bytes, mask);
    od_ws_mask(frame + head, at, bytes, mask);
    int err = od_peer_write(&ws->peer, frame, head + bytes);
    if (frame != small)
        free(frame);
    return err;
}

static int write_message(struct od_peer *peer, bool text, const void *at, size_t bytes)
{
    return write_frame(ws_of(peer), text ? OD_WS_TEXT : OD_WS_BINARY, at, bytes);
}

static int write_ping(struct od_peer *peer)
{
    return write_frame(ws_of(peer), OD_WS_PING, "", 0);
}

static void say_goodbye(struct od_peer *peer, uint16_t code, const char *reason)
{
    struct od_ws *ws = ws_of(peer);
    uint8_t payload[OD_WS_CONTROL_MAX];
    size_t bytes = strlen(reason);
    if (ws->said_goodbye || !peer->opened || !peer->stream)
        return;
    ws->said_goodbye = true;
    if (bytes > sizeof payload - 2)
        bytes = 0; /* a cut reason might end in half a character */
    payload[0] = (uint8_t)(code >> 8);
    payload[1] = (uint8_t)code;
    memcpy(payload + 2, reason, bytes);
    write_frame(ws, OD_WS_CLOSE, payload, code == OD_WS_NO_CODE ? 0 : bytes + 2);
    od_peer_flush(peer); /* the connection may be shut behind it */
}

/* ---- receiving ---- */

/* The server has closed in order: it gets its code back (RFC 6455 section 5.5.1). */
static void take_close(struct od_ws *ws)
{
    struct od_peer *peer = &ws->peer;
    const struct od_ws_reader *reader = &ws->reader;
    say_goodbye(peer, reader->close_code, "");
    peer->stream->ops->shutdown(peer->stream);
    if (peer->told) { /* the answer to our own goodbye */
        od_peer_free(peer);
        return;
    }
    peer->end.code = reader->close_code;
    if (reader->bytes > 2)
        od_peer_over(peer, 0, (const char *)reader->at + 2, reader->bytes - 2);
    else
        od_peer_over(peer, 0, "", 0);
}

/* False when the connection is not to be read on. */
static bool take_message(struct od_ws *ws)
{
    struct od_peer *peer = &ws->peer;
    const struct od_ws_reader *reader = &ws->reader;
    switch ((enum od_ws_op)reader->op) {
    case OD_WS_TEXT:
    case OD_WS_BINARY:
        od_peer_message(peer, reader->op == OD_WS_TEXT, reader->at, reader->bytes);
        return true;
    case OD_WS_PING:
        /* A peer that pings and reads nothing gets no more answers than fit. */
        if (peer->state == OD_PEER_OPEN && od_peer_queued(peer) < peer->hub->config.queue_max / 2)
            write_frame(ws, OD_WS_PONG, reader->at, reader->bytes);
        return true;
    case OD_WS_PONG:
        return true;
    default:
        take_close(ws);
        return false;
    }
}

static enum od_peer_reading read_frames(struct od_peer *peer, const uint8_t **data, size_t *bytes)
{
    struct od_ws *ws = ws_of(peer);
    for (;;) {
        enum od_ws_step step = od_ws_reader_step(&ws->reader, data, bytes);
        if (step == OD_WS_MORE)
            return OD_PEER_ALL;
        if (step == OD_WS_BAD) {
            if (peer->told) {
                od_peer_free(peer);
                return OD_PEER_OVER;
            }
            say_goodbye(peer, ws->reader.code, "");
            od_peer_fail(peer, ws->reader.code == OD_WS_TOO_BIG ? OD_ETOOBIG : OD_EPROTO,
                         ws->reader.why);
            return OD_PEER_OVER;
        }
        if (!take_message(ws) || peer->end.why)
            return OD_PEER_OVER;
        if (peer->held || (*bytes && !od_peer_may(peer)))
            return OD_PEER_LATER;
    }
}

/* The answer to the upgrade has come as far as its head. */
static void take_answer(struct od_ws *ws, const uint8_t *data, size_t bytes)
{
    struct od_peer *peer = &ws->peer;
    char why[64];
    if (ws->response.status != 101) {
        peer->end.status = ws->response.status;
        snprintf(why, sizeof why, "answered %d to the upgrade", ws->response.status);
        od_peer_fail(peer, OD_EDENIED, why);
        return;
    }
    const char *wrong = od_ws_judge(ws->response.head, ws->key, ws->subprotocol);
    if (wrong) {
        od_peer_fail(peer, OD_EPROTO, wrong);
        return;
    }
    od_http_response_free(&ws->response);
    od_ws_reader_init(&ws->reader, peer->hub->config.message_max);
    od_peer_opened(peer);
    if (bytes && !peer->end.why)
        od_peer_data(peer, data, bytes);
}

static void read_answer(struct od_peer *peer, const uint8_t *data, size_t bytes)
{
    struct od_ws *ws = ws_of(peer);
    const char *text = (const char *)data;
    while (bytes) {
        switch (od_http_response_step(&ws->response, &text, &bytes)) {
        case OD_HTTP_MORE:
            break;
        case OD_HTTP_HEAD:
            take_answer(ws, (const uint8_t *)text, bytes);
            return;
        default:
            od_peer_fail(peer, OD_EPROTO, ws->response.why ? ws->response.why : "no HTTP answer");
            return;
        }
    }
}

static void take_end(struct od_peer *peer, int err)
{
    if (peer->state == OD_PEER_ASKING)
        od_peer_fail(peer, OD_EDOWN,
                     err ? "the connection broke during the upgrade" : "closed with no answer");
    else
        od_peer_fail(peer, OD_EDOWN, "the connection broke");
}

/* ---- opening ---- */

static int ask(struct od_peer *peer, const char **why)
{
    struct od_ws *ws = ws_of(peer);
    char text[OD_WS_REQUEST_MAX];
    od_http_response_init(&ws->response);
    ws->response.upgrade = true;
    int n = od_ws_request_write(&(struct od_ws_request){.url = &ws->url,
                                                        .key = ws->key,
                                                        .user_agent = peer->hub->user_agent,
                                                        .subprotocol = ws->subprotocol,
                                                        .headers = ws->headers},
                                text, sizeof text);
    if (n < 0) {
        *why = "the upgrade request is too long";
        return n;
    }
    uv_buf_t buf = uv_buf_init(text, (unsigned)n);
    int err = peer->stream->ops->write(peer->stream, &buf, 1);
    explicit_bzero(text, sizeof text); /* it may carry a password */
    *why = "the connection broke";
    return err ? OD_EDOWN : 0;
}

static void release(struct od_peer *peer)
{
    struct od_ws *ws = ws_of(peer);
    od_http_response_free(&ws->response);
    od_ws_reader_free(&ws->reader);
    free(ws->headers);
    free(ws->subprotocol);
    explicit_bzero(&ws->url, sizeof ws->url); /* its credentials */
}

static const struct od_peer_kind kind = {.late = "no answer to the upgrade in time",
                                         .begin = ask,
                                         .answer = read_answer,
                                         .read = read_frames,
                                         .ended = take_end,
                                         .message = write_message,
                                         .ping = write_ping,
                                         .goodbye = say_goodbye,
                                         .release = release};

static bool text_copy(char **out, const char *text)
{
    *out = text ? strdup(text) : NULL;
    return *out || !text;
}

static int make_key(struct od_ws *ws)
{
    uint8_t nonce[16];
    if (getrandom(nonce, sizeof nonce, 0) != (ssize_t)sizeof nonce)
        return OD_EIO;
    od_base64_encode(ws->key, nonce, sizeof nonce);
    return 0;
}

static int ws_fill(struct od_ws *ws, const struct od_ws_open *open)
{
    if (od_ws_url_read(&ws->url, open->url) ||
        (open->headers && !od_http_header_lines_ok(open->headers, od_ws_reserved_headers)) ||
        (open->subprotocol && !od_http_is_token(open->subprotocol, strlen(open->subprotocol))))
        return OD_EINVAL;
    if (!text_copy(&ws->headers, open->headers) || !text_copy(&ws->subprotocol, open->subprotocol))
        return OD_ENOMEM;
    return make_key(ws);
}

int od_ws_connect(struct od_peer_hub *hub, const struct od_ws_open *open, struct od_peer **out)
{
    struct od_ws *ws = calloc(1, sizeof *ws);
    *out = NULL;
    if (!ws || hub->closing) {
        free(ws);
        return OD_ENOMEM;
    }
    int err = ws_fill(ws, open);
    if (err) {
        free(ws->headers);
        free(ws->subprotocol);
        free(ws);
        return err;
    }
    *out = &ws->peer;
    od_peer_start(hub, &ws->peer, &kind,
                  &(struct od_peer_start){.url = &ws->url.http,
                                          .allow_private = open->allow_private,
                                          .gathers = open->gathers,
                                          .user = open->user,
                                          .ctx = open->ctx});
    return 0;
}
