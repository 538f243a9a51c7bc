/*
 * peer - see the header. A connection goes dialling -> asking (its kind's handshake) -> open ->
 * ending. One deadline per connection serves each state: opening, the next ping, the goodbye.
 */
#include "proto/ws/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "outdial/err.h"
#include "proto/ws/peer_priv.h"

enum {
    CONNECT_MS = 5000,
    OPEN_MS = 10000,
    PING_MS = 10000,
    DEAD_MS = 30000,
    GOODBYE_MS = 3000, /* for the agent to close after our goodbye */
    MESSAGE_MAX = 16 * 1024 * 1024,
    QUEUE_MAX = 4 * 1024 * 1024,
    DNS_TTL_MS = 30000,
    UNSENT_BYTES = 16 * 1024, /* in the kernel: beyond, they are queued here, where it shows */
    READ_BYTES = 16 * 1024, /* what is read before it is asked again whether there is time for it */
    SHARE_ALL_US = 4000,    /* a fifth of a frame's time */
    SHARE_EACH_US = 500,
    GATHERED_MAX = 32 * 1024, /* more is not waited for */
};

enum { LANE_OPEN, LANE_PING, LANE_GOODBYE };

static void settle(struct od_peer_hub *hub);

/* ---- the end of a connection ---- */

void od_peer_free(struct od_peer *peer)
{
    struct od_peer_hub *hub = peer->hub;
    od_list_remove(&peer->place);
    od_list_remove(&peer->waiting);
    od_http_deadline_stop(&peer->deadline);
    od_http_later_cancel(&peer->later);
    od_http_later_cancel(&peer->flush);
    od_http_bytes_free(&peer->gathered);
    od_http_bytes_free(&peer->unread);
    if (peer->dial)
        od_http_dial_cancel(peer->dial);
    if (peer->stream)
        od_http_stream_abandon(peer->stream);
    peer->kind->release(peer);
    free(peer);
    hub->stats.open--;
    settle(hub);
}

static void keep_why(struct od_peer *peer, const char *why, size_t bytes)
{
    size_t used = 0;
    for (size_t i = 0; i < bytes && used + 1 < sizeof peer->why; i++)
        peer->why[used++] = (unsigned char)why[i] < ' ' || why[i] == 0x7f ? '?' : why[i];
    peer->why[used] = 0;
}

void od_peer_over(struct od_peer *peer, int err, const char *why, size_t why_bytes)
{
    if (peer->told || peer->end.why)
        return;
    keep_why(peer, why, why_bytes);
    peer->end.err = err;
    peer->end.why = peer->why;
    peer->end.opened = peer->opened;
    peer->hub->stats.failed += err != 0;
    peer->state = OD_PEER_ENDING;
    od_http_later_put(&peer->hub->laters, &peer->later);
}

void od_peer_fail(struct od_peer *peer, int err, const char *why)
{
    od_peer_over(peer, err, why, strlen(why));
}

/* ---- sending ---- */

static int hand_over(struct od_peer *peer, const void *at, size_t bytes)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)at, (unsigned)bytes);
    peer->hub->stats.writes++;
    return peer->stream->ops->write(peer->stream, &buf, 1) ? OD_ENOMEM : 0;
}

int od_peer_flush(struct od_peer *peer)
{
    od_http_later_cancel(&peer->flush);
    int err = peer->gathered.used ? hand_over(peer, peer->gathered.at, peer->gathered.used) : 0;
    peer->gathered.used = 0;
    return err;
}

static int gather(struct od_peer *peer, const void *at, size_t bytes)
{
    if (od_http_bytes_add(&peer->gathered, at, bytes))
        return OD_ENOMEM;
    if (peer->gathered.used > GATHERED_MAX)
        return od_peer_flush(peer);
    od_http_later_put(&peer->hub->flushes, &peer->flush);
    return 0;
}

static void flush_later(void *ctx, struct od_http_later *entry)
{
    struct od_peer *peer = OD_OWNER(entry, struct od_peer, flush);
    (void)ctx;
    if (od_peer_flush(peer))
        od_peer_fail(peer, OD_ENOMEM, "no memory");
}

int od_peer_write(struct od_peer *peer, const void *at, size_t bytes)
{
    /* Who makes us say a thousand things at once doesn't make us write a thousand times. */
    bool more = peer->sent_turn == peer->hub->share.turn || peer->gathered.used;
    peer->sent_turn = peer->hub->share.turn;
    peer->hub->stats.sent_bytes += bytes;
    return peer->gathers || more ? gather(peer, at, bytes) : hand_over(peer, at, bytes);
}

