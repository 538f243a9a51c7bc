/*
 * http_link - a connection of the client: writes one request, reads one answer, and is either good
 * for another or closed. Anything odd (bytes nobody asked for, an answer before the request was
 * out) closes it: what can't be matched to a request must not be matched to the next one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/http/http_client_priv.h"

static void idle_unlink(struct od_http_link *link)
{
    struct od_http_origin *origin = link->origin;
    if (link->prev)
        link->prev->next = link->next;
    else if (origin->idle == link)
        origin->idle = link->next;
    else
        return;
    if (link->next)
        link->next->prev = link->prev;
    link->next = link->prev = NULL;
    link->client->stats.idle--;
}

void od_http_link_close(struct od_http_link *link)
{
    if (link->closing)
        return;
    link->closing = true;
    od_http_deadline_stop(&link->keep);
    idle_unlink(link);
    /* The place is free at once, for the origin and for the client. */
    link->origin->links--;
    link->client->links--;
    od_http_place_free(link->origin);
    link->origin = NULL;
    link->stream->ops->close(link->stream);
}

static void go_idle(struct od_http_link *link)
{
    struct od_http_origin *origin = link->origin;
    od_http_response_next(&link->response);
    link->next = origin->idle;
    if (origin->idle)
        origin->idle->prev = link;
    origin->idle = link;
    link->client->stats.idle++;
    od_http_deadline_start(&link->client->deadlines, &link->keep, OD_HTTP_LANE_KEEP,
                           link->client->config.idle_ms);
    od_http_place_free(origin);
}

/* The call ends with an error; the connection is of no more use. */
static void fail(struct od_http_link *link, int err, const char *why)
{
    struct od_http_request_call *call = link->call;
    link->call = NULL;
    od_http_link_close(link);
    if (call) {
        call->link = NULL;
        od_http_call_end(call, err, why, NULL);
    }
}

/* Bytes went or came: the silence begins again. */
static void heard(struct od_http_request_call *call)
{
    if (call->idle_ms)
        od_http_deadline_start(&call->client->deadlines, &call->silence, OD_HTTP_LANE_SILENCE,
                               call->idle_ms);
}

/* The answer is complete. The link is idle or closed before the call hears of it, so that a call
 * made from its callback can use the place. */
static void complete(struct od_http_link *link, bool more_came)
{
    struct od_http_request_call *call = link->call;
    bool all_sent = call->finished && od_http_stream_queued(link->stream) == 0;
    bool keep = link->response.keep_alive && all_sent && !more_came && !link->client->closing;
    struct od_http_response answered = link->response;
    link->response.head = NULL; /* the call's until it has ended */
    link->call = NULL;
    call->link = NULL;
    if (keep)
        go_idle(link);
    else
        od_http_link_close(link);
    od_http_call_end(call, 0, "", &answered);
    od_http_response_free(&answered);
}

/* False when the link is closed. */
static bool take_head(struct od_http_link *link)
{
    struct od_http_request_call *call = link->call;
    if (link->origin->by_proxy && link->response.status == 407) { /* no word of the destination's */
        fail(link, OD_EDOWN, "the proxy asks for other credentials (407)");
        return false;
    }
    struct od_http_answer answer = {
        .status = link->response.status, .why = "", .headers = link->response.head};
    if (call->on_head)
        call->on_head(call->ctx, &answer);
    return true;
}

/* False when the link is closed. */
static bool take_body(struct od_http_link *link)
{
    struct od_http_request_call *call = link->call;
    size_t bytes = link->response.body_bytes;
    call->answer_bytes += bytes;
    if (call->answer_bytes > call->response_max) {
        fail(link, OD_ETOOBIG, "the answer is too long");
        return false;
    }
    if (call->on_data) {
        call->on_data(call->ctx, link->response.body, bytes);
        return true;
    }
    if (od_http_bytes_add(&call->answer, link->response.body, bytes)) {
        fail(link, OD_ENOMEM, "no memory");
        return false;
    }
    return true;
}

static void stream_data(void *ctx, const char *data, size_t bytes)
{
    struct od_http_link *link = ctx;
    if (!link->call) { /* bytes that nobody asked for */
        od_http_link_close(link);
        return;
    }
    heard(link->call);
    while (bytes || od_http_response_ripe(&link->response)) {
        if (link->call->ending) /* cancelled from its own callback: it hears nothing more */
            return;
        switch (od_http_response_step(&link->response, &data, &bytes)) {
        case OD_HTTP_MORE:
            break;
        case OD_HTTP_HEAD:
            if (!take_head(link))
                return;
            break;
        case OD_HTTP_BODY:
            if (!take_body(link))
                return;
            break;
        case OD_HTTP_END:
            complete(link, bytes > 0);
            return;
        case OD_HTTP_BAD:
            fail(link, OD_EPROTO, link->response.why);
            return;
        }
    }
}

