/*
 * Streams and the reads they share. A write may end the exchange at once (the server cuts a client
 * whose queue is too long), so a stream's request is held over each write.
 */
#include "engine/api/sse.h"

#include <stdlib.h>
#include <string.h>

#include "engine/api/native.h"
#include "engine/base/assert.h"
#include "engine/base/str.h"
#include "outdial/err.h"

struct od_stream {
    struct od_request *q;
    uint32_t index;          /* in the set */
    bool following;          /* begun, and its place is known */
    bool ended;              /* finish() was said */
    char after[40];          /* the last event sent */
    struct poll *poll;       /* the read it waits for */
    struct od_stream *next;  /* of the same poll */
    size_t queued;           /* bytes the client has not taken yet */
    uint64_t wrote_ns;       /* last write */
    uint64_t stuck_since_ns; /* 0: the queue is short enough */
};

/* One read under way and those who wait for it. */
struct poll {
    struct od_streams *set;
    struct poll *next;
    struct od_stream *members;
    char org[OD_NAME_MAX];
    char after[40];
};

struct od_streams {
    struct od_api *api;
    uint32_t max, count;
    struct poll *polls;
    struct od_stream *at[];
};

int od_streams_create(struct od_streams **out, struct od_api *api, uint32_t max)
{
    *out = calloc(1, sizeof **out + (size_t)max * sizeof(struct od_stream *));
    if (!*out)
        return OD_ENOMEM;
    (*out)->api = api;
    (*out)->max = max;
    return 0;
}

void od_streams_destroy(struct od_streams *set)
{
    if (!set)
        return;
    OD_ASSERT(!set->count && !set->polls);
    free(set);
}

/* ---- writing ---- */

/* False: the stream is gone. */
static bool stream_write(struct od_stream *stream, const char *text, size_t bytes)
{
    struct od_request *q = stream->q;
    od_request_out(q);
    size_t queued = q->x->ops->write(q->x, text, bytes);
    if (!od_request_back(q))
        return false;
    stream->queued = queued;
    stream->wrote_ns = q->api->host.now(q->api->host.ctx).mono_ns;
    return true;
}

static void stream_end(struct od_stream *stream)
{
    stream->ended = true;
    stream->q->x->ops->finish(stream->q->x); /* the stream may be gone now */
}

/* A field's value is one line; line breaks in JSON are white space between its tokens. */
static size_t add_line(char *out, const char *name, const char *text, size_t bytes)
{
    size_t used = strlen(name);
    memcpy(out, name, used);
    for (size_t i = 0; i < bytes; i++)
        out[used++] = text[i] == '\n' || text[i] == '\r' ? ' ' : text[i];
    out[used++] = '\n';
    return used;
}

/* A page of events as one text; NULL: no memory. */
static char *format_page(const struct od_event_rec *recs, size_t count, size_t *bytes)
{
    size_t size = 1;
    for (size_t i = 0; i < count; i++)
        size += recs[i].body.bytes + sizeof recs[i].id + sizeof recs[i].type + 32;
    char *text = malloc(size);
    size_t used = 0;
    for (size_t i = 0; text && i < count; i++) {
        used += add_line(text + used, "id: ", recs[i].id, strnlen(recs[i].id, sizeof recs[i].id));
        used += add_line(text + used, "event: ", recs[i].type,
                         strnlen(recs[i].type, sizeof recs[i].type));
        used += add_line(text + used, "data: ", recs[i].body.at, recs[i].body.bytes);
        text[used++] = '\n';
    }
    *bytes = used;
    return text;
}

/* ---- reading the repo ---- */

static void poll_leave(struct od_stream *stream)
{
    if (!stream->poll)
        return;
    for (struct od_stream **at = &stream->poll->members; *at; at = &(*at)->next)
        if (*at == stream) {
            *at = stream->next;
            break;
        }
    stream->poll = NULL;
    stream->next = NULL;
}

static void stream_poll(struct od_streams *set, struct od_stream *stream);

static void events_read_done(void *ctx, int err, const struct od_event_rec *recs, size_t count)
{
    struct poll *poll = ctx;
    for (struct poll **at = &poll->set->polls; *at; at = &(*at)->next)
        if (*at == poll) {
            *at = poll->next;
            break;
        }
    size_t bytes = 0;
    char *text = err || !count ? NULL : format_page(recs, count, &bytes);
    while (poll->members) {
        struct od_stream *stream = poll->members;
        poll_leave(stream);
        if (!text || stream->ended)
            continue;
        const char *last = recs[count - 1].id;
        od_str_copy(stream->after, sizeof stream->after, last,
                    strnlen(last, sizeof recs[0].id - 1));
        /* A full page: there is more, and the client keeps up. */
        if (stream_write(stream, text, bytes) && count == OD_STREAM_PAGE && !stream->ended &&
            stream->queued <= OD_STREAM_QUEUE_HIGH)
            stream_poll(poll->set, stream);
    }
    free(text);
    free(poll);
}