size_t od_peer_queued(const struct od_peer *peer)
{
    return peer->stream ? od_http_stream_queued(peer->stream) + peer->gathered.used : 0;
}

int od_peer_send(struct od_peer *peer, bool text, const void *at, size_t bytes)
{
    if (peer->state != OD_PEER_OPEN)
        return OD_ENOENT;
    if (od_peer_queued(peer) + bytes > peer->hub->config.queue_max) {
        od_peer_fail(peer, OD_ETIMEOUT, "the agent takes no more bytes");
        return OD_EBUSY;
    }
    int err = peer->kind->message(peer, text, at, bytes);
    if (err)
        od_peer_fail(peer, err, "no memory");
    peer->hub->stats.sent++;
    return err;
}

void od_peer_leave(struct od_peer *peer, uint16_t code, const char *reason)
{
    peer->told = true;
    peer->user = NULL;
    od_http_later_cancel(&peer->later);
    if (!peer->opened || !peer->stream || peer->end.err) {
        od_peer_free(peer);
        return;
    }
    peer->kind->goodbye(peer, code, reason);
    peer->state = OD_PEER_ENDING;
    peer->held = false;
    od_http_deadline_start(&peer->hub->deadlines, &peer->deadline, LANE_GOODBYE, GOODBYE_MS);
}

/* ---- receiving ---- */

void od_peer_opened(struct od_peer *peer)
{
    struct od_peer_hub *hub = peer->hub;
    peer->state = OD_PEER_OPEN;
    peer->opened = true;
    peer->sent_turn = UINT64_MAX;
    peer->heard_ms = uv_now(hub->loop);
    hub->stats.opened++;
    od_http_deadline_start(&hub->deadlines, &peer->deadline, LANE_PING, hub->config.ping_ms);
    peer->user->opened(peer->ctx);
}

void od_peer_message(struct od_peer *peer, bool text, const uint8_t *at, size_t bytes)
{
    if (peer->state != OD_PEER_OPEN)
        return;
    peer->hub->stats.received++;
    bool held = !peer->user->message(peer->ctx, text, at, bytes);
    peer->held = held && peer->state == OD_PEER_OPEN;
    OD_ASSERT(!peer->held || bytes > OD_PEER_PIECE_MAX);
}

bool od_peer_may(struct od_peer *peer)
{
    return od_turn_may(&peer->hub->share, &peer->part, peer->hub->config.clock_ns());
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

static void wait_for_turn(struct od_peer *peer)
{
    od_list_push(&peer->hub->waiting, &peer->waiting);
    uv_idle_start(&peer->hub->idle, on_idle);
}

void od_peer_data(struct od_peer *peer, const uint8_t *data, size_t bytes)
{
    bool waits = !od_list_empty(&peer->waiting);
    enum od_peer_reading reading = OD_PEER_LATER;
    if (!waits && od_peer_may(peer))
        reading = peer->kind->read(peer, &data, &bytes);
    if (reading != OD_PEER_LATER)
        return;
    if (od_http_bytes_add(&peer->unread, data, bytes)) {
        od_peer_fail(peer, OD_ENOMEM, "no memory");
        return;
    }
    if (waits)
        return;
    peer->stream->ops->read_stop(peer->stream);
    wait_for_turn(peer);
}

/* A connection that waited has its turn. */
static void go_on(struct od_peer *peer)
{
    peer->heard_ms = uv_now(peer->hub->loop);
    while (peer->held) {
        peer->held = !peer->user->go_on(peer->ctx);
        if (peer->end.why)
            return;
        if (!od_peer_may(peer)) {
            wait_for_turn(peer);
            return;
        }
    }
    size_t bytes = peer->unread.used - peer->unread_at;
    const uint8_t *data = bytes ? (const uint8_t *)peer->unread.at + peer->unread_at : NULL;
    enum od_peer_reading reading =
        bytes ? peer->kind->read(peer, &data, &bytes) : OD_PEER_ALL; /* it was held back alone */
    if (reading == OD_PEER_LATER) {
        peer->unread_at = peer->unread.used - bytes;
        wait_for_turn(peer);
    } else if (reading == OD_PEER_ALL) {
        od_http_bytes_free(&peer->unread);
        peer->unread_at = 0;
        peer->stream->ops->read_start(peer->stream);
    }
}

/* Those that waited come first, as far as there is time; one that needs more is the last then. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct od_peer_hub *hub = prepare->data;
    struct od_list *last = hub->waiting.prev;
    od_turn_next(&hub->share);
    for (bool more = true; more && !od_list_empty(&hub->waiting);) {
        struct od_list *node = od_list_first(&hub->waiting);
        struct od_peer *peer = OD_OWNER(node, struct od_peer, waiting);
        if (!od_peer_may(peer))
            return;
        more = node != last;
        od_list_remove(node);
        if (!peer->end.why)
            go_on(peer);
    }
    if (od_list_empty(&hub->waiting))
        uv_idle_stop(&hub->idle);
}

static void stream_data(void *ctx, const char *data, size_t bytes)
{
    struct od_peer *peer = ctx;
    peer->heard_ms = uv_now(peer->hub->loop);
    peer->hub->stats.received_bytes += bytes;
    if (peer->end.why)
        return;
    if (peer->state == OD_PEER_ASKING)
        peer->kind->answer(peer, (const uint8_t *)data, bytes);
    else
        od_peer_data(peer, (const uint8_t *)data, bytes);
}

static void stream_end(void *ctx, int err)
{
    struct od_peer *peer = ctx;
    if (peer->told)
        od_peer_free(peer);
    else
        peer->kind->ended(peer, err);
}

static void stream_drained(void *ctx)
{
    struct od_peer *peer = ctx;
    if (peer->state == OD_PEER_OPEN && peer->user->drained)
        peer->user->drained(peer->ctx);
}

static void stream_closed(void *ctx)
{
    (void)ctx; /* streams are abandoned */
}

