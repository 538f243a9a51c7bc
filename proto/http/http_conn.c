/*
 * http_conn - a connection of the server: turns input into exchanges, one at a time, and watches
 * the clock. A turn is a loop of small steps on one state, so that a request that is answered at
 * once, a pipelined one behind it and the end of the connection all take the same path; nothing
 * recurses.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"
#include "proto/http/http_hub.h"

/* Lanes of the hub's deadlines: what read_wait waits for, then write_wait. */
enum {
    LANE_IDLE,
    LANE_HEAD,
    LANE_BODY,
    LANE_READ_GRACE,
    LANE_LINGER,
    LANE_WRITE,
    LANE_WRITE_GRACE,
};
enum { GRACE_MS = 10 };

/* Swallowed from a client that was refused, within linger_ms, before it is cut without further ado:
 * one that writes its whole body before it reads (Node's fetch) would get a reset and no answer. */
enum { LINGER_BYTES_MAX = 32 * 1024 * 1024, NONE_BYTES_MAX = 64 * 1024 };

#define OWNER_OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static void conn_turn(struct od_http_conn *conn);

/* The end */

static void conn_unlink(struct od_http_conn *conn)
{
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        conn->hub->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
}

static void job_end(struct od_http_conn *conn)
{
    struct od_http_job *job = conn->job;
    conn->job = NULL;
    conn->hub->stats.exchanges--;
    conn->hub->handler.closed(conn->hub->handler.ctx, &job->x);
    od_http_bytes_free(&job->body);
    free(job);
    od_http_request_next(&conn->request);
}

static void stream_closed(void *ctx)
{
    struct od_http_conn *conn = ctx;
    struct od_http_hub *hub = conn->hub;
    if (conn->job)
        job_end(conn);
    od_http_request_free(&conn->request);
    od_http_bytes_free(&conn->stash);
    conn_unlink(conn);
    free(conn);
    hub->stats.connections--;
    if (!hub->conns && hub->on_empty)
        hub->on_empty(hub->ctx);
}

void od_http_conn_cut(struct od_http_conn *conn)
{
    if (conn->phase == OD_HTTP_CLOSING)
        return;
    conn->phase = OD_HTTP_CLOSING;
    od_http_deadline_stop(&conn->read_wait);
    od_http_deadline_stop(&conn->write_wait);
    od_http_later_cancel(&conn->later);
    conn->stream->ops->close(conn->stream);
}

/* Phases and what they wait for */

/* The handler wants no more of the body for now. What an answered request still sends is ours. */
static bool is_paused(const struct od_http_job *job)
{
    return job->paused && job->answering != OD_HTTP_ANSWERED;
}

static void set_phase(struct od_http_conn *conn, enum od_http_phase phase)
{
    if (conn->phase == OD_HTTP_CLOSING)
        return;
    conn->phase = (uint8_t)phase;
    conn->rearm = true;
}

static void arm_read(struct od_http_conn *conn)
{
    struct od_http_hub *hub = conn->hub;
    const struct od_http_server_config *config = &hub->config;
    conn->rearm = false;
    switch ((enum od_http_phase)conn->phase) {
    case OD_HTTP_IDLE:
        if (conn->fresh)
            od_http_deadline_start(&hub->deadlines, &conn->read_wait, LANE_HEAD, config->head_ms);
        else
            od_http_deadline_start(&hub->deadlines, &conn->read_wait, LANE_IDLE, config->idle_ms);
        return;
    case OD_HTTP_READING:
        if (!conn->fresh) /* a fresh connection's time has been running since it was made */
            od_http_deadline_start(&hub->deadlines, &conn->read_wait, LANE_HEAD, config->head_ms);
        return;
    case OD_HTTP_TAKING:
        conn->window_bytes = 0;
        if (is_paused(conn->job))
            od_http_deadline_stop(&conn->read_wait);
        else
            od_http_deadline_start(&hub->deadlines, &conn->read_wait, LANE_BODY,
                                   config->rate_window_ms);
        return;
    case OD_HTTP_LINGERING:
        conn->window_bytes = 0;
        od_http_deadline_start(&hub->deadlines, &conn->read_wait, LANE_LINGER, config->linger_ms);
        return;
    case OD_HTTP_WAITING:
    case OD_HTTP_CLOSING:
        od_http_deadline_stop(&conn->read_wait);
        return;
    }
}

