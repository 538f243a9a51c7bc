/*
 * audio - the RTP side of load calls: lines (a UDP socket each) that are bound once and lent to one
 * call after the other, speech sent on absolute deadlines every 20 ms, and what comes back counted
 * (RFC 3550). Packets from anywhere but where the answer said are not counted.
 *
 * Lifetime: the room owns the lines; a call has a line from take to put.
 */
#ifndef OD_BENCH_LOAD_AUDIO_H
#define OD_BENCH_LOAD_AUDIO_H

#include <uv.h>

#include "bench/carrier/sdp_text.h"
#include "bench/load/tally.h"
#include "engine/base/timers.h"

enum { OD_LOAD_TIMER_CALL = 1, OD_LOAD_TIMER_FRAME = 2 }; /* od_timer.kind */

struct od_load_room;
struct od_load_line;

struct od_load_room_setup {
    struct od_carrier_addr local; /* host to bind to */
    uint16_t port_lowest, port_highest;
    uv_loop_t *loop;
    struct od_timers *timers;
};

/* NULL: no memory. */
struct od_load_room *od_load_room_create(const struct od_load_room_setup *);
/* Closes every line; the loop must run once more before the room's memory is free. */
void od_load_room_destroy(struct od_load_room *);

/* A line at rest; NULL when no port is left. */
struct od_load_line *od_load_line_take(struct od_load_room *);
/* The call is over: what it heard goes into the tally (not NULL for calls that were answered). */
void od_load_line_put(struct od_load_line *, struct od_load_tally *);

void od_load_line_local(const struct od_load_line *, struct od_carrier_addr *);

/* Begins to speak to where the description says; again after a new one. */
void od_load_line_start(struct od_load_line *, const struct od_sdp_text *, uint64_t now_ns);
void od_load_line_stop(struct od_load_line *);

/* Its timer has fired: sends the frames that are due. */
void od_load_line_tick(struct od_timer *, uint64_t now_ns);

#endif
