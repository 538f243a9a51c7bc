/*
 * sse - the event stream: what happened in an org, as server-sent events (the HTML standard,
 * section 9.2). Clients at the same place share one read of the repo a tick, so a hundred watchers
 * cost what one does. A client that doesn't take what it is sent is cut; it comes back with
 * Last-Event-ID and misses nothing that is still kept.
 *
 * Lifetime: a stream lives as long as its request; the set belongs to the API.
 */
#ifndef ENGINE_API_SSE_H
#define ENGINE_API_SSE_H

#include "engine/api/request.h"

enum {
    OD_STREAM_KEEPALIVE_MS = 15000,
    OD_STREAM_PAGE = 200,              /* events read at a time */
    OD_STREAM_QUEUE_HIGH = 128 * 1024, /* unsent bytes above which nothing more is read */
    OD_STREAM_STUCK_MS = 10000,        /* above it for so long: cut */
};

int od_streams_create(struct od_streams **out, struct od_api *api, uint32_t max); /* OD_ENOMEM */
void od_streams_destroy(struct od_streams *streams); /* NULL is fine; no stream may be left */
void od_streams_tick(struct od_streams *streams, struct od_now now);
void od_streams_drain(struct od_streams *streams);
/* Ends the streams that were opened with the key. */
void od_streams_key_gone(struct od_streams *streams, const uint8_t hash[32]);

/* The request's exchange is closed. A request without a stream is fine. */
void od_stream_gone(struct od_request *q);

#endif