static bool wants_input(const struct od_http_conn *conn)
{
    switch ((enum od_http_phase)conn->phase) {
    case OD_HTTP_IDLE:
    case OD_HTTP_READING:
    case OD_HTTP_LINGERING:
        return true;
    case OD_HTTP_TAKING:
        return !is_paused(conn->job);
    case OD_HTTP_WAITING:
        return conn->stash.used == 0; /* to see a client that goes away */
    case OD_HTTP_CLOSING:
        return false;
    }
    return false;
}

static void linger(struct od_http_conn *conn)
{
    conn->in_bytes = 0;
    if (conn->eof && od_http_stream_queued(conn->stream) == 0) {
        od_http_conn_cut(conn);
        return;
    }
    set_phase(conn, OD_HTTP_LINGERING);
    conn->stream->ops->shutdown(conn->stream);
}

void od_http_conn_wrote(struct od_http_conn *conn)
{
    if (conn->phase == OD_HTTP_CLOSING || od_http_stream_queued(conn->stream) == 0 ||
        od_http_deadline_waits(&conn->write_wait))
        return;
    conn->taken_mark = conn->stream->written - od_http_stream_queued(conn->stream);
    od_http_deadline_start(&conn->hub->deadlines, &conn->write_wait, LANE_WRITE,
                           conn->hub->config.rate_window_ms);
}

void od_http_conn_touch(struct od_http_conn *conn)
{
    if (!conn->in_turn && conn->phase != OD_HTTP_CLOSING)
        od_http_later_put(&conn->hub->laters, &conn->later);
}

/* True: the handler has answered, or the connection is gone. */
static bool let_handler_refuse(struct od_http_conn *conn, struct od_http_job *job, int status)
{
    const struct od_http_handler *handler = &conn->hub->handler;
    if (!handler->refuse)
        return false;
    job->cut = true; /* whatever it answers, the connection ends behind it */
    job->keep = false;
    handler->refuse(handler->ctx, &job->x, status);
    if (conn->phase == OD_HTTP_CLOSING)
        return true;
    if (job->answering != OD_HTTP_ANSWERED)
        return false;
    conn->hub->stats.bad++;
    set_phase(conn, OD_HTTP_WAITING);
    return true;
}

/* The peer broke a rule or a limit: tell it once, read no more. */
static void refuse(struct od_http_conn *conn, int status)
{
    struct od_http_job *job = conn->job;
    if (job && job->answering == OD_HTTP_STREAMING) {
        od_http_conn_cut(conn); /* an answer that ends early must not look complete */
        return;
    }
    if (job && job->answering == OD_HTTP_ANSWERED) {
        job->cut = true;
        job->keep = false;
        set_phase(conn, OD_HTTP_WAITING);
        return;
    }
    if (job && let_handler_refuse(conn, job, status))
        return;
    if (od_http_answer_refuse(conn, job, status)) {
        od_http_conn_cut(conn);
        return;
    }
    od_http_conn_wrote(conn);
    if (!job) {
        linger(conn);
        return;
    }
    job->answering = OD_HTTP_ANSWERED;
    job->cut = true;
    job->keep = false;
    set_phase(conn, OD_HTTP_WAITING);
}

/* A request comes in */

static bool job_header(const struct od_exchange *x, const char *name, struct od_text *value)
{
    const struct od_http_job *job = (const struct od_http_job *)x;
    return od_http_head_find(job->conn->request.head, name, value);
}

