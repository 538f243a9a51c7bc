/*
 * ws_client - see the header. A connection goes dialling -> asking (the upgrade) -> open -> ending.
 * One deadline per connection serves each state: opening, the next ping, the peer's goodbye.
 *
 * Masks must be unpredictable to whoever chooses the payload (RFC 6455 section 10.3); they are
 * taken from the system's generator, a page at a time.
 */
#include "proto/ws/ws_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "engine/base/assert.h"
#include "engine/base/base64.h"
#include "engine/base/list.h"
#include "engine/base/str.h"
#include "engine/base/turn_share.h"
#include "outdial/err.h"
#include "proto/http/http_dial.h"
#include "proto/http/http_later.h"
#include "proto/http/http_response.h"
#include "proto/http/http_text.h"
#include "proto/ws/ws_frame.h"
#include "proto/ws/ws_handshake.h"

enum {
    CONNECT_MS = 5000,
    OPEN_MS = 10000,
    PING_MS = 10000,
    DEAD_MS = 30000,
    GOODBYE_MS = 3000, /* for the server to close after both goodbyes */
    MESSAGE_MAX = 16 * 1024 * 1024,
    QUEUE_MAX = 4 * 1024 * 1024,
    DNS_TTL_MS = 30000,
    READ_BYTES = 16 * 1024, /* what is read before it is asked again whether there is time for it */
    SHARE_ALL_US = 4000,    /* a fifth of a frame's time */
    SHARE_EACH_US = 500,
    GATHERED_MAX = 32 * 1024, /* more is not waited for */
    MASKS = 1024,
    WHY_MAX = 160,
};

enum { LANE_OPEN, LANE_PING, LANE_GOODBYE };

enum state { DIALING, ASKING, OPEN, ENDING };

struct od_ws {
    struct od_ws_hub *hub;
    struct od_list place; /* among the hub's */
    uint8_t state;        /* enum state */
    bool opened, told;    /* told: closed() has come, or nobody listens */
    bool said_goodbye;
    struct od_ws_url url;
    char *headers, *subprotocol;
    char key[OD_WS_KEY_CHARS + 1];
    bool allow_private, gathers;
    struct od_http_bytes gathered; /* frames of this turn */
    struct od_http_later flush;    /* they go out in the next */
    struct od_http_dial *dial;
    struct od_http_stream *stream; /* NULL: none yet */
    struct od_http_response response;
    struct od_ws_reader reader;
    struct od_list waiting; /* for its next turn, among the hub's; it is not read meanwhile */
    struct od_turn_part part;
    bool held;                   /* the reader's message is not done with */
    struct od_http_bytes unread; /* what came behind what there was time for, */
    size_t unread_at;            /* from there on */
    uint64_t sent_turn;          /* the last one in which a frame was sent */
    struct od_http_deadline deadline;
    struct od_http_later later;
    uint64_t heard_ms;
    const struct od_ws_user *user;
    void *ctx;
    struct od_ws_end end; /* what closed() will be told */
    char why[WHY_MAX];
};