static const struct od_http_stream_user stream_user = {
    .data = stream_data, .end = stream_end, .drained = stream_drained, .closed = stream_closed};

/* ---- opening ---- */

static void on_dialed(void *ctx, int err, struct od_http_stream *stream, const char *why)
{
    struct od_peer *peer = ctx;
    peer->dial = NULL;
    if (err) {
        od_peer_fail(peer, err, why);
        return;
    }
    peer->stream = stream;
    stream->user = &stream_user;
    stream->ctx = peer;
    peer->state = OD_PEER_ASKING;
    err = peer->kind->begin(peer, &why);
    if (err)
        od_peer_fail(peer, err, why);
    else
        stream->ops->read_start(stream);
}

void od_peer_start(struct od_peer_hub *hub, struct od_peer *peer, const struct od_peer_kind *kind,
                   const struct od_peer_start *start)
{
    const char *why = "";
    peer->kind = kind;
    peer->hub = hub;
    peer->user = start->user;
    peer->ctx = start->ctx;
    peer->gathers = start->gathers;
    od_list_init(&peer->place);
    od_list_init(&peer->waiting);
    od_list_push(&hub->all, &peer->place);
    hub->stats.open++;
    hub->stats.connects++;
    od_http_deadline_start(&hub->deadlines, &peer->deadline, LANE_OPEN, hub->config.open_ms);
    int err = od_http_dial_start(&hub->dialer, start->url, start->allow_private, on_dialed, peer,
                                 &peer->dial, &why);
    if (err) {
        peer->dial = NULL;
        od_peer_fail(peer, err, why);
    }
}

/* ---- time ---- */

static void expired(void *ctx, struct od_http_deadline *entry)
{
    struct od_peer_hub *hub = ctx;
    struct od_peer *peer = OD_OWNER(entry, struct od_peer, deadline);
    uint64_t now_ms = uv_now(hub->loop);
    char why[48];
    if (peer->told) { /* the agent never closed */
        od_peer_free(peer);
    } else if (peer->state == OD_PEER_DIALING || peer->state == OD_PEER_ASKING) {
        od_peer_fail(peer, OD_ETIMEOUT, peer->kind->late);
    } else if (peer->state == OD_PEER_OPEN && now_ms - peer->heard_ms >= hub->config.dead_ms) {
        snprintf(why, sizeof why, "no sign of life for %u s", hub->config.dead_ms / 1000);
        od_peer_fail(peer, OD_ETIMEOUT, why);
    } else if (peer->state == OD_PEER_OPEN) {
        peer->kind->ping(peer);
        od_http_deadline_start(&hub->deadlines, &peer->deadline, LANE_PING, hub->config.ping_ms);
    }
}

static void tell_closed(void *ctx, struct od_http_later *entry)
{
    struct od_peer *peer = OD_OWNER(entry, struct od_peer, later);
    (void)ctx;
    peer->told = true;
    peer->user->closed(peer->ctx, &peer->end);
    od_peer_free(peer);
}

/* ---- the hub ---- */

