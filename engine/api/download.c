/*
 * download - see download.h.
 */
#include "engine/api/download.h"

#include <stdlib.h>
#include <string.h>

#include "engine/api/native.h"
#include "engine/api/query.h"
#include "engine/base/str.h"
#include "outdial/err.h"

enum { QUEUE_HIGH = 1024 * 1024 }; /* unsent bytes beyond which nothing more is read */

struct od_download {
    struct od_request *q;
    struct od_download *next; /* of those that wait */
    struct od_uid call;
    uint8_t part; /* what its agent recorded; 0: the whole call */
    uint64_t at;
    bool begun, waits;
};

static void read_on(struct od_download *d);

/* At the end: a tick serves those that were there when it began. */
static void wait_for_client(struct od_download *d)
{
    struct od_download **at = &d->q->api->downloads;
    while (*at)
        at = &(*at)->next;
    d->waits = true;
    d->next = NULL;
    *at = d;
}

static void stop_waiting(struct od_download *d)
{
    for (struct od_download **at = &d->q->api->downloads; *at; at = &(*at)->next) {
        if (*at == d) {
            *at = d->next;
            break;
        }
    }
    d->waits = false;
}

static void begin(struct od_request *q, bool ogg)
{
    q->x->ops->begin(q->x, 200, ogg ? "audio/ogg" : "audio/wav",
                     ogg ? "Content-Disposition: attachment; filename=\"recording.opus\"\r\n"
                         : "Content-Disposition: attachment; filename=\"recording.wav\"\r\n");
}

static void on_piece(void *ctx, int err, const uint8_t *bytes, size_t count, uint64_t total)
{
    struct od_download *d = ctx;
    struct od_request *q = d->q;
    if (!od_request_back(q))
        return;
    if (!d->begun && err) {
        od_request_err(q, err, "recording");
        return;
    }
    if (!d->begun) {
        d->begun = true;
        q->answered = true;
        begin(q, count >= 4 && !memcmp(bytes, "OggS", 4)); /* RFC 3533 section 6 */
    }
    if (err || !count) { /* the file's end; or it broke: the client sees too little */
        q->x->ops->finish(q->x);
        return;
    }
    d->at += count;
    od_request_out(q); /* writing may close the exchange */
    size_t queued = q->x->ops->write(q->x, bytes, count);
    if (!od_request_back(q))
        return;
    if (d->at >= total)
        q->x->ops->finish(q->x);
    else if (queued > QUEUE_HIGH)
        wait_for_client(d);
    else
        read_on(d);
}

static void read_on(struct od_download *d)
{
    struct od_request *q = d->q;
    const struct od_api_host *host = &q->api->host;
    od_request_out(q);
    int err = host->recording(host->ctx, &d->call, d->part, d->at, on_piece, d);
    if (err)
        on_piece(d, err, NULL, 0, 0);
}

/* part=N, as the call's result names it; 0: none is named. False: it is no number of a part. */
static bool read_part(const struct od_request *q, uint8_t *out)
{
    char text[OD_QUERY_VALUE_MAX];
    uint64_t part = 0;
    *out = 0;
    if (!od_query_get(q->x->query, "part", text))
        return true;
    *out = od_str_u64(text, strlen(text), UINT8_MAX, &part) ? (uint8_t)part : 0;
    return *out != 0;
}

static void call_read(void *ctx, int err, const struct od_call_rec *recs, size_t count,
                      uint64_t next_cursor)
{
    struct od_request *q = ctx;
    (void)next_cursor;
    if (!od_request_back(q))
        return;
    if (!err && (!count || !q->api->host.recording))
        err = OD_ENOENT;
    uint8_t part = 0;
    if (!err && !read_part(q, &part)) {
        od_request_fault(q, "query/part", "must be a number from 1 to 255");
        return;
    }
    struct od_download *d = err ? NULL : calloc(1, sizeof *d);
    if (!d) {
        od_request_err(q, err ? err : OD_ENOMEM, "call");
        return;
    }
    d->q = q;
    d->call = recs->id;
    d->part = part;
    q->work = d;
    q->download = d;
    read_on(d);
}

void od_calls_recording(struct od_request *q)
{
    od_request_out(q);
    q->api->repo.call_get(q->api->repo.ctx, q->who.org, &q->at.ids[0], call_read, q);
}

void od_downloads_tick(struct od_api *api)
{
    unsigned count = 0;
    for (const struct od_download *d = api->downloads; d; d = d->next)
        count++;
    for (; count && api->downloads; count--) {
        struct od_download *d = api->downloads;
        stop_waiting(d);
        size_t queued = d->q->x->ops->write(d->q->x, "", 0); /* only a write tells */
        if (queued > QUEUE_HIGH)
            wait_for_client(d);
        else
            read_on(d);
    }
}

void od_download_gone(struct od_request *q)
{
    if (q->download && q->download->waits)
        stop_waiting(q->download);
}