struct od_ws_hub {
    uv_loop_t *loop;
    struct od_ws_hub_config config; /* numbers filled in; strings NULL */
    char *user_agent;
    struct od_http_plain_set plain;
    struct od_http_tls *tls;
    struct od_http_dialer dialer;
    struct od_http_deadlines deadlines;
    struct od_http_laters laters, flushes;
    uv_prepare_t prepare; /* every turn */
    uv_idle_t idle;       /* active while some wait, so that the loop does not sleep */
    struct od_turn_share share;
    struct od_list all, waiting;
    struct od_ws_stats stats;
    uint8_t masks[MASKS][4];
    unsigned masks_left;
    bool closing;
    unsigned open_parts;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void settle(struct od_ws_hub *hub);

/* ---- the end of a connection ---- */

static void ws_free(struct od_ws *ws)
{
    struct od_ws_hub *hub = ws->hub;
    od_list_remove(&ws->place);
    od_list_remove(&ws->waiting);
    od_http_deadline_stop(&ws->deadline);
    od_http_later_cancel(&ws->later);
    od_http_later_cancel(&ws->flush);
    od_http_bytes_free(&ws->gathered);
    od_http_bytes_free(&ws->unread);
    if (ws->dial)
        od_http_dial_cancel(ws->dial);
    if (ws->stream)
        od_http_stream_abandon(ws->stream);
    od_http_response_free(&ws->response);
    od_ws_reader_free(&ws->reader);
    free(ws->headers);
    free(ws->subprotocol);
    explicit_bzero(&ws->url, sizeof ws->url); /* its credentials */
    free(ws);
    hub->stats.open--;
    settle(hub);
}

static void keep_why(struct od_ws *ws, const char *why, size_t bytes)
{
    size_t used = 0;
    for (size_t i = 0; i < bytes && used + 1 < sizeof ws->why; i++)
        ws->why[used++] = (unsigned char)why[i] < ' ' || why[i] == 0x7f ? '?' : why[i];
    ws->why[used] = 0;
}

/* The connection is over for its user, who hears of it in the loop's next turn. */
static void over(struct od_ws *ws, int err, const char *why, size_t why_bytes)
{
    if (ws->told || ws->end.why)
        return;
    keep_why(ws, why, why_bytes);
    ws->end.err = err;
    ws->end.why = ws->why;
    ws->end.opened = ws->opened;
    ws->hub->stats.failed += err != 0;
    ws->state = ENDING;
    od_http_later_put(&ws->hub->laters, &ws->later);
}

static void fail(struct od_ws *ws, int err, const char *why)
{
    over(ws, err, why, strlen(why));
}

/* ---- sending ---- */

static int next_mask(struct od_ws_hub *hub, uint8_t mask[4])
{
    if (!hub->masks_left) {
        size_t have = 0;
        while (have < sizeof hub->masks) {
            ssize_t got = getrandom((uint8_t *)hub->masks + have, sizeof hub->masks - have, 0);
            if (got < 0)
                return OD_EIO;
            have += (size_t)got;
        }
        hub->masks_left = MASKS;
    }
    memcpy(mask, hub->masks[--hub->masks_left], 4);
    return 0;
}

static int hand_over(struct od_ws *ws, const void *at, size_t bytes)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)at, (unsigned)bytes);
    ws->hub->stats.writes++;
    return ws->stream->ops->write(ws->stream, &buf, 1) ? OD_ENOMEM : 0;
}

/* What was gathered goes out. */
static int flush(struct od_ws *ws)
{
    od_http_later_cancel(&ws->flush);
    int err = ws->gathered.used ? hand_over(ws, ws->gathered.at, ws->gathered.used) : 0;
    ws->gathered.used = 0;
    return err;
}

static int gather(struct od_ws *ws, const void *at, size_t bytes)
{
    if (od_http_bytes_add(&ws->gathered, at, bytes))
        return OD_ENOMEM;
    if (ws->gathered.used > GATHERED_MAX)
        return flush(ws);
    od_http_later_put(&ws->hub->flushes, &ws->flush);
    return 0;
}

static void flush_later(void *ctx, struct od_http_later *entry)
{
    struct od_ws *ws = OD_OWNER(entry, struct od_ws, flush);
    (void)ctx;
    if (flush(ws))
        fail(ws, OD_ENOMEM, "no memory");
}

static int write_frame(struct od_ws *ws, enum od_ws_op op, const void *at, size_t bytes)
{
    uint8_t small[2048], mask[4];
    uint8_t *frame = small;
    /* Who makes us say a thousand things at once doesn't make us write a thousand times. */
    bool more = ws->sent_turn == ws->hub->share.turn || ws->gathered.used;
    ws->sent_turn = ws->hub->share.turn;
    if (next_mask(ws->hub, mask))
        return OD_EIO;
    if (bytes > sizeof small - OD_WS_HEAD_MAX && !(frame = malloc(bytes + OD_WS_HEAD_MAX)))
        return OD_ENOMEM;
    size_t head = od_ws_head(frame, op, bytes, mask);
    od_ws_mask(frame + head, at, bytes, mask);
    int err =
        ws->gathers || more ? gather(ws, frame, head + bytes) : hand_over(ws, frame, head + bytes);
    if (frame != small)
        free(frame);
    ws->hub->stats.sent_bytes += head + bytes;
    return err;
}