static struct od_http_job *job_create(struct od_http_conn *conn)
{
    const struct od_http_request *request = &conn->request;
    struct od_http_job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->conn = conn;
    job->limit = conn->hub->config.body_bytes_max;
    struct od_text id;
    if (od_http_head_find(request->head, "x-request-id", &id) &&
        od_http_request_id_ok(id.at, id.bytes))
        memcpy(job->request_id, id.at, id.bytes);
    else
        od_http_request_id_make(conn->hub, job->request_id);
    job->x = (struct od_exchange){
        .ops = &od_http_answer_ops,
        .method = request->method,
        .path = request->path,
        .query = request->query,
        .request_id = job->request_id,
        .peer = conn->peer,
        .content_length = request->content_length,
        .header = job_header,
    };
    job->continue_due = request->expect_continue && request->content_length != 0;
    return job;
}

static void take_head(struct od_http_conn *conn)
{
    struct od_http_hub *hub = conn->hub;
    conn->fresh = false;
    struct od_http_job *job = job_create(conn);
    if (!job) {
        refuse(conn, 503);
        return;
    }
    conn->job = job;
    hub->stats.requests++;
    hub->stats.exchanges++;
    set_phase(conn, OD_HTTP_TAKING);
    job->mode = (uint8_t)hub->handler.head(hub->handler.ctx, &job->x, &job->limit);
    if (conn->phase == OD_HTTP_CLOSING || job->answering == OD_HTTP_ANSWERED)
        return;
    uint64_t length = job->x.content_length;
    if (job->mode == OD_BODY_NONE && length > NONE_BYTES_MAX) {
        job->cut = true; /* more than is worth reading for nothing, or nobody knows how much */
        set_phase(conn, OD_HTTP_WAITING);
    } else if (job->mode != OD_BODY_NONE && length != UINT64_MAX && length > job->limit) {
        refuse(conn, 413);
    }
}

static void take_body(struct od_http_conn *conn)
{
    struct od_http_job *job = conn->job;
    struct od_http_hub *hub = conn->hub;
    const char *data = conn->request.body;
    size_t bytes = conn->request.body_bytes;
    job->received += bytes;
    conn->window_bytes += bytes;
    job->continue_due = false;
    if (job->answering == OD_HTTP_ANSWERED || job->mode == OD_BODY_NONE)
        return;
    if (job->received > job->limit)
        refuse(conn, 413);
    else if (job->mode == OD_BODY_STREAM)
        hub->handler.body(hub->handler.ctx, &job->x, data, bytes, false);
    else if (od_http_bytes_add(&job->body, data, bytes))
        refuse(conn, 503);
}

static void take_end(struct od_http_conn *conn)
{
    struct od_http_job *job = conn->job;
    struct od_http_hub *hub = conn->hub;
    job->complete = true;
    set_phase(conn, OD_HTTP_WAITING);
    if (job->answering == OD_HTTP_ANSWERED || job->mode == OD_BODY_NONE)
        return;
    hub->handler.body(hub->handler.ctx, &job->x, job->body.used ? job->body.at : "", job->body.used,
                      true);
    od_http_bytes_free(&job->body); /* borrowed for the callback only */
}

static void send_continue(struct od_http_conn *conn)
{
    conn->job->continue_due = false;
    if (conn->in_bytes) /* the body is here: RFC 9110 section 10.1.1 lets us omit it */
        return;
    uv_buf_t text = uv_buf_init((char *)"HTTP/1.1 100 Continue\r\n\r\n", 25);
    if (conn->stream->ops->write(conn->stream, &text, 1))
        od_http_conn_cut(conn);
    else
        od_http_conn_wrote(conn);
}

/* The answer has been taken by the kernel, and no more of the request will be read. */
static bool job_over(const struct od_http_conn *conn)
{
    const struct od_http_job *job = conn->job;
    return job && job->answering == OD_HTTP_ANSWERED && od_http_stream_queued(conn->stream) == 0 &&
           (job->complete || job->cut);
}

