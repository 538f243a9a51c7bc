/*
 * raw_client - see the header. A message that lies whole in what was read is told from there; only
 * one that comes in pieces is put together.
 */
#include "proto/ws/raw_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/http/http_url.h"
#include "proto/ws/peer_priv.h"
#include "proto/ws/raw_cut.h"

enum { PARTIAL_KEPT = 64 * 1024 }; /* bytes of memory kept from one message to the next */

struct od_raw {
    struct od_peer peer; /* the first member */
    struct od_raw_cut cut;
    struct od_http_bytes partial; /* a message that comes in pieces */
    bool told;                    /* a message was told: its pieces are no more needed */
    uint8_t ping[OD_RAW_PING_MAX];
    size_t ping_bytes;
};

static struct od_raw *raw_of(struct od_peer *peer)
{
    return (struct od_raw *)peer;
}

/* ---- sending ---- */

static int write_message(struct od_peer *peer, bool text, const void *at, size_t bytes)
{
    (void)text;
    return od_peer_write(peer, at, bytes);
}

static int write_ping(struct od_peer *peer)
{
    return od_peer_write(peer, raw_of(peer)->ping, raw_of(peer)->ping_bytes);
}

static void say_goodbye(struct od_peer *peer, uint16_t code, const char *reason)
{
    (void)code;
    (void)reason;
    od_peer_flush(peer);
    peer->stream->ops->shutdown(peer->stream);
}

/* ---- receiving ---- */

/* What the last message was put together in is free for the next. */
static void forget_told(struct od_raw *raw)
{
    if (!raw->told)
        return;
    raw->told = false;
    raw->partial.used = 0;
    if (raw->partial.size > PARTIAL_KEPT)
        od_http_bytes_free(&raw->partial);
}

/* These bytes are a message's, up to its end or its last so far. OD_ENOMEM. */
static int take_piece(struct od_raw *raw, const uint8_t *at, size_t bytes, bool ends)
{
    struct od_http_bytes *partial = &raw->partial;
    bool whole = ends && !partial->used && bytes <= OD_PEER_PIECE_MAX;
    if (!whole && od_http_bytes_add(partial, at, bytes))
        return OD_ENOMEM;
    raw->told = ends;
    if (whole)
        od_peer_message(&raw->peer, false, at, bytes);
    else if (ends)
        od_peer_message(&raw->peer, false, (const uint8_t *)partial->at, partial->used);
    return 0;
}

static enum od_peer_reading read_messages(struct od_peer *peer, const uint8_t **data, size_t *bytes)
{
    struct od_raw *raw = raw_of(peer);
    forget_told(raw);
    /* after leave() nobody listens, and no memory is spent on what comes */
    while (*bytes && peer->state == OD_PEER_OPEN) {
        enum od_raw_step step;
        size_t taken = od_raw_cut_step(&raw->cut, *data, *bytes, &step);
        if (step == OD_RAW_BAD) {
            od_peer_fail(peer, raw->cut.too_big ? OD_ETOOBIG : OD_EPROTO, raw->cut.why);
            return OD_PEER_OVER;
        }
        if (take_piece(raw, *data, taken, step == OD_RAW_MESSAGE)) {
            od_peer_fail(peer, OD_ENOMEM, "no memory");
            return OD_PEER_OVER;
        }
        *data += taken;
        *bytes -= taken;
        if (peer->held || (*bytes && !od_peer_may(peer)))
            return OD_PEER_LATER;
        forget_told(raw);
    }
    return peer->end.why ? OD_PEER_OVER : OD_PEER_ALL;
}

/* Without a goodbye: whoever dies has its connections closed in order, too, by its system. */
static void take_end(struct od_peer *peer, int err)
{
    bool within = raw_of(peer)->cut.used != 0;
    od_peer_fail(peer, OD_EDOWN,
                 err      ? "the connection broke"
                 : within ? "closed in the middle of a message"
                          : "closed without a goodbye");
}

/* ---- opening ---- */

static int begin(struct od_peer *peer, const char **why)
{
    (void)why;
    od_raw_cut_init(&raw_of(peer)->cut, peer->hub->config.message_max);
    od_peer_opened(peer);
    return 0;
}

static void release(struct od_peer *peer)
{
    od_http_bytes_free(&raw_of(peer)->partial);
}

static const struct od_peer_kind kind = {.late = "no connection in time",
                                         .begin = begin,
                                         .read = read_messages,
                                         .ended = take_end,
                                         .message = write_message,
                                         .ping = write_ping,
                                         .goodbye = say_goodbye,
                                         .release = release};

static int read_tcp(const char *text, struct od_http_url *out)
{
    char http[OD_HTTP_HOST_MAX + 32];
    const char *colon = strrchr(text, ':');
    int n = snprintf(http, sizeof http, "http://%s", text);
    /* a port, and nothing behind it; the URL's reader knows what a host is */
    if (strpbrk(text, "/?#@") || !colon || strchr(colon, ']') || n < 0 ||
        (size_t)n >= sizeof http || od_http_url_read(out, http))
        return OD_EINVAL;
    out->target = "";
    out->target_bytes = 0;
    return 0;
}

static int read_unix(const char *path, struct od_http_url *out)
{
    size_t bytes = strlen(path);
    if (path[0] != '/' || bytes < 2 || bytes > OD_RAW_PATH_MAX)
        return OD_EINVAL;
    for (size_t i = 0; i < bytes; i++) {
        if (path[i] <= ' ' || path[i] >= 0x7f)
            return OD_EINVAL;
    }
    *out = (struct od_http_url){.scheme = OD_HTTP_UNIX, .target = ""};
    memcpy(out->host, path, bytes);
    return 0;
}

static int read_url(const char *text, struct od_http_url *out)
{
    if (!strncmp(text, "tcp://", 6))
        return read_tcp(text + 6, out);
    return strncmp(text, "unix://", 7) ? OD_EINVAL : read_unix(text + 7, out);
}

int od_raw_connect(struct od_peer_hub *hub, const struct od_raw_open *open, struct od_peer **out)
{
    struct od_http_url url;
    *out = NULL;
    if (read_url(open->url, &url) || open->ping_bytes > OD_RAW_PING_MAX)
        return OD_EINVAL;
    struct od_raw *raw = hub->closing ? NULL : calloc(1, sizeof *raw);
    if (!raw)
        return OD_ENOMEM;
    memcpy(raw->ping, open->ping, open->ping_bytes);
    raw->ping_bytes = open->ping_bytes;
    *out = &raw->peer;
    od_peer_start(
        hub, &raw->peer, &kind,
        &(struct od_peer_start){.url = &url,
                                .allow_private = open->allow_private || url.scheme == OD_HTTP_UNIX,
                                .gathers = open->gathers,
                                .user = open->user,
                                .ctx = open->ctx});
    return 0;
}