size_t od_ws_queued(const struct od_ws *ws)
{
    return ws->stream ? od_http_stream_queued(ws->stream) + ws->gathered.used : 0;
}

int od_ws_send(struct od_ws *ws, bool text, const void *at, size_t bytes)
{
    if (ws->state != OPEN)
        return OD_ENOENT;
    if (od_ws_queued(ws) + bytes > ws->hub->config.queue_max) {
        fail(ws, OD_ETIMEOUT, "the agent takes no more bytes");
        return OD_EBUSY;
    }
    int err = write_frame(ws, text ? OD_WS_TEXT : OD_WS_BINARY, at, bytes);
    if (err)
        fail(ws, err, "no memory");
    ws->hub->stats.sent++;
    return err;
}

static void say_goodbye(struct od_ws *ws, uint16_t code, const char *reason)
{
    uint8_t payload[OD_WS_CONTROL_MAX];
    size_t bytes = strlen(reason);
    if (ws->said_goodbye || !ws->opened || !ws->stream)
        return;
    ws->said_goodbye = true;
    if (bytes > sizeof payload - 2)
        bytes = 0; /* a cut reason might end in half a character */
    payload[0] = (uint8_t)(code >> 8);
    payload[1] = (uint8_t)code;
    memcpy(payload + 2, reason, bytes);
    write_frame(ws, OD_WS_CLOSE, payload, code == OD_WS_NO_CODE ? 0 : bytes + 2);
    flush(ws); /* the connection may be shut behind it */
}

void od_ws_leave(struct od_ws *ws, uint16_t code, const char *reason)
{
    struct od_ws_hub *hub = ws->hub;
    ws->told = true;
    ws->user = NULL;
    od_http_later_cancel(&ws->later);
    if (!ws->opened || !ws->stream || ws->end.err) {
        ws_free(ws);
        return;
    }
    say_goodbye(ws, code, reason);
    ws->state = ENDING;
    ws->held = false;
    od_http_deadline_start(&hub->deadlines, &ws->deadline, LANE_GOODBYE, GOODBYE_MS);
}

/* ---- receiving ---- */

/* The server has closed in order: it gets its code back (RFC 6455 section 5.5.1). */
static void take_close(struct od_ws *ws)
{
    const struct od_ws_reader *reader = &ws->reader;
    say_goodbye(ws, reader->close_code, "");
    ws->stream->ops->shutdown(ws->stream);
    if (ws->told) { /* the answer to our own goodbye */
        ws_free(ws);
        return;
    }
    ws->end.code = reader->close_code;
    if (reader->bytes > 2)
        over(ws, 0, (const char *)reader->at + 2, reader->bytes - 2);
    else
        over(ws, 0, "", 0);
}

/* False when the connection is not to be read on. */
static bool take_message(struct od_ws *ws)
{
    const struct od_ws_reader *reader = &ws->reader;
    switch ((enum od_ws_op)reader->op) {
    case OD_WS_TEXT:
    case OD_WS_BINARY:
        if (ws->state == OPEN) {
            ws->hub->stats.received++;
            ws->held =
                !ws->user->message(ws->ctx, reader->op == OD_WS_TEXT, reader->at, reader->bytes);
            OD_ASSERT(!ws->held || reader->bytes > OD_WS_PIECE_MAX);
        }
        return true;
    case OD_WS_PING:
        /* A peer that pings and reads nothing gets no more answers than fit. */
        if (ws->state == OPEN && od_ws_queued(ws) < ws->hub->config.queue_max / 2)
            write_frame(ws, OD_WS_PONG, reader->at, reader->bytes);
        return true;
    case OD_WS_PONG:
        return true;
    default:
        take_close(ws);
        return false;
    }
}