static void finish_job(struct od_http_conn *conn)
{
    bool keep = conn->job->keep && !conn->hub->draining;
    job_end(conn);
    if (keep)
        set_phase(conn, OD_HTTP_IDLE);
    else
        linger(conn);
}

static void take_input(struct od_http_conn *conn)
{
    switch (od_http_request_step(&conn->request, &conn->in, &conn->in_bytes)) {
    case OD_HTTP_MORE:
        if (conn->phase == OD_HTTP_IDLE && od_http_request_begun(&conn->request))
            set_phase(conn, OD_HTTP_READING);
        return;
    case OD_HTTP_HEAD:
        take_head(conn);
        return;
    case OD_HTTP_BODY:
        take_body(conn);
        return;
    case OD_HTTP_END:
        take_end(conn);
        return;
    case OD_HTTP_BAD:
        refuse(conn, conn->request.status);
        return;
    }
}

/* One step; false when there is nothing to do now. */
static bool conn_step(struct od_http_conn *conn)
{
    if (conn->phase == OD_HTTP_CLOSING)
        return false;
    if (job_over(conn)) {
        finish_job(conn);
        return true;
    }
    if (conn->phase == OD_HTTP_LINGERING) {
        conn->in_bytes = 0;
        return false;
    }
    if (conn->phase == OD_HTTP_WAITING)
        return false;
    if (conn->job && conn->job->cut) {
        set_phase(conn, OD_HTTP_WAITING);
        return false;
    }
    if (conn->job && is_paused(conn->job))
        return false;
    if (conn->job && conn->job->continue_due && conn->job->answering == OD_HTTP_UNANSWERED) {
        send_continue(conn);
        return true;
    }
    if (conn->in_bytes == 0 && !od_http_request_ripe(&conn->request)) {
        if (conn->eof)
            od_http_conn_cut(conn);
        return false;
    }
    take_input(conn);
    return true;
}

static void stash_drop_used(struct od_http_conn *conn)
{
    if (conn->in_bytes == 0) {
        od_http_bytes_free(&conn->stash);
        return;
    }
    memmove(conn->stash.at, conn->in, conn->in_bytes);
    conn->stash.used = conn->in_bytes;
}

static void conn_turn(struct od_http_conn *conn)
{
    if (conn->phase == OD_HTTP_CLOSING)
        return;
    bool from_stash = conn->stash.used > 0;
    if (from_stash) {
        conn->in = conn->stash.at;
        conn->in_bytes = conn->stash.used;
    }
    conn->in_turn = true;
    while (conn_step(conn))
        ;
    conn->in_turn = false;
    if (conn->phase == OD_HTTP_CLOSING)
        return;
    if (from_stash) {
        stash_drop_used(conn);
    } else if (conn->in_bytes && od_http_bytes_add(&conn->stash, conn->in, conn->in_bytes)) {
        od_http_conn_cut(conn);
        return;
    }
    conn->in_bytes = 0;
    if (conn->rearm)
        arm_read(conn);
    if (wants_input(conn))
        conn->stream->ops->read_start(conn->stream);
    else
        conn->stream->ops->read_stop(conn->stream);
}

/* What the stream tells */

static void stream_data(void *ctx, const char *data, size_t bytes)
{
    struct od_http_conn *conn = ctx;
    if (conn->phase == OD_HTTP_LINGERING) {
        conn->window_bytes += bytes;
        if (conn->window_bytes > LINGER_BYTES_MAX)
            od_http_conn_cut(conn);
        return;
    }
    if (conn->stash.used) {
        if (od_http_bytes_add(&conn->stash, data, bytes)) {
            od_http_conn_cut(conn);
            return;
        }
    } else {
        conn->in = data;
        conn->in_bytes = bytes;
    }
    conn_turn(conn);
}

static void stream_end(void *ctx, int err)
{
    struct od_http_conn *conn = ctx;
    if (err || conn->phase == OD_HTTP_LINGERING) {
        od_http_conn_cut(conn);
        return;
    }
    conn->eof = true;
    conn_turn(conn);
}

