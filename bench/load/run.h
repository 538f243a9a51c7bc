/*
 * run - the machinery of a load: loop, SIP socket, timers, arrivals, and the tally of the stage
 * under way.
 *
 * Lifetime: created once; each stage is run to its end, calls and all, before the next.
 */
#ifndef OD_BENCH_LOAD_RUN_H
#define OD_BENCH_LOAD_RUN_H

#include <uv.h>

#include "bench/carrier/sip_port.h"
#include "bench/carrier/sip_text.h"
#include "bench/load/audio.h"
#include "bench/load/call.h"
#include "bench/load/plan.h"
#include "bench/load/stream.h"
#include "bench/load/tally.h"
#include "engine/base/pool.h"
#include "engine/base/timers.h"
#include "engine/host/sip_tls.h"

struct od_load_run {
    const struct od_load_plan *plan;
    struct od_load_tally *tally; /* of the stage */
    uint64_t now_ns;             /* monotonic, read once a turn */
    uint64_t name;               /* of the run, in every Call-ID */
    struct od_rng rng;
    struct od_carrier_addr local;
    char contact_host[OD_CARRIER_ADDR_TEXT]; /* host:port others reach us at */
    struct od_carrier_addr media;            /* host of our descriptions */
    struct od_sip_port *port;                /* NULL: by TCP */
    struct od_load_stream *stream;           /* NULL: by UDP */
    struct od_sip_tls *tls; /* between the stream and the target; NULL: nothing is */
    struct od_timers timers;
    struct od_pool calls;
    struct od_load_room *room; /* NULL: no audio */

    /* private to run.c */
    uv_loop_t loop;
    uv_poll_t port_poll, clock_poll;
    uv_prepare_t turn_end;
    uv_signal_t interrupt;
    int clock_fd;
    uint64_t armed_ns;
    struct od_arrivals arrivals;
    uint64_t stage_ns, second_ns;
    unsigned interrupts;
    struct od_list alive; /* calls that are not lingering */
    void (*progress)(const struct od_load_run *);
};

/* 0; -1 with a line on stderr. */
int od_load_run_create(struct od_load_run **out, const struct od_load_plan *);
void od_load_run_destroy(struct od_load_run *);

/* Runs a stage at `cps` until its last call has ended; progress is called once a second. False: it
 * was interrupted. */
bool od_load_run_stage(struct od_load_run *, double cps, struct od_load_tally *,
                       void (*progress)(const struct od_load_run *));

/* A call has ended: counts it. */
void od_load_run_ended(struct od_load_run *, struct od_load_call *, enum od_load_outcome);

#endif