static bool may_do(struct od_ws *ws)
{
    return od_turn_may(&ws->hub->share, &ws->part, ws->hub->config.clock_ns());
}

enum reading { READ_ALL, READ_LATER, READ_OVER /* the connection may be gone */ };

static enum reading read_frames(struct od_ws *ws, const uint8_t **data, size_t *bytes)
{
    for (;;) {
        enum od_ws_step step = od_ws_reader_step(&ws->reader, data, bytes);
        if (step == OD_WS_MORE)
            return READ_ALL;
        if (step == OD_WS_BAD) {
            if (ws->told) {
                ws_free(ws);
                return READ_OVER;
            }
            say_goodbye(ws, ws->reader.code, "");
            fail(ws, ws->reader.code == OD_WS_TOO_BIG ? OD_ETOOBIG : OD_EPROTO, ws->reader.why);
            return READ_OVER;
        }
        if (!take_message(ws) || ws->end.why)
            return READ_OVER;
        if (ws->held || (*bytes && !may_do(ws)))
            return READ_LATER;
    }
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

static void wait_for_turn(struct od_ws *ws)
{
    od_list_push(&ws->hub->waiting, &ws->waiting);
    uv_idle_start(&ws->hub->idle, on_idle);
}

static void take_bytes(struct od_ws *ws, const uint8_t *data, size_t bytes)
{
    bool waits = !od_list_empty(&ws->waiting);
    enum reading reading = READ_LATER;
    if (!waits && may_do(ws))
        reading = read_frames(ws, &data, &bytes);
    if (reading != READ_LATER)
        return;
    if (od_http_bytes_add(&ws->unread, data, bytes)) {
        fail(ws, OD_ENOMEM, "no memory");
        return;
    }
    if (waits)
        return;
    ws->stream->ops->read_stop(ws->stream);
    wait_for_turn(ws);
}

/* A connection that waited has its turn. */
static void go_on(struct od_ws *ws)
{
    ws->heard_ms = uv_now(ws->hub->loop);
    while (ws->held) {
        ws->held = !ws->user->go_on(ws->ctx);
        if (ws->end.why)
            return;
        if (!may_do(ws)) {
            wait_for_turn(ws);
            return;
        }
    }
    const uint8_t *data = (const uint8_t *)ws->unread.at + ws->unread_at;
    size_t bytes = ws->unread.used - ws->unread_at;
    enum reading reading = read_frames(ws, &data, &bytes);
    if (reading == READ_LATER) {
        ws->unread_at = ws->unread.used - bytes;
        wait_for_turn(ws);
    } else if (reading == READ_ALL) {
        od_http_bytes_free(&ws->unread);
        ws->unread_at = 0;
        ws->stream->ops->read_start(ws->stream);
    }
}

/* Those that waited come first, as far as there is time; one that needs more is the last then. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct od_ws_hub *hub = prepare->data;
    struct od_list *last = hub->waiting.prev;
    od_turn_next(&hub->share);
    for (bool more = true; more && !od_list_empty(&hub->waiting);) {
        struct od_list *node = od_list_first(&hub->waiting);
        struct od_ws *ws = OD_OWNER(node, struct od_ws, waiting);
        if (!may_do(ws))
            return;
        more = node != last;
        od_list_remove(node);
        if (!ws->end.why)
            go_on(ws);
    }
    if (od_list_empty(&hub->waiting))
        uv_idle_stop(&hub->idle);
}

static void begin_open(struct od_ws *ws)
{
    ws->state = OPEN;
    ws->opened = true;
    ws->sent_turn = UINT64_MAX;
    ws->heard_ms = uv_now(ws->hub->loop);
    ws->hub->stats.opened++;
    od_ws_reader_init(&ws->reader, ws->hub->config.message_max);
    od_http_deadline_start(&ws->hub->deadlines, &ws->deadline, LANE_PING, ws->hub->config.ping_ms);
    ws->user->opened(ws->ctx);
}

/* The answer to the upgrade has come as far as its head. */
static void take_answer(struct od_ws *ws, const char *data, size_t bytes)
{
    char why[64];
    if (ws->response.status != 101) {
        ws->end.status = ws->response.status;
        snprintf(why, sizeof why, "answered %d to the upgrade", ws->response.status);
        fail(ws, OD_EDENIED, why);
        return;
    }
    const char *wrong = od_ws_judge(ws->response.head, ws->key, ws->subprotocol);
    if (wrong) {
        fail(ws, OD_EPROTO, wrong);
        return;
    }
    od_http_response_free(&ws->response);
    begin_open(ws);
    if (bytes && !ws->end.why)
        take_bytes(ws, (const uint8_t *)data, bytes);
}

static void read_answer(struct od_ws *ws, const char *data, size_t bytes)
{
    while (bytes) {
        switch (od_http_response_step(&ws->response, &data, &bytes)) {
        case OD_HTTP_MORE:
            break;
        case OD_HTTP_HEAD:
            take_answer(ws, data, bytes);
            return;
        default:
            fail(ws, OD_EPROTO, ws->response.why ? ws->response.why : "no HTTP answer");
            return;
        }
    }
}

static void stream_data(void *ctx, const char *data, size_t bytes)
{
    struct od_ws *ws = ctx;
    ws->heard_ms = uv_now(ws->hub->loop);
    ws->hub->stats.received_bytes += bytes;
    if (ws->end.why)
        return;
    if (ws->state == ASKING)
        read_answer(ws, data, bytes);
    else
        take_bytes(ws, (const uint8_t *)data, bytes);
}

static void stream_end(void *ctx, int err)
{
    struct od_ws *ws = ctx;
    if (ws->told)
        ws_free(ws);
    else if (ws->state == ASKING)
        fail(ws, OD_EDOWN,
             err ? "the connection broke during the upgrade" : "closed with no answer");
    else
        fail(ws, OD_EDOWN, "the connection broke");
}

static void stream_drained(void *ctx)
{
    struct od_ws *ws = ctx;
    if (ws->state == OPEN && ws->user->drained)
        ws->user->drained(ws->ctx);
}

static void stream_closed(void *ctx)
{
    (void)ctx; /* streams are abandoned */
}

static const struct od_http_stream_user stream_user = {
    .data = stream_data, .end = stream_end, .drained = stream_drained, .closed = stream_closed};

/* ---- opening ---- */

static int ask(struct od_ws *ws)
{
    char text[OD_WS_REQUEST_MAX];
    int n = od_ws_request_write(&(struct od_ws_request){.url = &ws->url,
                                                        .key = ws->key,
                                                        .user_agent = ws->hub->user_agent,
                                                        .subprotocol = ws->subprotocol,
                                                        .headers = ws->headers},
                                text, sizeof text);
    if (n < 0)
        return n;
    uv_buf_t buf = uv_buf_init(text, (unsigned)n);
    int err = ws->stream->ops->write(ws->stream, &buf, 1);
    explicit_bzero(text, sizeof text); /* it may carry a password */
    return err ? OD_EDOWN : 0;
}

static void on_dialed(void *ctx, int err, struct od_http_stream *stream, const char *why)
{
    struct od_ws *ws = ctx;
    ws->dial = NULL;
    if (err) {
        fail(ws, err, why);
        return;
    }
    ws->stream = stream;
    stream->user = &stream_user;
    stream->ctx = ws;
    ws->state = ASKING;
    od_http_response_init(&ws->response);
    ws->response.upgrade = true;
    err = ask(ws);
    if (err)
        fail(ws, err,
             err == OD_ETOOBIG ? "the upgrade request is too long" : "the connection broke");
    else
        stream->ops->read_start(stream);
}

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

int od_ws_connect(struct od_ws_hub *hub, const struct od_ws_open *open, struct od_ws **out)
{
    struct od_ws *ws = calloc(1, sizeof *ws);
    const char *why = "";
    *out = NULL;
    if (!ws || hub->closing) {
        free(ws);
        return OD_ENOMEM;
    }
    ws->hub = hub;
    ws->user = open->user;
    ws->ctx = open->ctx;
    ws->allow_private = open->allow_private;
    ws->gathers = open->gathers;
    od_list_init(&ws->place);
    od_list_init(&ws->waiting);
    int err = ws_fill(ws, open);
    if (err) {
        free(ws->headers);
        free(ws->subprotocol);
        free(ws);
        return err;
    }
    od_list_push(&hub->all, &ws->place);
    hub->stats.open++;
    hub->stats.connects++;
    od_http_deadline_start(&hub->deadlines, &ws->deadline, LANE_OPEN, hub->config.open_ms);
    err = od_http_dial_start(&hub->dialer, &ws->url.http, ws->allow_private, on_dialed, ws,
                             &ws->dial, &why);
    if (err) {
        ws->dial = NULL;
        fail(ws, err, why);
    }
    *out = ws;
    return 0;
}

/* ---- time ---- */

static void expired(void *ctx, struct od_http_deadline *entry)
{
    struct od_ws_hub *hub = ctx;
    struct od_ws *ws = OD_OWNER(entry, struct od_ws, deadline);
    uint64_t now_ms = uv_now(hub->loop);
    char why[48];
    if (ws->told) { /* the server never closed */
        ws_free(ws);
    } else if (ws->state == DIALING || ws->state == ASKING) {
        fail(ws, OD_ETIMEOUT, "no answer to the upgrade in time");
    } else if (ws->state == OPEN && now_ms - ws->heard_ms >= hub->config.dead_ms) {
        snprintf(why, sizeof why, "no sign of life for %u s", hub->config.dead_ms / 1000);
        fail(ws, OD_ETIMEOUT, why);
    } else if (ws->state == OPEN) {
        write_frame(ws, OD_WS_PING, "", 0);
        od_http_deadline_start(&hub->deadlines, &ws->deadline, LANE_PING, hub->config.ping_ms);
    }
}

static void tell_closed(void *ctx, struct od_http_later *entry)
{
    struct od_ws *ws = OD_OWNER(entry, struct od_ws, later);
    (void)ctx;
    ws->told = true;
    ws->user->closed(ws->ctx, &ws->end);
    ws_free(ws);
}

/* ---- the hub ---- */

static void on_streams_gone(void *ctx)
{
    settle(ctx);
}

static void fill_defaults(struct od_ws_hub_config *config)
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

int od_ws_hub_open(struct od_ws_hub **out, uv_loop_t *loop, const struct od_ws_hub_config *config)
{
    struct od_ws_hub *hub = calloc(1, sizeof *hub);
    *out = NULL;
    if (!hub)
        return OD_ENOMEM;
    hub->loop = loop;
    hub->config = *config;
    fill_defaults(&hub->config);
    od_list_init(&hub->all);
    od_list_init(&hub->waiting);
    int err = text_copy(&hub->user_agent, config->user_agent ? config->user_agent : "outdial")
                  ? od_http_plain_init(&hub->plain, loop, on_streams_gone, hub)
                  : OD_ENOMEM;
    if (!err)
        err = od_http_tls_open(&hub->tls, loop, config->ca_file);
    if (err) {
        od_http_plain_deinit(&hub->plain);
        free(hub->user_agent);
        free(hub);
        return err;
    }
    hub->plain.read_bytes = READ_BYTES;
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
    struct od_ws_hub *hub = ctx;
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

static void settle(struct od_ws_hub *hub)
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

void od_ws_hub_close(struct od_ws_hub *hub, void (*fn)(void *ctx), void *ctx)
{
    struct od_list *node;
    hub->closed = fn;
    hub->closed_ctx = ctx;
    while ((node = od_list_first(&hub->all)))
        ws_free(OD_OWNER(node, struct od_ws, place));
    hub->closing = true;
    settle(hub);
}

void od_ws_hub_stats(const struct od_ws_hub *hub, struct od_ws_stats *out)
{
    *out = hub->stats;
}