/* The connection broke, or the server ended it, while a call was on it. */
static void lost(struct od_http_link *link, const char *why)
{
    struct od_http_request_call *call = link->call;
    if (od_http_response_begun(&link->response)) {
        fail(link, OD_EPROTO, why);
        return;
    }
    if (link->calls > 1 && od_http_call_again(call)) {
        link->call = NULL;
        od_http_link_close(link);
        return;
    }
    fail(link, OD_EDOWN, why);
}

static void stream_end(void *ctx, int err)
{
    struct od_http_link *link = ctx;
    if (!link->call) {
        od_http_link_close(link);
        return;
    }
    if (err == 0 && od_http_response_eof(&link->response) == OD_HTTP_END)
        complete(link, false);
    else
        lost(link, err ? "connection lost" : link->response.why);
}

static void stream_drained(void *ctx)
{
    struct od_http_link *link = ctx;
    struct od_http_request_call *call = link->call;
    if (!call)
        return;
    heard(call);
    if (call->stream_body && !call->finished && !call->ending)
        call->on_writable(call->ctx, call->id);
}

static void stream_closed(void *ctx)
{
    struct od_http_link *link = ctx;
    od_http_response_free(&link->response);
    free(link);
}

static const struct od_http_stream_user stream_user = {
    .data = stream_data,
    .end = stream_end,
    .drained = stream_drained,
    .closed = stream_closed,
};

static void start(struct od_http_link *link, struct od_http_request_call *call)
{
    link->call = call;
    link->calls++;
    call->link = link;
    call->state = OD_HTTP_CALL_RUNNING;
    link->response.to_head = call->is_head;
    if (call->may_go && !call->may_go(call->ctx)) {
        fail(link, OD_ECANCELED, "not to be sent any more");
        return;
    }
    uv_buf_t bufs[2] = {{.base = call->head.at, .len = call->head.used},
                        {.base = call->body.at, .len = call->body.used}};
    if (link->stream->ops->write(link->stream, bufs, call->body.used ? 2 : 1)) {
        fail(link, OD_ENOMEM, "no memory");
        return;
    }
    heard(call);
    if (call->stream_body)
        call->on_writable(call->ctx, call->id);
}

void od_http_link_open(struct od_http_request_call *call, struct od_http_stream *stream)
{
    struct od_http_link *link = calloc(1, sizeof *link);
    if (!link) {
        od_http_stream_abandon(stream);
        call->origin->links--;
        call->client->links--;
        od_http_call_end(call, OD_ENOMEM, "no memory", NULL);
        return;
    }
    link->client = call->client;
    link->origin = call->origin;
    link->stream = stream;
    od_http_response_init(&link->response);
    stream->user = &stream_user;
    stream->ctx = link;
    stream->ops->read_start(stream);
    start(link, call);
}

void od_http_link_take(struct od_http_link *link, struct od_http_request_call *call)
{
    od_http_deadline_stop(&link->keep);
    idle_unlink(link);
    link->client->stats.reused++;
    start(link, call);
}

int64_t od_http_link_write(struct od_http_link *link, const void *data, size_t bytes)
{
    size_t queued = od_http_stream_queued(link->stream);
    if (queued >= OD_HTTP_WRITE_MAX)
        return OD_EBUSY;
    if (bytes == 0)
        return (int64_t)queued;
    char size[24];
    int size_bytes = snprintf(size, sizeof size, "%zx\r\n", bytes);
    uv_buf_t bufs[3] = {{.base = size, .len = (size_t)size_bytes},
                        {.base = (char *)data, .len = bytes},
                        {.base = (char *)"\r\n", .len = 2}};
    if (link->stream->ops->write(link->stream, bufs, 3))
        return OD_ENOMEM;
    heard(link->call);
    return (int64_t)od_http_stream_queued(link->stream);
}

void od_http_link_finish(struct od_http_link *link)
{
    uv_buf_t last = {.base = (char *)"0\r\n\r\n", .len = 5};
    heard(link->call);
    link->stream->ops->write(link->stream, &last, 1); /* what can't be sent ends in the deadline */
}
