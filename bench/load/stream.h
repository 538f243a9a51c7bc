/*
 * stream - one connection to a SIP server over TCP. Messages go out in batches and come in one by
 * one. A connection that was lost is made again, every 200 ms; what was to go out meanwhile is
 * refused, and whoever waits for an answer has a time of his own.
 *
 * Lifetime: closed by its owner, whose loop then runs once more.
 */
#ifndef OD_BENCH_LOAD_STREAM_H
#define OD_BENCH_LOAD_STREAM_H

#include <uv.h>

#include "bench/carrier/carrier_addr.h"
#include "bench/carrier/sip_text.h"

struct od_load_stream;

struct od_load_stream_events {
    void *ctx;
    /* bytes may be written to and are borrowed until it returns. */
    void (*message)(void *ctx, char *bytes, size_t count);
    void (*lost)(void *ctx, const char *why);
};

/* Connects, from the host and port of *local (0: any), and writes what it has become back to it.
 * Waits for it, 5 s at most. 0 or -errno. */
int od_load_stream_open(struct od_load_stream **out, uv_loop_t *loop,
                        const struct od_carrier_addr *server, struct od_carrier_addr *local,
                        const struct od_load_stream_events *events);
void od_load_stream_close(struct od_load_stream *stream);

/* An empty buffer to compose in, taken by the next od_load_stream_post(). */
struct od_sip_out *od_load_stream_compose(struct od_load_stream *stream);
/* False: it did not fit, or there is no connection. */
bool od_load_stream_post(struct od_load_stream *stream);
bool od_load_stream_is_up(const struct od_load_stream *stream);
/* Sends what was posted. */
void od_load_stream_flush(struct od_load_stream *stream);

#endif