/* Joins a read that will bring the same, or starts one. */
static void stream_poll(struct od_streams *set, struct od_stream *stream)
{
    const char *org = stream->q->who.org;
    struct poll *poll = set->polls;
    while (poll && (strcmp(poll->org, org) != 0 || strcmp(poll->after, stream->after) != 0))
        poll = poll->next;
    bool fresh = !poll;
    if (fresh) {
        poll = calloc(1, sizeof *poll);
        if (!poll)
            return; /* the next tick tries again */
        poll->set = set;
        poll->next = set->polls;
        set->polls = poll;
        od_str_copy(poll->org, sizeof poll->org, org, strlen(org));
        od_str_copy(poll->after, sizeof poll->after, stream->after, strlen(stream->after));
    }
    stream->poll = poll;
    stream->next = poll->members;
    poll->members = stream;
    if (fresh)
        set->api->repo.events_read(set->api->repo.ctx, poll->org, poll->after, OD_STREAM_PAGE,
                                   events_read_done, poll);
}

/* ---- the set ---- */

/* Only a write tells how much the client has taken, so one is made: an empty comment. */
static const char comment[] = ":\n\n";

static void stream_tick(struct od_streams *set, struct od_stream *stream, struct od_now now)
{
    bool idle = now.mono_ns - stream->wrote_ns >= OD_STREAM_KEEPALIVE_MS * OD_NS_PER_MS;
    if (stream->ended || !stream->following || stream->poll)
        return;
    if ((idle || stream->queued > OD_STREAM_QUEUE_HIGH) &&
        !stream_write(stream, comment, sizeof comment - 1))
        return;
    if (stream->queued <= OD_STREAM_QUEUE_HIGH) {
        stream->stuck_since_ns = 0;
        stream_poll(set, stream);
    } else if (!stream->stuck_since_ns) {
        stream->stuck_since_ns = now.mono_ns;
    } else if (now.mono_ns - stream->stuck_since_ns >= OD_STREAM_STUCK_MS * OD_NS_PER_MS) {
        stream_end(stream);
    }
}

void od_streams_tick(struct od_streams *set, struct od_now now)
{
    for (uint32_t i = set->count; i-- > 0;) /* a stream that goes is replaced by the last one */
        stream_tick(set, set->at[i], now);
}

void od_streams_drain(struct od_streams *set)
{
    for (uint32_t i = set->count; i-- > 0;)
        if (set->at[i]->following && !set->at[i]->ended)
            stream_end(set->at[i]);
}

void od_streams_key_gone(struct od_streams *set, const uint8_t hash[32])
{
    for (uint32_t i = set->count; i-- > 0;) {
        const struct od_request *q = set->at[i]->q;
        if (memcmp(q->key_hash, hash, sizeof q->key_hash) == 0 && set->at[i]->following &&
            !set->at[i]->ended)
            stream_end(set->at[i]);
    }
}

void od_stream_gone(struct od_request *q)
{
    struct od_stream *stream = q->stream;
    if (!stream)
        return;
    struct od_streams *set = q->api->streams;
    poll_leave(stream);
    set->at[stream->index] = set->at[--set->count];
    set->at[stream->index]->index = stream->index;
    q->stream = NULL;
    free(stream);
}

/* ---- the route ---- */

static bool is_event_id(const char *text)
{
    size_t n = strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-");
    return n && !text[n] && n < sizeof(((struct od_stream *)0)->after);
}

static void begin(struct od_request *q)
{
    static const char hello[] = "retry: 1000\n\n";
    struct od_stream *stream = q->stream;
    if (q->api->draining) {
        od_request_problem(q, 503, "stopping", "the server is stopping");
        return;
    }
    stream->following = true;
    q->answered = true;
    q->api->answered[2]++;
    od_request_out(q);
    q->x->ops->begin(q->x, 200, "text/event-stream",
                     "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n");
    if (od_request_back(q))
        stream_write(stream, hello, sizeof hello - 1);
}

static void events_last_done(void *ctx, int err, const struct od_event_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err) {
        od_request_err(q, err, "event");
        return;
    }
    const char *id = count ? recs[0].id : "0";
    od_str_copy(q->stream->after, sizeof q->stream->after, id, strnlen(id, sizeof recs[0].id - 1));
    begin(q);
}

/* Where to go on from, as the client says; "" when it doesn't. False: it can't be read. */
static bool place_given(struct od_request *q, char out[OD_QUERY_VALUE_MAX])
{
    struct od_text header;
    if (q->x->header(q->x, "last-event-id", &header) && header.bytes) {
        if (!od_str_copy(out, OD_QUERY_VALUE_MAX, header.at, header.bytes))
            return false;
        return is_event_id(out);
    }
    return !od_query_get(q->x->query, "after", out) || is_event_id(out);
}

void od_events_stream(struct od_request *q)
{
    struct od_streams *set = q->api->streams;
    char after[OD_QUERY_VALUE_MAX] = "";
    if (!place_given(q, after)) {
        od_request_fault(q, "query/after", "is not the id of an event");
        return;
    }
    if (strcmp(q->x->method, "HEAD") == 0) {
        od_request_answer_text(q, 200, "text/event-stream", "", 0);
        return;
    }
    struct od_stream *stream = set->count < set->max ? calloc(1, sizeof *stream) : NULL;
    if (!stream) {
        od_request_problem(q, 503, "too_many_streams", "%u event streams are open, no more can be",
                           set->count);
        return;
    }
    stream->q = q;
    stream->index = set->count;
    set->at[set->count++] = stream;
    q->stream = stream;
    if (after[0]) {
        od_str_copy(stream->after, sizeof stream->after, after, strlen(after));
        begin(q);
        return;
    }
    od_request_out(q);
    q->api->repo.events_last(q->api->repo.ctx, q->who.org, events_last_done, q);
}