static void stream_drained(void *ctx)
{
    struct od_http_conn *conn = ctx;
    od_http_deadline_stop(&conn->write_wait);
    if (conn->phase == OD_HTTP_LINGERING && conn->eof)
        od_http_conn_cut(conn);
    else
        conn_turn(conn);
}

static const struct od_http_stream_user stream_user = {
    .data = stream_data,
    .end = stream_end,
    .drained = stream_drained,
    .closed = stream_closed,
};

/* What the clock tells */

static uint64_t window_bytes_min(const struct od_http_hub *hub)
{
    return (uint64_t)hub->config.rate_bytes_per_s_min * hub->config.rate_window_ms / 1000;
}

/* Timers come before the bytes that waited meanwhile: after a stop of the whole process (a busy
 * turn, a suspended machine) a client would be blamed for it. So whoever is late gets a moment in
 * which the loop looks at the sockets once more, and is judged then. */
static void grace(struct od_http_conn *conn, struct od_http_deadline *entry, unsigned lane)
{
    od_http_deadline_start(&conn->hub->deadlines, entry, lane, GRACE_MS);
}

static void read_too_slow(struct od_http_conn *conn)
{
    conn->hub->stats.timeouts++;
    if (conn->phase == OD_HTTP_IDLE) {
        od_http_conn_cut(conn);
        return;
    }
    refuse(conn, 408);
    conn_turn(conn);
}

static void read_expired(struct od_http_conn *conn, unsigned lane)
{
    bool fast = conn->phase == OD_HTTP_TAKING && conn->window_bytes >= window_bytes_min(conn->hub);
    if (lane == LANE_LINGER)
        od_http_conn_cut(conn);
    else if (fast)
        arm_read(conn);
    else if (lane == LANE_READ_GRACE || lane == LANE_IDLE)
        read_too_slow(conn);
    else
        grace(conn, &conn->read_wait, LANE_READ_GRACE);
}

static void write_expired(struct od_http_conn *conn, unsigned lane)
{
    size_t queued = od_http_stream_queued(conn->stream);
    uint64_t taken = conn->stream->written - queued - conn->taken_mark;
    if (queued == 0 || taken >= window_bytes_min(conn->hub)) {
        od_http_conn_wrote(conn);
    } else if (lane == LANE_WRITE) {
        grace(conn, &conn->write_wait, LANE_WRITE_GRACE);
    } else {
        conn->hub->stats.timeouts++;
        od_http_conn_cut(conn);
    }
}

void od_http_conn_expired(void *ctx, struct od_http_deadline *entry)
{
    (void)ctx;
    if (entry->lane == LANE_WRITE || entry->lane == LANE_WRITE_GRACE)
        write_expired(OWNER_OF(struct od_http_conn, write_wait, entry), entry->lane);
    else
        read_expired(OWNER_OF(struct od_http_conn, read_wait, entry), entry->lane);
}

void od_http_conn_later(void *ctx, struct od_http_later *entry)
{
    (void)ctx;
    conn_turn(OWNER_OF(struct od_http_conn, later, entry));
}

int od_http_conn_open(struct od_http_hub *hub, struct od_http_stream *stream, const char *peer)
{
    struct od_http_conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return OD_ENOMEM;
    conn->hub = hub;
    conn->stream = stream;
    conn->fresh = true;
    od_str_copy(conn->peer, sizeof conn->peer, peer, strlen(peer));
    od_http_request_init(&conn->request, hub->config.header_bytes_max,
                         hub->config.target_bytes_max);
    stream->user = &stream_user;
    stream->ctx = conn;
    conn->next = hub->conns;
    if (hub->conns)
        hub->conns->prev = conn;
    hub->conns = conn;
    hub->stats.connections++;
    hub->stats.accepted++;
    arm_read(conn);
    stream->ops->read_start(stream);
    return 0;
}