static void on_streams_gone(void *ctx)
{
    settle(ctx);
}

static void fill_defaults(struct od_peer_hub_config *config)
{
    struct {
        uint32_t *at, value;
    } defaults[] = {
        {&config->connect_ms, CONNECT_MS},     {&config->open_ms, OPEN_MS},
        {&config->ping_ms, PING_MS},           {&config->dead_ms, DEAD_MS},
        {&config->message_max, MESSAGE_MAX},   {&config->queue_max, QUEUE_MAX},
        {&config->share_us.all, SHARE_ALL_US}, {&config->share_us.each, SHARE_EACH_US},
    };
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
        if (!*defaults[i].at)
            *defaults[i].at = defaults[i].value;
    }
    if (!config->clock_ns)
        config->clock_ns = uv_hrtime;
    config->user_agent = config->ca_file = NULL;
}

int od_peer_hub_open(struct od_peer_hub **out, uv_loop_t *loop,
                     const struct od_peer_hub_config *config)
{
    struct od_peer_hub *hub = calloc(1, sizeof *hub);
    *out = NULL;
    if (!hub)
        return OD_ENOMEM;
    hub->loop = loop;
    hub->config = *config;
    fill_defaults(&hub->config);
    od_list_init(&hub->all);
    od_list_init(&hub->waiting);
    hub->user_agent = strdup(config->user_agent ? config->user_agent : "outdial");
    int err =
        hub->user_agent ? od_http_plain_init(&hub->plain, loop, on_streams_gone, hub) : OD_ENOMEM;
    if (!err)
        err = od_http_tls_open(&hub->tls, loop, config->ca_file);
    if (err) {
        od_http_plain_deinit(&hub->plain);
        free(hub->user_agent);
        free(hub);
        return err;
    }
    hub->plain.read_bytes = READ_BYTES;
    hub->plain.unsent_max = UNSENT_BYTES;
    od_http_dialer_init(&hub->dialer, loop, &hub->plain, hub->tls,
                        &(struct od_http_waits){.connect_ms = hub->config.connect_ms,
                                                .dns_ttl_ms = DNS_TTL_MS,
                                                .family_ms = OD_HTTP_FAMILY_MS});
    od_http_deadlines_init(&hub->deadlines, loop, expired, hub);
    od_http_laters_init(&hub->laters, loop, tell_closed, hub);
    od_http_laters_init(&hub->flushes, loop, flush_later, hub);
    hub->share.all_ns = hub->config.share_us.all * UINT64_C(1000);
    hub->share.each_ns = hub->config.share_us.each * UINT64_C(1000);
    uv_prepare_init(loop, &hub->prepare);
    uv_idle_init(loop, &hub->idle);
    hub->prepare.data = hub->idle.data = hub;
    uv_prepare_start(&hub->prepare, on_prepare);
    uv_unref((uv_handle_t *)&hub->prepare);
    *out = hub;
    return 0;
}

static void part_closed(void *ctx)
{
    struct od_peer_hub *hub = ctx;
    if (--hub->open_parts)
        return;
    void (*fn)(void *) = hub->closed;
    void *fn_ctx = hub->closed_ctx;
    od_http_plain_deinit(&hub->plain);
    free(hub->user_agent);
    free(hub);
    if (fn)
        fn(fn_ctx);
}

static void handle_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

static void settle(struct od_peer_hub *hub)
{
    if (!hub->closing || hub->open_parts || !od_list_empty(&hub->all) || hub->plain.alive)
        return;
    hub->open_parts = 7;
    od_http_tls_close(hub->tls, part_closed, hub);
    od_http_dialer_close(&hub->dialer, part_closed, hub);
    od_http_deadlines_close(&hub->deadlines, part_closed);
    od_http_laters_close(&hub->laters, part_closed);
    od_http_laters_close(&hub->flushes, part_closed);
    uv_close((uv_handle_t *)&hub->prepare, handle_closed);
    uv_close((uv_handle_t *)&hub->idle, handle_closed);
}

void od_peer_hub_close(struct od_peer_hub *hub, void (*fn)(void *ctx), void *ctx)
{
    struct od_list *node;
    hub->closed = fn;
    hub->closed_ctx = ctx;
    while ((node = od_list_first(&hub->all)))
        od_peer_free(OD_OWNER(node, struct od_peer, place));
    hub->closing = true;
    settle(hub);
}

void od_peer_hub_stats(const struct od_peer_hub *hub, struct od_peer_stats *out)
{
    *out = hub->stats;
}
